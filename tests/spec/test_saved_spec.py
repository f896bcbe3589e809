"""Specs inside .keras files."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from reszoo import spec
from reszoo.errors import UserError
from reszoo.spec.saved_spec import SPEC_MEMBER, saved_spec


def saved(path: Path, text: str) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(SPEC_MEMBER, text)
    return str(path)


def test_a_path_leads_into_a_saved_network(tmp_path):
    file = saved(tmp_path / "a.keras", "extends: resnet20\nname: mine\n")
    resolved = spec.resolve(saved_spec(file), overrides=["classes=7"])
    assert resolved.document.classes == 7
    assert resolved.document.stages == spec.load("resnet20").stages
    assert resolved.origins[("name",)].place.line == 2


def test_a_mistake_in_it_has_its_place(tmp_path):
    file = saved(tmp_path / "a.keras", "name: mine\nstgaes: []\n")
    with pytest.raises(UserError) as caught:
        spec.load(saved_spec(file))
    assert str(caught.value.where).startswith(f"{file}/{SPEC_MEMBER}:2")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06" + bytes(18)])
def test_a_file_without_a_spec_is_refused(tmp_path, content):
    (tmp_path / "a.keras").write_bytes(content)
    with pytest.raises(UserError, match="holds no spec"):
        spec.load(saved_spec(str(tmp_path / "a.keras")))


def test_the_name_of_a_saved_network_alone_is_told_where_its_spec_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "a.keras", "extends: resnet20\n")
    with pytest.raises(UserError) as caught:
        spec.load("a.keras")
    assert caught.value.hint == "the spec in this file is a.keras/reszoo/architecture.yaml"
