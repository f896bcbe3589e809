"""How do two models share one set of weights? The second is built with the variables of the first.

Networks of one spec for images of two sizes differ in layers without weights (a padding that only
even maps need) and in how others work, never in their weights, so that what one learns the other
knows.
"""

from __future__ import annotations

from typing import Any

import keras


def sharing(layer: keras.layers.Layer, owner: keras.layers.Layer | None) -> keras.layers.Layer:
    """The layer with the variables of another of its name, once it is built.

    Args:
      layer: not built yet.
      owner: the layer of that name in the model that has the weights, or None.

    Returns:
      The layer; for dropout the owner itself, whose generator of random numbers has a state.
    """
    if isinstance(owner, keras.layers.Dropout):
        return owner
    owned = {} if owner is None else {weight.name: weight for weight in owner.weights}

    def weight(*_: Any, name: str, **__: Any) -> keras.Variable:
        return owned[name]

    layer.add_weight = weight  # It is how a Keras layer makes every weight when it is built.
    return layer
