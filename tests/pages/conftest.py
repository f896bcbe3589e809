"""Pages in the system's headless chromium; skipped without playwright or the browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from reszoo.report.pages.report import write_report
from tests.report.sample_runs import finished_run

FIXTURES = Path(__file__).parents[1] / "fixtures" / "v0_1"
ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run", "--disable-extensions"),
]


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.pages)


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("needs chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def reports(tmp_path_factory) -> dict[str, Path]:
    """Pages of each kind."""
    folder = tmp_path_factory.mktemp("reports")
    for number in range(12):
        run = finished_run(
            folder / "runs" / f"run-{number}",
            seed=number % 3,
            accuracy=0.5 + number / 30,
            classes=["a", "b", "c"] if number < 6 else ["a", "b", "d"],
            epochs=5,
        )
    shutil.copytree(FIXTURES / "bundle", run.path / "export" / "mobile-int8")
    (finished_run(folder / "runs" / "broken").path / "run.json").write_text("{")
    study = run.path / "study" / "gates"
    study.mkdir(parents=True)
    (study / "study.json").write_text('{"study": "gates"}')
    (study / "summary.md").write_text("# Gates\n\n- One gate **opens**.\n\n![figure](figure.png)\n")
    subjects = {
        "run": [run.path],
        "runs": [folder / "runs"],
        "search": [FIXTURES / "search"],
        "bundle": [FIXTURES / "bundle"],
        "mixed": [folder / "runs", FIXTURES / "search", FIXTURES / "bundle"],
    }
    return {name: write_report(paths, folder / f"{name}.html") for name, paths in subjects.items()}
