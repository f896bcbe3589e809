"""A spec that extends another says only what differs, and every value knows where it came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from reszoo.errors import UserError
from reszoo.spec import DocumentReader, kind_of, load, loader, names_of, resolve
from tests.spec.files import SPEC, position, refusal, write


def test_a_twin_differs_in_one_word(tmp_path: Path) -> None:
    base = load(write(tmp_path, "base.yaml", SPEC))
    twin = load(
        write(
            tmp_path,
            "twin.yaml",
            "extends: ./base.yaml\nname: twin\nblock: {connection: highway}\n",
        )
    )
    assert twin.block == base.block.model_copy(update={"connection": "highway"})
    assert (twin.stages, twin.stem, twin.input) == (base.stages, base.stem, base.input)


def test_mappings_merge_and_lists_are_replaced(tmp_path: Path) -> None:
    write(tmp_path, "base.yaml", SPEC)
    text = "extends: base.yaml\nname: b\ninput: {crop: 0.5}\nstages: [{depth: 7, width: 9}]\n"
    spec = load(write(tmp_path, "b.yaml", text))
    assert spec.input.shape == (8, 8, 1)
    assert spec.input.crop == 0.5
    assert [(stage.depth, stage.width) for stage in spec.stages] == [(7, 9)]


def test_fields_over_a_word_keep_its_kind(tmp_path: Path) -> None:
    write(tmp_path, "base.yaml", SPEC)
    text = "extends: base.yaml\nname: b\nblock: {shortcut: {norm: false}}\n"
    shortcut = load(write(tmp_path, "b.yaml", text)).block.shortcut
    assert (shortcut.kind, shortcut.norm) == ("projection", False)


def test_a_word_over_fields_replaces_them(tmp_path: Path) -> None:
    base = SPEC.replace("shortcut: projection", "shortcut: {kind: projection, norm: false}")
    write(tmp_path, "base.yaml", base)
    text = "extends: base.yaml\nname: b\nblock: {shortcut: zero_pad}\n"
    shortcut = load(write(tmp_path, "b.yaml", text)).block.shortcut
    assert (shortcut.kind, shortcut.norm) == ("zero_pad", True)


def test_identity_is_never_inherited(tmp_path: Path) -> None:
    base = SPEC + "title: T\nsource: S\npublished: {parameters: 5, where: W}\n"
    write(tmp_path, "base.yaml", base)
    child = load(write(tmp_path, "b.yaml", "extends: base.yaml\nname: b\n"))
    assert (child.name, child.title, child.source, child.published) == ("b", None, None, None)
    error = refusal(write(tmp_path, "c.yaml", "extends: base.yaml\nclasses: 4\n"))
    assert "'name' is missing" in error.what


def test_a_parent_is_looked_for_beside_the_child_or_in_the_zoo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bases").mkdir()
    write(tmp_path / "bases", "base.yaml", "extends: resnet20\nname: base\nclasses: 7\n")
    file = write(tmp_path, "child.yaml", "extends: bases/base.yaml\nname: child\n")
    monkeypatch.chdir("/")
    assert load(file).classes == 7
    assert load(file).stages == load("resnet20").stages


def test_a_file_beside_the_child_needs_no_suffix(tmp_path: Path) -> None:
    write(tmp_path, "base.yaml", SPEC)
    write(tmp_path, "resnet20.yaml", SPEC)
    child = write(tmp_path, "child.yaml", "extends: base\nname: child\n")
    assert load(child).stages == load(tmp_path / "base.yaml").stages
    assert kind_of(child) == "architecture"
    shipped = load(write(tmp_path, "other.yaml", "extends: resnet20\nname: other\n"))
    assert shipped.stages == load("resnet20").stages
    write(tmp_path, "my_recipe.yaml", "extends: short32\nname: my_recipe\n")
    write(tmp_path, "more.yaml", "extends: my_recipe\nname: more\n")
    assert kind_of(tmp_path / "more.yaml") == "recipe"
    error = refusal(write(tmp_path, "bad.yaml", "extends: bas\nname: bad\n"))
    assert position(error) == (1, 10)


def test_three_extends_are_followed_and_a_fourth_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "s0.yaml", SPEC)
    for step in range(1, 5):
        text = f"name: s{step}\nextends: s{step - 1}.yaml\nclasses: {10 + step}\n"
        write(tmp_path, f"s{step}.yaml", text)
    assert load(tmp_path / "s3.yaml").classes == 13
    error = refusal(str(tmp_path / "s4.yaml"))
    assert "more than 3" in error.what
    assert "s4.yaml -> s3.yaml -> s2.yaml -> s1.yaml -> s0.yaml" in str(error.found)
    assert position(error) == (2, 10)
    assert str(error.where).endswith("s1.yaml:2:10")


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_a_circle_of_extends_is_shown(tmp_path: Path, length: int) -> None:
    for step in range(length):
        text = f"name: s{step}\nextends: ./s{(step + 1) % length}.yaml\n"
        write(tmp_path, f"s{step}.yaml", text)
    error = refusal(str(tmp_path / "s0.yaml"))
    assert error.what == "extends forms a cycle"
    assert str(error.found).startswith("s0.yaml -> ")
    assert str(error.found).endswith(" -> s0.yaml")
    assert position(error) == (2, 10)


def test_a_missing_parent_is_named_where_it_is_asked_for(tmp_path: Path) -> None:
    error = refusal(write(tmp_path, "a.yaml", "name: a\nextends: resnet21\n"))
    assert position(error) == (2, 10)
    assert "'resnet20'" in str(error.hint)
    error = refusal(write(tmp_path, "b.yaml", "name: b\nextends: ./gone.yaml\n"))
    assert position(error) == (2, 10)
    assert "gone.yaml" in error.what


def test_a_mistake_in_the_parent_is_placed_in_the_parent(tmp_path: Path) -> None:
    parent = write(tmp_path, "base.yaml", SPEC.replace("depth: 2", "depth: 0"))
    error = refusal(write(tmp_path, "b.yaml", "extends: base.yaml\nname: b\n"))
    assert str(error.where) == f"{parent}:9:12"


def test_every_value_has_its_origin(tmp_path: Path) -> None:
    parent = write(tmp_path, "base.yaml", SPEC)
    child = write(tmp_path, "b.yaml", "extends: base.yaml\nname: b\nblock: {connection: plain}\n")
    resolved = resolve(child, overrides=["stages[1].depth=5"])
    origins = {path: (origin.kind, str(origin.place)) for path, origin in resolved.origins.items()}
    assert origins["name",] == ("file", f"{child}:2:7")
    assert origins["block", "connection"] == ("file", f"{child}:3:21")
    assert origins["block", "transform"] == ("parent", f"{parent}:5:14")
    assert origins["stages", 1, "width"] == ("parent", f"{parent}:10:12")
    assert origins["stages", 1, "depth"] == ("set", "--set stages[1].depth=5")
    assert ("head", "pool") not in origins
    assert resolved.mapping["stages"][1] == {"depth": 5, "width": 8, "stride": 2}


def test_a_document_knows_where_its_fields_were_written(tmp_path: Path) -> None:
    file = write(tmp_path, "a.yaml", SPEC)
    spec = load(file)
    assert str(spec.where("stages", 1, "width")) == f"{file}:10:12"
    assert str(spec.where("stages", 1, "kernel")) == f"{file}:9:5"
    assert str(spec.where("head", "pool")) == f"{file}:1:1"


def test_resolving_twice_shares_nothing_that_can_change(tmp_path: Path) -> None:
    file = write(tmp_path, "a.yaml", SPEC)
    first, second = resolve(file), resolve(file)
    assert first.document == second.document
    assert first.mapping is not second.mapping
    assert first.places is not second.places


def test_extends_takes_no_list(tmp_path: Path) -> None:
    file = write(tmp_path, "a.yaml", "name: a\nextends: [resnet20, resnet32]\n")
    with pytest.raises(UserError, match="extends must name one spec"):
        load(file)


def test_one_reader_parses_every_file_of_the_zoo_once(monkeypatch: pytest.MonkeyPatch) -> None:
    files: list[str] = []
    parse = loader.parse_document
    monkeypatch.setattr(
        loader, "parse_document", lambda data, file: files.append(file) or parse(data, file)
    )
    names = names_of("architecture")
    read = DocumentReader("architecture")
    for name in names:
        resolve(name, read=read)
    assert len(names) == len(files) == len(set(files))


def test_overrides_and_twins_change_nothing_that_a_reader_holds() -> None:
    read = DocumentReader("architecture")
    before = resolve("resnet20", read=read)
    changed = resolve("resnet20", overrides=["stages[*].depth=5", "classes=3"], read=read)
    resolve("resnet32", read=read)
    assert changed.document.stages[0].depth == 5
    assert resolve("resnet20", read=read).document == before.document == load("resnet20")
    assert resolve("resnet20", read=read).origins == before.origins


def test_a_reader_finds_each_parent_beside_the_file_that_extends_it(tmp_path: Path) -> None:
    read = DocumentReader("architecture")
    for folder, classes in (("a", 3), ("b", 4)):
        (tmp_path / folder).mkdir()
        base = SPEC.replace("classes: 3", f"classes: {classes}")
        write(tmp_path / folder, "base.yaml", base)
        write(tmp_path / folder, "twin.yaml", "extends: base.yaml\nname: twin\n")
    twins = [resolve(tmp_path / folder / "twin.yaml", read=read).document for folder in "ab"]
    assert [twin.classes for twin in twins] == [3, 4]
