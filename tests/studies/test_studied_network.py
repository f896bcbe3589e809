"""Reading of networks: layers are found by tags, and reading one changes no logit."""

from __future__ import annotations

import numpy as np
import pytest

from reszoo.errors import UserError
from reszoo.planning.rows import Ref
from reszoo.studies.studied_network import open_network


def logits_of(network, refs):
    return np.concatenate([logits for _, logits, _ in network.read(refs, "reading")])


@pytest.mark.parametrize("connection", ["residual", "highway"])
def test_reading_every_layer_changes_no_logit_bit_for_bit(saved, data, connection):
    network = open_network(saved(connection), data=data, limit=40)
    every = [Ref(row.name) for row in network.plan.rows if row.op != "input"]
    assert np.array_equal(logits_of(network, []), logits_of(network, every))


def test_segments_one_after_the_other_are_the_network(saved, data):
    network = open_network(saved("highway"), data=data, limit=40)
    x = next(iter(network.batches("reading")))[0]
    for segment in network.segments:
        x = network.segment_function(segment)(x)
    np.testing.assert_allclose(x, logits_of(network, []), rtol=1e-5, atol=1e-5)


def test_images_are_evenly_spaced_and_no_more_than_the_limit(saved, data):
    network = open_network(saved("residual"), data=data, limit=7)
    assert len(network.images) == 7
    assert network.source == "7 of 60 images of arrays, train"


def test_a_file_without_data_says_how_to_give_them(saved):
    with pytest.raises(UserError, match="which data"):
        open_network(saved("residual"))
