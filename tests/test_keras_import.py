"""A command imports Keras without what it never uses, and its memory is not searched at the end."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from reszoo.keras_import import hidden_packages

PROGRAM = """
import gc, json, sys
from reszoo.keras_import import UNUSED, import_lean_keras

def modules():
    return [name for name in (*UNUSED, "scipy.stats") if name in sys.modules]

import_lean_keras()
after_import, frozen = modules(), gc.get_freeze_count()
from reszoo.cli import main
code = main(["train", "resnet8_digits", "--epochs", "1", "-o", sys.argv[1]])
after_training = modules()
import sklearn
import_lean_keras()
print(json.dumps({
    "code": code, "after import": after_import, "after training": after_training,
    "frozen": frozen, "later": modules(), "collecting": gc.isenabled(),
    "frozen later": gc.get_freeze_count(),
}))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path_factory.mktemp("lean") / "run")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_training_imports_nothing_that_it_does_not_use(seen):
    assert (seen["code"], seen["after import"], seen["after training"]) == (0, [], [])


def test_a_package_that_was_hidden_from_keras_can_be_imported_afterwards(seen):
    assert "sklearn" in seen["later"]


def test_the_collector_leaves_out_what_was_imported_and_nothing_else(seen):
    assert seen["collecting"]
    assert seen["frozen"] > 100_000
    assert seen["frozen later"] <= seen["frozen"]


def test_a_hidden_package_looks_as_if_it_were_not_installed():
    sys.modules.pop("colorsys", None)
    with hidden_packages("colorsys", "json"):
        import json

        with pytest.raises(ModuleNotFoundError, match="colorsys"):
            import colorsys
    import colorsys

    assert colorsys.rgb_to_hsv(0, 0, 0) == (0, 0, 0)
    assert sys.modules["json"] is json


def test_a_package_is_shown_again_after_an_error():
    sys.modules.pop("colorsys", None)
    with pytest.raises(ImportError, match="no GPU"), hidden_packages("colorsys"):
        raise ImportError("no GPU")
    import colorsys

    assert colorsys
