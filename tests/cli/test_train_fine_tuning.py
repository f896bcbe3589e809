"""`reszoo train` from trained weights, and `reszoo deepen`, in words."""

from __future__ import annotations

import json

from reszoo.runs import Run
from tests.cli.conftest import refused


def test_a_run_is_trained_on_with_its_stem_frozen(reszoo, run_folder, tmp_path):
    result = reszoo(
        *("train", "--from", run_folder, "--freeze", "stem", "--unfreeze-at", 2),
        *("--epochs", 2, "-o", "tuned"),
    )
    assert result.code == 0, result.err
    assert f"from        {run_folder}" in result.out
    assert "frozen until epoch 2: stem" in result.err
    assert "epoch 2: the frozen layers are trained from here on" in result.err
    info = json.loads((tmp_path / "tuned" / "run.json").read_text())
    assert info["start"] == {"source": str(run_folder), "new_layers": []}
    recipe = (tmp_path / "tuned" / "recipe.yaml").read_text()
    assert "name: finetune8" in recipe
    assert "unfreeze_at: 2" in recipe


def test_weights_for_colour_are_trained_on_grey_images(reszoo, tiny, tmp_path):
    text = tiny.read_text().replace("[8, 8, 1], mean: 128", "[8, 8, 3], mean: [120, 128, 130]")
    (tmp_path / "colour.yaml").write_text(text)
    assert reszoo("build", "colour.yaml", "-o", "colour.keras").code == 0
    result = reszoo(
        *("train", "colour.yaml", "--weights", "colour.keras", "--set", "input.shape=[8,8,1]"),
        *("--epochs", 1, "-o", "grey"),
    )
    assert result.code == 0, result.err
    assert Run.open(tmp_path / "grey").architecture().input.mean == (126.0,)


def test_what_cannot_be_tuned_is_said(reszoo, run_folder, tiny, tmp_path):
    refused(reszoo("train"), "there is no network to train")
    refused(reszoo("train", tiny, "--from", run_folder), "brings its own architecture")
    refused(reszoo("train", tiny, "--freeze", "stem"), "no trained weights", "--freeze", "--from")
    refused(
        reszoo("train", "--from", run_folder, "--freeze", "stagr1"), "'stagr1'", "mean 'stage1'"
    )
    refused(reszoo("train", "--from", run_folder, "--unfreeze-at", 2), "where:", "--unfreeze-at")
    refused(reszoo("train", tiny, "--weights", "none.h5"), "none.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


def test_a_run_is_deepened_and_trained_on(reszoo, run_folder, tmp_path):
    result = reszoo("deepen", run_folder, "--depths", 3, "-o", "deeper.keras", "--seed", 1)
    assert (result.code, result.err) == (0, "")
    assert "blocks      3" in result.out
    assert "the same to rounding" in result.out
    assert "saved deeper.keras" in result.out
    before, after = (
        json.loads(reszoo("evaluate", one, "--data", "digits", "--json").out)["accuracy"]
        for one in (run_folder, "deeper.keras")
    )
    assert after == before
    result = reszoo("train", "--from", "deeper.keras", "--epochs", 1, "-o", "longer")
    assert result.code == 0, result.err
    assert Run.open(tmp_path / "longer").architecture().stages[0].depth == 3


def test_depths_that_cannot_be_are_said(reszoo, run_folder, tmp_path):
    refused(reszoo("deepen", run_folder, "--depths", "3,3", "-o", "x.keras"), "has 1 stages, not 2")
    refused(reszoo("deepen", run_folder, "--depths", "1", "-o", "x.keras"), "as deep already")
    refused(reszoo("deepen", run_folder, "--depths", "a", "-o", "x.keras"), "such as 3,5,3")
    refused(reszoo("deepen", run_folder, "--depths", "2", "-o", "x.h5"), ".keras")
    refused(reszoo("deepen", "nowhere", "--depths", "2"), "nowhere")
    assert not list(tmp_path.iterdir())


def test_a_run_is_widened(reszoo, run_folder, tmp_path):
    result = reszoo("widen", run_folder, "--factor", 3, "-o", "wider.keras", "--seed", 1)
    assert (result.code, result.err) == (0, "")
    assert "widths      12" in result.out
    refused(reszoo("widen", run_folder, "--factor", 1), "a factor of 2 or more")
    assert [path.name for path in tmp_path.iterdir()] == ["wider.keras"]
