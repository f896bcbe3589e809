"""Progressive resizing: one set of weights, trained on images that grow."""

from __future__ import annotations

import numpy as np
import pytest

from reszoo import spec as specs
from reszoo.errors import UserError
from reszoo.inference.trained import at_size, load_trained
from reszoo.model.build import build
from reszoo.training.progressive_resizing import training_format_in, training_formats
from reszoo.training.train import resume, train
from tests.training.samples import SHORT, TINY, bar_data

GROWING = specs.override(SHORT, ["sizes=[[0,6],[1/3,7],[2/3,8]]", "norm_images=32"])


def start(tmp_path, recipe=GROWING, spec=TINY, **options):
    return train(spec, bar_data(), recipe, seed=7, out=tmp_path, quiet=True, **options)


def test_sizes_are_shares_of_the_training() -> None:
    sides = [training_format_in(TINY, GROWING, epoch).height for epoch in range(3)]
    assert sides == [6, 7, 8]
    longer = GROWING.model_copy(update={"epochs": 6})
    assert [training_format_in(TINY, longer, epoch).width for epoch in range(6)] == [
        6,
        6,
        7,
        7,
        8,
        8,
    ]
    assert [one.height for one in training_formats(TINY, GROWING)] == [6, 7, 8]
    assert [one.height for one in training_formats(TINY, SHORT)] == [8]


@pytest.mark.parametrize("stops", [(1,), pytest.param((1, 2), marks=pytest.mark.slow)], ids=str)
def test_a_run_that_was_stopped_in_any_size_ends_the_same(
    tmp_path, reference, assert_equal_runs, stops
) -> None:
    whole = start(tmp_path / "whole")
    parts = start(tmp_path / "parts", stop_after=1)
    for epochs in (*stops[1:], 3):
        parts = resume(parts, epochs=epochs, data=bar_data())
    assert_equal_runs(whole, parts)
    ours, others = (load_trained(run).model.get_weights() for run in (whole, reference))
    assert not np.array_equal(ours[0], others[0])
    # the network itself is for its own size
    assert load_trained(whole).model.input_shape == (None, 8, 8, 1)
    assert all("val_accuracy" in line for line in whole.metrics() if line["kind"] == "epoch")


@pytest.mark.parametrize(
    ("overrides", "layer"),
    [
        (["head.pool=none"], "head_logits"),
        (["input.mean=image"], "mean_image"),
        (["stem.kind=dense", "block.transform=dense"], "stem_dense"),
    ],
)
def test_a_network_for_one_size_only_is_refused(tmp_path, overrides, layer) -> None:
    spec = specs.override(TINY, overrides)
    with pytest.raises(UserError, match="several sizes") as caught:
        start(tmp_path / "run", spec=spec)
    assert layer in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_images_must_be_as_large_as_the_largest_size(tmp_path) -> None:
    larger = specs.override(SHORT, ["sizes=[[0,8],[0.5,12]]"])
    with pytest.raises(UserError, match="smaller"):
        start(tmp_path / "run", larger)


def test_a_network_of_another_size_is_evaluated_on_the_same_weights(tmp_path) -> None:
    spec = specs.override(TINY, ["input.train_size=6"])
    run = start(tmp_path / "run", specs.override(SHORT, ["sizes=[[0,5],[0.5,6]]"]), spec)
    model = load_trained(run).evaluation_model()
    assert model.input_shape == (None, 8, 8, 1)
    assert (
        build(at_size(spec, load_trained(run).image_format)).count_params() == model.count_params()
    )
