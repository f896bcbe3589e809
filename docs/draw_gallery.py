"""Draws the pictures of the gallery in docs/images/ anew: `make gallery`.

Thirteen short trainings on the digits are made once, in build/gallery/, and the studies on them;
the pages of reports are opened in the system's chromium.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from reszoo.report.pages.report import write_report

IMAGES = Path(__file__).parent / "images"
RUNS = {
    **{f"residual-{seed}": ["--seed", str(seed)] for seed in (1, 2, 3)},
    "highway-1": ["--set", "block.connection=highway", "--seed", "1"],
    "plain-1": ["--set", "block.connection=plain", "--seed", "1"],
    "deeper-1": ["--set", "stages[*].depth=2", "--seed", "1"],
    "narrow-1": ["--set", "stages[*].width=8", "--seed", "1"],
}
EXPORTED = ("residual-1", "highway-1", "narrow-1")
GATED = "studies/degradation/runs/highway50_highway_dense10_digits-seed0"
STUDIES = {
    "degradation": ("figure.svg", ["degradation", "--data", "digits", "--jobs", "2"]),
    "flow": ("figure.svg", ["flow", "plain20", "plain56", "resnet56"]),
    "gates": ("figure.png", ["gates", GATED]),
    "gate_maps": ("maps.png", ["gates", "runs/highway-1"]),
    "lesion": ("figure.svg", ["lesion", GATED]),
}
"""Studies by picture: the file to show, and the words of the command; runs are below the folder."""
WIDTH = 1240
COLOURS = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("build/gallery"))
    folder = parser.parse_args().folder
    make_runs(folder / "runs")
    for name, (figure, words) in STUDIES.items():
        study = folder / "studies" / name
        reszoo(
            "study",
            *(str(folder / word) if "/" in word else word for word in words),
            "-o",
            str(study),
        )
        picture = (IMAGES / name).with_suffix(Path(figure).suffix)
        shutil.copyfile(study / figure, picture)
        print(f"drew {picture}")
    draw_pages(folder)


def draw_pages(folder: Path) -> None:
    """Takes pictures of the pages of one run and of all."""
    pages = {
        "report_run": (folder / "runs" / "residual-1", "training", "most-confident-mistakes"),
        "report_runs": (folder / "runs", "runs", "accuracy-against-cost"),
    }
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium")
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        for name, (subject, first, last) in pages.items():
            file = write_report([subject], folder / f"{name}.html")
            page = browser.new_page(viewport={"width": WIDTH, "height": 1000})
            page.goto(file.resolve().as_uri())
            draw_charts(page)
            top, bottom = edge(page, first, "top"), edge(page, last, "bottom")
            save(page.screenshot(full_page=True), IMAGES / f"{name}.png", top, bottom)
        browser.close()


def make_runs(folder: Path) -> None:
    """Trains and exports what is not there yet."""
    for name, options in RUNS.items():
        if not (folder / name / "model.keras").exists():
            words = ["train", "resnet8_digits", "--data", "digits", "--epochs", "15"]
            reszoo(*words, *options, "-o", str(folder / name))
    for name in EXPORTED:
        if not (folder / name / "export").exists():
            reszoo("export", str(folder / name), "--target", "mobile-int8")


def reszoo(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "reszoo", *words], check=True)


def draw_charts(page: Page) -> None:
    """Brings each chart into view, so that it is drawn."""
    for chart in page.locator(".chart").all():
        chart.scroll_into_view_if_needed()
        chart.locator("svg.marks").wait_for()
    page.evaluate("scrollTo(0, 0)")


def edge(page: Page, heading: str, side: str) -> int:
    """Returns where the section under a heading begins (`top`) or ends (`bottom`), in pixels."""
    box = f"document.getElementById('{heading}').parentElement.getBoundingClientRect()"
    return int(page.evaluate(f"{box}.{side} + scrollY"))


def save(png: bytes, path: Path, top: int, bottom: int) -> None:
    """Saves a part of a screenshot in few colours."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image = image.crop((0, top, image.width, bottom))
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"drew {path} ({path.stat().st_size / 1000:.0f} kB)")


if __name__ == "__main__":
    main()
