"""The house stands: every import goes down, and the floors without TensorFlow import none of it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import reszoo

PACKAGE = Path(reszoo.__file__).parent

FLOORS = (
    ("errors", "version", "collection", "quiet", "fonts"),
    ("files", "resources", "machine"),
    ("spec",),
    ("plan",),
    ("model", "data", "runs"),
    ("train",),
    ("tune", "export"),
    ("report",),
    ("keras_hook",),
    ("cli",),
    ("__init__",),
    ("__main__",),
)
"""Parts of the package from the ground up; parts of one floor do not know each other."""

FLOOR = {part: floor for floor, parts in enumerate(FLOORS) for part in parts}

WITH_TENSORFLOW = {"model", "data", "train", "tune", "export"}

HEAVY = {
    "ai_edge_litert",
    "keras",
    "keras_tuner",
    "matplotlib",
    "numpy",
    "PIL",
    "scipy",
    "sklearn",
    "tensorflow",
    "tensorflow_datasets",
}

FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    """`reszoo/spec/value.py` belongs to `spec`, `reszoo/errors.py` to `errors`."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def named(path: Path) -> str:
    return str(path.relative_to(PACKAGE.parent))


def imported_modules(nodes: Iterator[ast.AST]) -> Iterator[tuple[int, str]]:
    """Line and full name of whatever is imported; `from reszoo import spec` is `reszoo.spec`."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            if node.module == "reszoo":
                yield from ((node.lineno, f"reszoo.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, str(node.module)


def at_import_time(tree: ast.Module) -> Iterator[ast.AST]:
    """The statements that run when the module is imported, so none inside functions."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for child in ast.iter_child_nodes(node):
            lazy = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            typing = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            if not lazy and not typing:
                waiting.append(child)


def parts_imported(path: Path) -> list[tuple[int, str]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = imported_modules(ast.walk(tree))
    return [
        (line, name.split(".")[1]) for line, name in names if name.split(".")[0] == "reszoo" != name
    ]


def test_every_part_of_the_package_has_its_floor():
    assert {part_of(path) for path in FILES} == set(FLOOR)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_imports_go_down(path):
    mine = part_of(path)
    wrong = [
        f"{named(path)}:{line} imports {part}"
        for line, part in parts_imported(path)
        if part != mine and FLOOR[part] >= FLOOR[mine]
    ]
    assert not wrong


@pytest.mark.parametrize(
    "path", [path for path in FILES if part_of(path) not in WITH_TENSORFLOW], ids=named
)
def test_floors_without_tensorflow_import_nothing_heavy(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    wrong = []
    for line, name in imported_modules(at_import_time(tree)):
        root, *rest = name.split(".")
        if root in HEAVY or (root == "reszoo" and rest and rest[0] in WITH_TENSORFLOW):
            wrong.append(f"{named(path)}:{line} imports {name}")
    assert not wrong


def test_an_upward_import_would_be_found(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    file = tmp_path / "plan" / "bad.py"
    file.parent.mkdir()
    file.write_text("def f():\n    from reszoo import model\n    import reszoo.train.loop\n")
    with pytest.raises(AssertionError, match=r"bad.py:2 imports model"):
        test_imports_go_down(file)


def test_a_heavy_import_would_be_found(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    file = tmp_path / "spec" / "bad.py"
    file.parent.mkdir()
    file.write_text("try:\n    import keras.layers\nexcept ImportError:\n    pass\n")
    with pytest.raises(AssertionError, match=r"bad.py:2 imports keras.layers"):
        test_floors_without_tensorflow_import_nothing_heavy(file)


def test_the_light_floors_really_load_without_anything_heavy():
    light = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for path in FILES
        if part_of(path) not in WITH_TENSORFLOW and path.stem not in ("__init__", "__main__")
    ]
    program = (
        "import importlib, sys\n"
        f"for name in {light!r}: importlib.import_module(name)\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
