"""Time and size of `reszoo report`: one run, and 200 runs made by hand; opening in chromium.

    python benchmarks/report_pages.py [--runs 200] [--run RUN]

Prints wall and CPU seconds of the whole command in a process of its own, the size of the file,
where playwright and chromium are the milliseconds from opening to `load` and to the first chart,
and, last, one line of JSON.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from output import print_result
from processes import run_silently

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.report.sample_runs import finished_run

FIXTURE = Path(__file__).parents[1] / "tests" / "fixtures" / "v0_1" / "finished"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--run", type=Path, default=FIXTURE)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        one = measure(f"one run ({options.run.name})", [options.run], root / "one.html")
        draw = random.Random(0)
        for number in range(options.runs):
            finished_run(
                root / "runs" / f"run-{number:03d}",
                seed=number % 4,
                accuracy=0.5 + 0.4 * draw.random(),
                classes=[str(n) for n in range(10 + number % 5)],
                epochs=options.epochs,
            )
        title = f"{options.runs} runs of {options.epochs} epochs"
        many = measure(title, [root / "runs"], root / "many.html")
    print_result("report_pages", one=one, many=many)


def measure(title: str, paths: list[Path], out: Path) -> dict[str, float]:
    """Prints and returns the cost of writing a page and of opening it."""
    command = [sys.executable, "-m", "reszoo", "report", *map(str, paths), "-o", str(out)]
    wall, cpu, _ = run_silently(command)
    numbers = {"wall_s": wall, "cpu_s": cpu, "mb": out.stat().st_size / 1e6}
    print(f"{title}: {wall:.1f} s wall, {cpu:.1f} s CPU, {numbers['mb']:.2f} MB")
    if (opening := opened(out)) is not None:
        load, busy, chart = opening
        print(f"  opens in {load:.0f} ms ({busy:.0f} ms CPU), first chart after {chart:.0f} ms")
        numbers |= {"load_ms": load, "load_cpu_ms": busy, "chart_ms": chart}
    return {name: round(number, 3) for name, number in numbers.items()}


def opened(page_file: Path) -> tuple[float, float, float] | None:
    """Returns milliseconds of opening a page, medians of five.

    From the start to the `load` event, the CPU time of the page's main thread until then, and from
    the start to the first chart.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if (chromium := shutil.which("chromium")) is None:
        return None
    visits = []
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        for _ in range(5):
            page = browser.new_page()
            client = page.context.new_cdp_session(page)
            client.send("Performance.enable", {"timeDomain": "threadTicks"})
            began = time.perf_counter()
            page.goto(page_file.as_uri())
            metrics = client.send("Performance.getMetrics")["metrics"]
            busy = next(each["value"] for each in metrics if each["name"] == "TaskDuration")
            load = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
            if page.locator(".chart").count():
                page.locator(".chart").first.scroll_into_view_if_needed()
                page.locator(".chart svg.marks").first.wait_for()
            visits.append((load, 1000 * busy, 1000 * (time.perf_counter() - began)))
            page.close()
        browser.close()
    load, busy, chart = (sorted(values)[2] for values in zip(*visits, strict=True))
    return load, busy, chart


if __name__ == "__main__":
    main()
