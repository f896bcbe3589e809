"""list, show, validate, schema, doctor: what is there, what is right, what it costs."""

from __future__ import annotations

import json

import jsonschema
import pytest
from PIL import Image

from reszoo import spec
from reszoo.runs import Finding
from tests.cli.conftest import refused


def test_list_shows_every_network_with_its_known_numbers(reszoo):
    result = reszoo("list")
    assert (result.code, result.err) == (0, "")
    names = [line.split()[0] for line in result.out.splitlines()[2:]]
    assert sorted(names) == sorted(spec.names_of("architecture"))
    (line,) = (line for line in result.out.splitlines() if line.startswith("resnet50 "))
    words = line.split(maxsplit=8)
    assert words[1:5] == ["imagenet", "224x224x3", "25,557,032", "4.09"]
    assert line.endswith("76.13  torchvision IMAGENET1K_V1")


def test_list_json_says_the_same_to_programs(reszoo):
    entries = json.loads(reszoo("list", "resnet20", "--json").out)
    (entry,) = [one for one in entries if one["name"] == "resnet20"]
    assert entry["parameters"] == 269_722
    assert entry["input"] == [32, 32, 3]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["plain", "--family", "imagenet"], {"plain18", "plain34"}),
        (["resnet1?1"], {"resnet101"}),
        (["highway10"], {"highway10_w16_mnist", "highway10_w32_mnist"}),
    ],
)
def test_list_finds_by_part_pattern_and_family(reszoo, words, expected):
    names = {entry["name"] for entry in json.loads(reszoo("list", *words, "--json").out)}
    assert names == expected


def test_list_shows_recipes_by_their_names_and_by_nets(reszoo):
    result = reszoo("list", "--recipes")
    assert [line.split()[0] for line in result.out.splitlines()[2:]] == spec.names_of("recipe")
    (line,) = (line for line in result.out.splitlines() if line.startswith("rsb_a1 "))
    assert "resnet50d 80.73, resnet50 80.40, seresnet50 80.01" in line
    entries = json.loads(reszoo("list", "--recipes", "wrn28_10", "--json").out)
    found = {entry["name"]: entry["published"]["wrn28_10"] for entry in entries}
    assert found == {"wrn_cifar": 96.0, "wrn_cifar_dropout": 96.11}
    refused(reszoo("list", "--recipes", "rsb_a4"), "no recipe is like 'rsb_a4'", "rsb_a1")


def test_show_compares_several_networks(reszoo):
    result = reszoo("show", "resnet20", "plain20", "--set", "classes=7")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[0].split() == ["resnet20", "plain20"]
    assert "block.connection  residual    plain" in result.out
    (network,) = json.loads(reszoo("show", "resnet20", "--json").out)["networks"]
    assert network["macs"] == 40_551_040


@pytest.mark.parametrize("view", ["--plan", "--yaml", "--recipe", "--diagram=x.svg"])
def test_show_refuses_views_of_one_network_for_several(reszoo, view):
    option = view.partition("=")[0]
    refused(reszoo("show", "resnet20", "plain20", view), f"{option} takes one network", "leave out")


def test_show_tells_where_each_value_of_a_recipe_stands(reszoo):
    shown = reszoo("show", "rsb_a3", "--recipe", "--set", "batch=512").out
    assert shown.startswith("rsb_a3\n\n# Every value")
    assert "batch: 512" in shown
    plain = reszoo("show", "rsb_a3", "--recipe").out
    assert "ResNet strikes back, 100 epochs" in plain
    assert "resnet50  top-1 78.10 %, as published" in plain
    assert "rsb_a2.yaml, line" in plain


def test_list_refuses_what_is_not_there_and_names_the_nearest(reszoo):
    refused(reszoo("list", "resnt50"), "no network in the zoo is like 'resnt50'", "resnet50")
    refused(reszoo("list", "--family", "cifer"), "there is no family 'cifer'", "'cifar'")
    refused(reszoo("list", "mnist", "--family", "cifar"), "the family cifar has no network like")


def test_show_tells_stages_cost_and_origins(reszoo):
    out = reszoo("show", "resnet152", "--set", "stages[1].depth=9").out
    assert "x 9" in out
    assert "stage 3  14x14x1024" in out
    assert "depth: 9, width: 128" in out
    assert "# line 7; depth: --set" in out
    assert "classes: 1000  # resnet50.yaml, line" in out
    assert "published" not in out.partition("# Every value")[0]


def test_show_says_that_a_count_is_the_published_one(reszoo):
    out = reszoo("show", "resnet50").out
    assert "25,557,032, equal to the published count" in out
    assert "4,089,184,256 (4.09 G), equal to the published 4.089 G" in out


def test_show_plan_has_a_line_for_each_row(reszoo):
    from reszoo.planning.network import plan

    lines = reszoo("show", "resnet20", "--plan").out.splitlines()
    assert len(lines) == 2 + len(plan(spec.load("resnet20")).rows)


def test_show_yaml_loads_back_to_the_same_network(reszoo, tmp_path):
    text = reszoo("show", "plain34", "--yaml").out
    (tmp_path / "own.yaml").write_text(text)
    assert spec.load(tmp_path / "own.yaml") == spec.load("plain34")


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_show_draws(reszoo, tmp_path, ending):
    result = reszoo("show", "highway10_w16_mnist", "--diagram", f"out.{ending}")
    assert result == (0, f"drew out.{ending}\n", "")
    file = tmp_path / f"out.{ending}"
    if ending == "svg":
        assert file.read_text().startswith("<svg")
    else:
        with Image.open(file) as drawn:
            assert drawn.format == "PNG"


def test_show_draws_a_twin_beside_a_network(reszoo, tmp_path):
    words = ("show", "resnet8_digits", "--twin", "block.connection=highway")
    assert reszoo(*words, "--diagram", "twins.svg") == (0, "drew twins.svg\n", "")
    drawn = (tmp_path / "twins.svg").read_text()
    assert drawn.count(">ResNet-8 for the 8x8 handwritten digits<") == 2
    assert ">with block.connection=highway<" in drawn


def test_show_refuses_a_twin_without_a_diagram_and_its_hints_work(reszoo):
    words = ("show", "resnet8_digits", "--twin", "block.connection=highway")
    refused(reszoo(*words), "--twin", "add --diagram twins.svg", "--set block.connection=highway")
    assert reszoo(*words, "--diagram", "twins.svg").code == 0
    refused(reszoo("show", "resnet8_digits", "--twin", "highway"), "FIELD=VALUE")
    assert reszoo("show", "resnet8_digits", "--set", "block.connection=highway").code == 0


def test_a_diagram_of_a_changed_network_says_what_was_changed(reszoo, tmp_path):
    assert reszoo("show", "resnet8", "--set", "classes=7", "--diagram", "x.svg").code == 0
    assert ">with classes=7<" in (tmp_path / "x.svg").read_text()


def test_show_refuses_another_ending_before_it_draws(reszoo, tmp_path):
    refused(reszoo("show", "resnet20", "--diagram", "x.pdf"), "cannot draw into x.pdf", ".svg")
    assert not list(tmp_path.iterdir())


def test_an_unknown_network_names_the_nearest(reszoo):
    refused(reszoo("show", "resnet51"), "'resnet51'", "'resnet50'")


def test_validate_tells_each_file(reszoo, tiny, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text(tiny.read_text().replace("depth: 1", "depht: 1"))
    result = reszoo("validate", tiny, bad)
    assert result.out == f"{tiny}: a valid architecture\n"
    refused(result, f"{bad}:6:", "depht", "depth")


def test_validate_tells_all_problems_of_a_file(reszoo, tiny, tmp_path):
    bad = tmp_path / "bad.yaml"
    text = tiny.read_text().replace("depth: 1", "depth: 0").replace("tiny", "../../esc")
    bad.write_text(text + "activation: swish\nstuff: 1\n")
    result = reszoo("validate", bad)
    refused(result, "unknown key 'stuff' in the architecture (and 3 more problems)")
    problems = result.err.split("error: ")[1:]
    assert [problem.split("\n")[1].partition(f"{bad}:")[2] for problem in problems] == [
        *("9:1", "1:7", "6:13", "8:13")
    ]
    for problem in problems:
        for label in ("expected:", "found:", "do:"):
            assert f"\n  {label} " in problem
    assert "name cannot be '../../esc'" in problems[1] and "write `name: esc`" in problems[1]


def test_validate_plans_a_network(reszoo, tiny, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text(tiny.read_text().replace("stem: {", "padding: valid\nstem: {stride: 9, "))
    refused(reszoo("validate", bad))


@pytest.mark.parametrize("kind", spec.KINDS)
def test_schema_is_a_json_schema_that_the_zoos_own_files_keep(reszoo, kind):
    schema = json.loads(reszoo("schema", kind).out)
    jsonschema.Draft202012Validator.check_schema(schema)
    names = spec.names_of(kind)
    document = spec.resolve(names[0], kind).document
    jsonschema.validate(spec.to_mapping(document), schema)


def test_doctor_marks_what_is_missing_and_exits_1(reszoo, monkeypatch):
    from reszoo.cli import doctor

    findings = [Finding("keras", "fine", "3.15"), Finding("tensorflow", "missing", "not installed")]
    monkeypatch.setattr(doctor, "diagnose", lambda: findings)
    monkeypatch.setattr(doctor, "start_tensorflow", lambda debug: None)
    result = reszoo("doctor")
    assert result.code == 1
    assert "MISSING  tensorflow  not installed" in result.out
    monkeypatch.setattr(doctor, "diagnose", lambda: findings[:1])
    assert reszoo("doctor").code == 0
