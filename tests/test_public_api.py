"""The public API is a list, and what is on it is there, lazy and callable."""

from __future__ import annotations

import ast
import importlib
import inspect
import pickle
import pydoc
import re
import subprocess
import sys
from pathlib import Path

import pytest

import reszoo

PACKAGE = Path(reszoo.__file__).parent
FIXTURES = Path(__file__).parent / "fixtures" / "v0_1"

ERRORS = {"GateError", "MachineError", "ReszooError", "TrainingStopped", "UserError"}
TYPES = {"ClassWeights"}

LIGHT = {
    "cost",
    "load",
    "plan",
    "register_connection",
    "register_transform",
    "__version__",
} | (ERRORS - {"TrainingStopped"})


def python(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_list_is_what_it_was():
    assert sorted(reszoo.__all__) == sorted(
        [
            *ERRORS,
            *TYPES,
            *("__version__", "build", "cost", "deepen", "evaluate", "export", "features"),
            *("copy_weights", "fold", "load"),
            *("load_model", "load_pretrained", "plan", "predict"),
            *("register_connection", "register_transform", "resume", "save_model", "train"),
            *("tune", "verify", "widen"),
        ]
    )


def test_dir_shows_the_list_and_star_imports_it():
    """And a network with layers of ours opens where Keras is imported after reszoo."""
    assert set(reszoo.__all__) <= set(dir(reszoo))
    program = (
        f"import reszoo, keras\nreszoo.load_model({str(FIXTURES / 'blur.keras')!r})\n"
        "from reszoo import *\nprint(*(name for name in dir() if name != '__name__'))"
    )
    assert set(reszoo.__all__) <= set(python(program).split())


@pytest.mark.parametrize("name", sorted(set(reszoo.__all__) - ERRORS - TYPES - {"__version__"}))
def test_every_function_is_there_typed_and_documented(name):
    function = getattr(reszoo, name)
    assert callable(function)
    signature = inspect.signature(function)
    assert all(
        parameter.annotation is not inspect.Parameter.empty
        for parameter in signature.parameters.values()
    )
    assert signature.return_annotation is not inspect.Signature.empty
    doc = inspect.getdoc(function)
    assert doc, f"{name} has no docstring"
    if inspect.isfunction(function):
        assert doc == inspect.cleandoc(function.__doc__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = reszoo.trian  # type: ignore[attr-defined]


def test_the_version_is_a_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+", reszoo.__version__)


def test_import_reszoo_imports_nothing_but_python_itself():
    program = (
        "import sys; before = set(sys.modules); import reszoo\n"
        "roots = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*(roots - sys.stdlib_module_names))"
    )
    assert python(program) == "reszoo"


def test_light_names_import_no_tensorflow():
    program = (
        f"import reszoo, sys; found = [getattr(reszoo, name) for name in {sorted(LIGHT)!r}]\n"
        "print(len(found), {'tensorflow', 'keras', 'numpy'} & set(sys.modules))"
    )
    assert python(program) == f"{len(LIGHT)} set()"


@pytest.mark.parametrize("name", ["plan", "train", "export", "tune", "resume", "build", "cost"])
def test_public_functions_are_plain_functions(name):
    function = getattr(reszoo, name)
    assert inspect.isfunction(function)
    assert pickle.loads(pickle.dumps(function)) is function
    assert function.__name__ == name


@pytest.mark.parametrize("name", ["train", "resume", "tune", "export", "evaluate", "predict"])
def test_help_shows_every_argument_with_its_type_and_default(name):
    function = getattr(reszoo, name)
    text = pydoc.plain(pydoc.render_doc(function))
    parameters = inspect.signature(function).parameters.values()
    assert len(parameters) > 3
    kinds = {parameter.kind for parameter in parameters}
    assert not kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    for parameter in parameters:
        assert str(parameter) in text
    assert inspect.getdoc(function).partition("\n")[0] in text


def test_type_checkers_and_editors_see_each_name_where_it_is_defined():
    """They read the imports under `if TYPE_CHECKING:`, and know nothing of `__getattr__`."""
    tree = ast.parse(Path(reszoo.__file__).read_text(encoding="utf-8"))
    assert typed_imports(tree) == reszoo._MODULES
    assert set(reszoo._MODULES) | {"__version__"} == set(reszoo.__all__)
    for name, module in reszoo._MODULES.items():
        assert getattr(reszoo, name) is getattr(importlib.import_module(module), name)


def typed_imports(tree: ast.Module) -> dict[str, str]:
    """Module by name, of what is imported under `if TYPE_CHECKING:`."""
    return {
        alias.name: node.module
        for block in tree.body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_a_name_that_type_checkers_do_not_see_would_be_found():
    text = "if TYPE_CHECKING:\n    from a.b import one\nfrom a.b import two\n"
    assert typed_imports(ast.parse(text)) == {"one": "a.b"}


def test_a_function_without_a_docstring_of_its_own_would_be_found(monkeypatch):
    monkeypatch.setattr(reszoo.train, "__doc__", None)
    with pytest.raises(AssertionError, match="train has no docstring"):
        test_every_function_is_there_typed_and_documented("train")


def test_no_package_binds_a_name_that_is_also_one_of_its_modules():
    """Else `import reszoo.training.train as module` gives the function."""
    wrong = []
    for init in PACKAGE.rglob("__init__.py"):
        folder = init.parent
        modules = {path.stem for path in folder.glob("*.py")} | {
            path.parent.name for path in folder.glob("*/__init__.py")
        }
        for node in ast.walk(ast.parse(init.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = {alias.asname or alias.name for alias in node.names}
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                names = {node.name}
            else:
                continue
            wrong += [f"{init.relative_to(PACKAGE)} binds {name}" for name in names & modules]
    assert not wrong
