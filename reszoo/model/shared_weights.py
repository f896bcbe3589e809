"""Weights shared by two models of one spec: the second is built with the variables of the first.

Networks of one spec for two image sizes differ in layers without weights (padding that only even
maps need) and in the options of others, never in their weights.
"""

from __future__ import annotations

from typing import Any

import keras


def share_weights(
    layer: keras.layers.Layer, owner: keras.layers.Layer | None
) -> keras.layers.Layer:
    """Makes a layer use its owner's variables when it is built, and returns it.

    The owner is the layer of the same name in the other model, if any. In place of a dropout layer
    the owner itself is returned, because its random generator has a state.
    """
    if isinstance(owner, keras.layers.Dropout):
        return owner
    variables = {} if owner is None else {weight.name: weight for weight in owner.weights}

    def add_weight(*_: Any, name: str, **__: Any) -> keras.Variable:
        return variables[name]

    layer.add_weight = add_weight  # Keras layers create all their weights through this method.
    return layer
