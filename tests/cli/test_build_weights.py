"""`reszoo build --weights`: a network with given weights, and where it says they are from."""

from __future__ import annotations

import re
import zipfile

import pytest

from tests.cli.conftest import call, refused

SMALL = ["--set", "stages[*].depth=1", "--set", "input.shape=[32,32,3]", "--classes", 4]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "saved.keras"
    result = call("build", "resnet18", *SMALL, "--seed", 1, "-o", path)
    assert result.code == 0, result.err
    return path


def test_build_takes_weights_and_says_where_they_are_from(reszoo, saved, tmp_path):
    result = reszoo("build", "resnet18", *SMALL, "--weights", saved, "-o", "x.keras")
    assert (result.code, result.err) == (0, "")
    assert f"weights from   {saved} (saved.keras, sha256 " in result.out
    with zipfile.ZipFile(tmp_path / "x.keras") as archive:
        text = archive.read("reszoo/architecture.yaml")
    (tmp_path / "x.yaml").write_bytes(text)
    shown = reszoo("show", "x.yaml").out
    assert re.search(rf"weights from +{re.escape(str(saved))} \(saved\.keras, sha256", shown)


@pytest.mark.parametrize("source", ["x.pth", "missing.h5", "keras:imagnet", "timm:a/b"])
def test_a_wrong_source_is_one_message_and_nothing_is_saved(reszoo, source, tmp_path):
    refused(reszoo("build", "resnet18", *SMALL, "--weights", source, "-o", "x.keras"), "expected")
    assert list(tmp_path.iterdir()) == []


def test_other_classes_are_refused_with_a_hint(reszoo, saved, tmp_path):
    words = ["build", "resnet18", *SMALL[:-1], 9, "--weights", saved, "-o", "x.keras"]
    refused(reszoo(*words), "has 4 classes, not 9", "fine-tune")
    assert list(tmp_path.iterdir()) == []
