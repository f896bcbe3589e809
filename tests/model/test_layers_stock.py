"""The docs list every network of the zoo that stock Keras cannot open."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import keras

from reszoo.model.layer_factories import FACTORIES, LayerSettings
from reszoo.model.layers import Blur, LearnedScale
from reszoo.planning.network import plan
from reszoo.spec import load, names_of

DOCS = Path(__file__).parents[2] / "docs" / "models.md"


def own_layers() -> dict[str, set[str]]:
    """Layers that are not Keras's, by network of the zoo; networks without one are left out."""
    policy = keras.DTypePolicy("float32")
    settings = LayerSettings(policy, policy, seed=None)
    found: dict[str, set[str]] = defaultdict(set)
    kinds: dict[tuple[object, ...], type[keras.layers.Layer]] = {}
    for name in names_of("architecture"):
        for row in plan(load(name)).rows:
            if row.op == "input":
                continue
            # What a factory chooses between; other attributes are numbers of the same layer.
            key = (row.op, row.attributes.get("value"), row.attributes.get("function"))
            if key not in kinds:
                kinds[key] = type(FACTORIES[row.op](row, settings))
            if not kinds[key].__module__.startswith("keras."):
                found[name].add(kinds[key].__name__)
    return found


def test_the_docs_name_every_network_with_a_layer_that_keras_lacks() -> None:
    found = own_layers()
    [line] = [line for line in DOCS.read_text().splitlines() if "layers of reszoo's own" in line]
    what, _, networks = line.strip("| ").split(" | ")
    assert set(re.findall(r"`(\w+)`", networks)) == set(found)
    layers = set().union(*found.values())
    assert layers == {Blur.__name__, LearnedScale.__name__}
    assert layers <= set(re.findall(r"`(\w+)`", what))
