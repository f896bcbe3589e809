"""The docs list every network of the zoo that stock Keras cannot open."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import keras

from reszoo.errors import UserError
from reszoo.model.layer_factories import FACTORIES, LayerSettings
from reszoo.model.layers import Blur, LearnedScale
from reszoo.planning.fake_quantize import fake_quantize
from reszoo.planning.network import plan
from reszoo.planning.ops import OPS
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
    [line] = [line for line in DOCS.read_text().splitlines() if "reszoo's own layers" in line]
    what, _, networks = line.strip("| ").split(" | ")
    assert set(re.findall(r"`(\w+)`", networks)) == set(found)
    layers = set().union(*found.values())
    assert layers == {Blur.__name__, LearnedScale.__name__}
    assert layers <= set(re.findall(r"`(\w+)`", what))


def test_the_docs_name_the_layers_of_every_quantized_network_and_the_networks_without() -> None:
    layers: set[str] = set()
    refused = set()
    policy = keras.DTypePolicy("float32")
    settings = LayerSettings(policy, policy, seed=None)
    for name in names_of("architecture"):
        canonical = plan(load(name))
        try:
            rows = fake_quantize(canonical)
        except UserError:
            refused.add(name)
            continue
        ops = {row.op: row for row in rows.rows if row.op not in OPS}
        layers |= {type(FACTORIES[op](row, settings)).__name__ for op, row in ops.items()}
    [line] = [line for line in DOCS.read_text().splitlines() if "trained with `--quantize`" in line]
    assert set(re.findall(r"`(\w+)`", line.split(" | ")[0])) == layers
    text = DOCS.with_name("quantize_training.md").read_text()
    assert refused == set(re.findall(r"`(\w+19\w+)`", text))
