"""Tests are where people look for them: a test file is named after what it is about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "reszoo"

ACROSS = {
    "cli/test_kill9.py",
    "cli/test_lost_terminal.py",
    "cli/test_networks.py",
    "cli/test_special_files.py",
    "cli/test_visible_output.py",
    "cli/test_zoo.py",
    "data/test_pinned.py",
    "model/test_against_numpy.py",
    "model/test_keras_applications.py",
    "model/test_theory.py",
    "model/test_zoo.py",
    "pages/test_browser.py",
    "planning/test_closed_forms.py",
    "planning/test_zoo.py",
    "report/test_results.py",
    "runs/test_windows.py",
    "spec/test_zoo.py",
    "training/test_published_recipes.py",
}
"""Tests of several modules of a package; those of several packages lie in `tests/` itself."""

OUTSIDE = TESTS / "edge"
"""Tests of what lies outside the package: each is named after a client or a runtime of others."""


def subjects(package: Path) -> Iterator[str]:
    """Yields names of the modules and folders of a package, with and without their folders.

    `fused/relu.py` is `relu` and `fused_relu`.
    """
    for path in package.rglob("*"):
        if path.suffix == ".py" or (path.is_dir() and path.name != "__pycache__"):
            parts = path.relative_to(package).with_suffix("").parts
            yield from ("_".join(parts[index:]) for index in range(len(parts)))


def is_named_after_a_module(file: Path) -> bool:
    """Whether a test's name is a module's, which an aspect may follow: `test_train_resume.py`."""
    folder = file.relative_to(TESTS).parts[0]
    name = file.stem.removeprefix("test_")
    return any(f"{name}_".startswith(f"{subject}_") for subject in subjects(PACKAGE / folder))


def test_a_test_file_is_named_after_a_module_or_listed():
    files = [file for file in TESTS.rglob("test_*.py") if file.parent not in (TESTS, OUTSIDE)]
    assert len(files) > 100
    others = {
        file.relative_to(TESTS).as_posix() for file in files if not is_named_after_a_module(file)
    }
    assert others == ACROSS


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("training/test_train_resume.py", True),
        ("model/test_fused_relu.py", True),
        ("training/test_notes.py", False),
        ("runs/test_training.py", False),
    ],
)
def test_a_name_is_compared_with_the_modules_of_its_package(file, named):
    assert is_named_after_a_module(TESTS / file) is named
