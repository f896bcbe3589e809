from pathlib import Path

import yaml

from reszoo.report.model_card import model_card
from reszoo.runs import Run
from tests.report.sample_runs import finished_run

FIXTURES = Path(__file__).parents[1] / "fixtures" / "v0_1"


def front_matter(card: str) -> dict:
    return yaml.safe_load(card.split("---\n")[1])


def test_front_matter_is_what_hubs_read(tmp_path):
    values = front_matter(model_card(finished_run(tmp_path / "run", accuracy=0.875)))
    assert (values["library_name"], values["pipeline_tag"]) == ("keras", "image-classification")
    (result,) = values["model-index"][0]["results"]
    assert result["dataset"]["name"] == "digits"
    assert result["metrics"] == [{"type": "accuracy", "value": 0.875}]


def test_the_card_has_every_section_and_leaves_intended_use_to_the_author(tmp_path):
    card = model_card(finished_run(tmp_path / "run"))
    titles = [line[3:] for line in card.splitlines() if line.startswith("## ")]
    assert titles == [
        *("Intended use", "Data", "Metrics", "Cost", "Limits", "How to use it"),
        "How it was trained",
    ]
    assert "<!-- The author fills this in: what it is for" in card
    assert "Lowest recall: a 75.0 %" in card


def test_a_run_that_no_command_repeats_says_why(tmp_path):
    run = finished_run(tmp_path / "run")
    assert "images in memory" not in model_card(run)
    run.info["command_note"] = "Started from Python with images in memory"
    assert model_card(run).endswith("```\n\nStarted from Python with images in memory.\n")


def test_names_stay_text(tmp_path):
    card = model_card(finished_run(tmp_path / "run"))
    assert "<script>" not in card
    assert "\\<script\\>" in card


def test_runs_of_version_0_1_and_unfinished_ones_have_cards():
    assert "93.89 %" in model_card(Run.open(FIXTURES / "finished"))
    card = model_card(Run.open(FIXTURES / "interrupted"))
    assert "not finished: its state is interrupted" in card
    assert "not evaluated" in card
