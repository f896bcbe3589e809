"""The public API is a list, and what is on it is there, lazy and callable."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

import pytest

import reszoo

ERRORS = {"GateError", "MachineError", "ReszooError", "UserError"}

LIGHT = {
    "cost",
    "load",
    "plan",
    "register_connection",
    "register_transform",
    "__version__",
} | ERRORS


def python(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_list_is_what_it_was():
    assert sorted(reszoo.__all__) == sorted(
        [
            *ERRORS,
            *("__version__", "build", "cost", "deepen", "evaluate", "export", "features"),
            *("fold", "load"),
            *("load_model", "load_pretrained", "plan", "predict"),
            *("register_connection", "register_transform", "resume", "save_model", "train"),
            *("tune", "widen"),
        ]
    )


def test_dir_shows_the_list_and_star_imports_it():
    assert set(reszoo.__all__) <= set(dir(reszoo))
    names = python("from reszoo import *\nprint(*(name for name in dir() if name != '__name__'))")
    assert set(reszoo.__all__) <= set(names.split())


@pytest.mark.parametrize("name", sorted(set(reszoo.__all__) - ERRORS - {"__version__"}))
def test_every_function_is_there_typed_and_documented(name):
    function = getattr(reszoo, name)
    assert callable(function)
    signature = inspect.signature(function)
    assert all(
        parameter.annotation is not inspect.Parameter.empty
        for parameter in signature.parameters.values()
    )
    assert signature.return_annotation is not inspect.Signature.empty
    assert inspect.getdoc(function)


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


def test_a_package_is_the_function_of_its_name_however_it_was_imported():
    for first in ("import reszoo.plan", "from reszoo.plan import cost", "import reszoo"):
        program = (
            f"{first}\nimport reszoo, reszoo.plan as module\n"
            "spec = reszoo.load('resnet20')\n"
            "assert reszoo.plan(spec) == module.plan(spec) == reszoo.plan.plan(spec)\n"
            "print(len(reszoo.plan(spec, head=False).rows) < len(reszoo.plan(spec).rows))"
        )
        assert python(program) == "True"


@pytest.mark.parametrize("order", ["import reszoo, keras", "import keras, reszoo"])
def test_our_layers_are_known_to_keras_once_both_are_imported(order):
    program = f"{order}\nprint(keras.saving.get_registered_object('reszoo>Blur').__name__)"
    assert python(program) == "Blur"
