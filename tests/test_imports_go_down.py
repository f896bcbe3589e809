"""The house stands: every import goes down, and the floors without TensorFlow import none of it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import reszoo

PACKAGE = Path(reszoo.__file__).parent

FLOORS = (
    ("errors", "version", "gc_pause", "stderr", "fonts", "json_text", "counted"),
    ("path_hints", "visible_output", "regular_files", "quiet_import", "pandas_frame"),
    (
        "keras_import",
        "lazy",
        "parent_watch",
        "weight_source",
        "atomic_files",
        "resources",
        "system_info",
        "moving_output",
    ),
    ("spec",),
    ("planning",),
    ("model", "data", "runs", "tflite", "figures"),
    ("inference",),
    ("training",),
    ("exporting",),
    ("tuning",),
    ("studies",),
    ("report",),
    ("cli",),
    ("__init__",),
    ("__main__",),
)
"""Parts of the package from the ground up; parts of one floor do not know each other."""

SUBFLOORS = {
    "spec": (("field_docs",), ("base",), ("document",), ("*",)),
    "runs": (("cluster",), ("*",)),
    "model": (("fused",), ("*",), ("net2net", "importing")),
    "data": (
        ("fingerprint", "seeded_random", "splits", "tfdata_options"),
        ("images",),
        ("source",),
        ("dataset",),
        ("sources",),
        ("data_word",),
        ("augment",),
        ("pipeline",),
        ("open_data",),
        ("previews",),
    ),
    "training": (
        ("options",),
        ("optimizers", "console", "checkpoint", "distribution"),
        ("loop", "freezing", "progressive_resizing"),
        ("fit_to_data", "teacher_record"),
        ("teachers",),
        ("fit_teachers",),
        ("job",),
        ("*",),
        ("train",),
        ("jobs",),
    ),
}
"""The same inside a package; `*` is every module that is not named."""

BELOW_TENSORFLOW = {
    "errors",
    "keras_import",
    "lazy",
    "parent_watch",
    "path_hints",
    "regular_files",
    "version",
    "moving_output",
    "visible_output",
    "weight_source",
    "gc_pause",
    "quiet_import",
    "pandas_frame",
    "stderr",
    "fonts",
    "json_text",
    "counted",
    "atomic_files",
} | {
    *("resources", "system_info", "spec", "planning", "runs", "tflite", "figures", "report"),
    *("cli", "__init__", "__main__"),
}
NO_TENSORFLOW_INSIDE = ("model/net2net/identity_blocks.py", "model/net2net/nonnegative.py")
"""Files of a package with TensorFlow that do arithmetic on plans alone."""

NUMPY_INSIDE = ("tflite/interpreter.py",)
"""Files of a floor below TensorFlow that compute, and so import NumPy and LiteRT."""

HEAVY = {
    "ai_edge_litert",
    "altair",
    "flatbuffers",
    "jinja2",
    "keras",
    "keras_tuner",
    "markdown_it",
    "markupsafe",
    "matplotlib",
    "numpy",
    "PIL",
    "rich",
    "scipy",
    "sklearn",
    "tensorflow",
    "tensorflow_datasets",
    "tflite_micro",
    "vl_convert",
}


def floors_of(package: str) -> dict[str, int]:
    floors = FLOORS if package == "" else SUBFLOORS.get(package, ())
    return {part: floor for floor, parts in enumerate(floors) for part in parts}


def parts_of(module: str) -> list[str]:
    """`reszoo.spec.base` is `["spec", "base"]`; a package's own `__init__` stands for all of it."""
    return module.split(".")[1:]


def module_of(path: Path) -> str:
    parts = [PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if len(parts) > 2 and parts[-1] == "__init__" else parts)


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imported_modules(nodes: Iterator[ast.AST]) -> Iterator[tuple[int, str]]:
    """Line and full name of whatever is imported; of `from a import b`, `a.b` if it is a module."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                folder = PACKAGE.parent / Path(*inner.split("."))
                is_module = folder.with_suffix(".py").exists() or folder.is_dir()
                yield node.lineno, inner if is_module else str(node.module)


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


def goes_up(importer: list[str], imported: list[str]) -> bool:
    """Whether an import goes up or sideways, on the floors of the package or of one inside it."""
    if importer[0] != imported[0]:
        floors = floors_of("")
        return floors[imported[0]] >= floors[importer[0]]
    floors = floors_of(importer[0])
    if not floors or len(importer) < 2 or len(imported) < 2 or importer[1] == imported[1]:
        return False
    above, below = (floors.get(parts[1], floors.get("*")) for parts in (importer, imported))
    both_unnamed = importer[1] not in floors and imported[1] not in floors
    return not both_unnamed and below >= above


def upward_imports() -> list[str]:
    wrong = []
    for path in files():
        importer = parts_of(module_of(path))
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for line, name in imported_modules(ast.walk(tree)):
            imported = parts_of(name)
            if name.split(".")[0] == "reszoo" and imported and goes_up(importer, imported):
                wrong.append(f"{path.relative_to(PACKAGE)}:{line} imports {name}")
    return wrong


def heavy_imports() -> list[str]:
    wrong = []
    for path in files():
        inside = str(path.relative_to(PACKAGE)) in NO_TENSORFLOW_INSIDE
        if parts_of(module_of(path))[0] not in BELOW_TENSORFLOW and not inside:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for line, name in imported_modules(at_import_time(tree)):
            root, *rest = name.split(".")
            upstairs = root == "reszoo" and rest and rest[0] not in BELOW_TENSORFLOW
            own = inside and name.startswith("reszoo.model.net2net.")
            computes = str(path.relative_to(PACKAGE)) in NUMPY_INSIDE and root in (
                "numpy",
                "ai_edge_litert",
            )
            if (root in HEAVY and not computes) or (upstairs and not own):
                wrong.append(f"{path.relative_to(PACKAGE)}:{line} imports {name}")
    return wrong


def test_every_part_of_the_package_has_its_floor():
    assert {parts_of(module_of(path))[0] for path in files()} == set(floors_of(""))
    for package in SUBFLOORS:
        named = set(floors_of(package)) - {"*"}
        there = {path.stem for path in (PACKAGE / package).iterdir()}
        assert named <= there, package
        if "*" not in floors_of(package):
            assert there - {"__init__", "__pycache__"} <= named, package


def test_imports_go_down():
    assert not upward_imports()


def test_floors_without_tensorflow_import_nothing_heavy():
    assert not heavy_imports()


def test_an_upward_import_would_be_found(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path / "reszoo")
    for file, text in {
        "planning/bad.py": "def f():\n    from reszoo import model\n    import reszoo.training\n",
        "data/sources/bad.py": "from reszoo.data.pipeline.batches import batches\n",
        "model/__init__.py": "",
        "inference/bad.py": "from reszoo.training.job import TrainingJob\n",
    }.items():
        path = tmp_path / "reszoo" / file
        path.parent.mkdir(parents=True)
        path.write_text(text)
    assert upward_imports() == [
        "data/sources/bad.py:1 imports reszoo.data.pipeline.batches",
        "inference/bad.py:1 imports reszoo.training.job",
        "planning/bad.py:2 imports reszoo.model",
        "planning/bad.py:3 imports reszoo.training",
    ]


def test_a_heavy_import_would_be_found(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path / "reszoo")
    file = tmp_path / "reszoo" / "spec" / "bad.py"
    file.parent.mkdir(parents=True)
    file.write_text("try:\n    import keras.layers\nexcept ImportError:\n    pass\n")
    assert heavy_imports() == ["spec/bad.py:2 imports keras.layers"]


def test_the_light_floors_really_load_without_anything_heavy():
    light = [
        module_of(path)
        for path in files()
        if parts_of(module_of(path))[0] in BELOW_TENSORFLOW
        and path.stem != "__main__"
        and str(path.relative_to(PACKAGE)) not in NUMPY_INSIDE
    ]
    light.remove("reszoo.__init__")
    program = (
        "import importlib, sys\n"
        f"for name in {light!r}: importlib.import_module(name)\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
