"""Which tests import TensorFlow, a run without them (`pytest --light`), and who runs what.

With `pytest -n 2`, a test file is run by one worker, and so are all files of a folder that share
what takes long to make.

`pytest --doctest-modules tests reszoo` also runs the examples of the floors that import no
TensorFlow.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent
ON_TENSORFLOW = ("data", "exporting", "inference", "model", "studies", "training", "tuning")
"""Packages of reszoo that import TensorFlow; so do their tests."""
TESTS_ON_TENSORFLOW = (
    "cli/test_train_fine_tuning.py",
    "cli/test_kill9.py",
    "cli/test_lost_terminal.py",
    "cli/test_networks.py",
    "cli/test_special_files.py",
    "cli/test_supervision.py",
    "cli/test_build_weights.py",
    "cli/test_inspect.py",
    "cli/test_visible_output.py",
    "report/test_results.py",
    "runs/test_windows.py",
    "edge",
    "tflite",
    "test_error_hints.py",
    "test_examples.py",
    "test_hostile_files.py",
    "test_public_api.py",
    "test_signals.py",
    "test_keras_import.py",
    "test_quiet_import.py",
    "test_stored_keys.py",
    "test_v0_1_files.py",
    "test_wheel.py",
)
"""Other tests that do, or that start processes which do."""

ON_ONE_WORKER = ("exporting", "studies", "training")
"""Folders of tests that share trained runs and bundles."""
LONGEST = (
    "training",
    "exporting",
    "studies",
    "tuning",
    "cli/test_kill9.py",
)
"""Folders and files of tests that begin first, so that no worker ends with a long one."""

collect_ignore = ["tests/fixtures", *(f"reszoo/{package}" for package in ON_TENSORFLOW)]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--light",
        action="store_true",
        help="leave out the test files that import TensorFlow; fails if another one imports it",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    heavy = [ROOT / "tests" / name for name in (*ON_TENSORFLOW, *TESTS_ON_TENSORFLOW)]
    return True if config.getoption("light") and collection_path in heavy else None


@pytest.hookimpl(tryfirst=True)  # before tests are selected by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks rows slow as `quick_rows` says, and moves the longest tests to the front."""
    rows: Counter[str] = Counter()
    for item in items:
        marker = item.get_closest_marker("quick_rows")
        if marker is None or item.get_closest_marker("slow"):
            continue
        test = item.nodeid.partition("[")[0]
        if rows[test] % marker.args[0]:
            item.add_marker("slow")
        rows[test] += 1

    def place(item: pytest.Item) -> int:
        names = {item.path, *item.path.parents}
        found = [ROOT / "tests" / name in names for name in LONGEST]
        return found.index(True) if True in found else len(found)

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Distributes files and folders for `-n`, unless `--dist` says otherwise."""
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = _file_or_folder
    return scheduler


def _file_or_folder(nodeid: str) -> str:
    """What the worker that runs this test runs as a whole."""
    file = nodeid.partition("::")[0]
    folder = file.removeprefix("tests/").partition("/")[0]
    return folder if folder in ON_ONE_WORKER else file


@pytest.fixture(autouse=True)
def imports_no_tensorflow(request: pytest.FixtureRequest) -> Iterator[None]:
    """In a run with --light, fails the first test after which TensorFlow is imported."""
    before = "tensorflow" in sys.modules
    yield
    if request.config.getoption("light") and not before and "tensorflow" in sys.modules:
        file = request.path.relative_to(ROOT / "tests")
        pytest.fail(f"it imports TensorFlow: add '{file}' to TESTS_ON_TENSORFLOW in conftest.py")
