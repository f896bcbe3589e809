"""How do weights travel between models? By layer name, never by order."""

from __future__ import annotations

from collections.abc import Collection

import keras

from reszoo.errors import UserError, did_you_mean


def copy_weights(source: keras.Model, target: keras.Model, *, skip: Collection[str] = ()) -> None:
    """Gives every layer of `target` the weights of the layer of that name in `source`.

    What `source` has beyond that, such as a head, is left aside. Dtypes may differ. Nothing is
    copied unless everything fits.

    Args:
      source: the model that is read.
      target: the model that is written.
      skip: layers of `target` that keep their own weights.

    Raises:
      UserError: a layer is missing from `source`, or its weights have other names or shapes.
    """
    found = {layer.name: layer for layer in source.layers}
    pairs = []
    for layer in target.layers:
        if layer.weights and layer.name not in skip:
            pairs += paired(found.get(layer.name), layer, source)
    for old, new in pairs:
        new.assign(old.value)
    settle(target)


def settle(model: keras.Model) -> None:
    """Makes a model compute with the mean image that it holds, after its weights were assigned.

    Keras's Normalization works with a copy, which it takes when it is built, adapted or loaded.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def paired(
    old: keras.layers.Layer | None, new: keras.layers.Layer, source: keras.Model
) -> list[tuple[keras.Variable, keras.Variable]]:
    """The weights of one layer beside those of another that shall get them.

    Args:
      old: a layer of `source`, or None where that has none.
      new: the layer that gets the weights.
      source: for the message.

    Raises:
      UserError: there is no such layer, or its weights have other names or shapes.
    """
    if old is None:
        raise UserError(
            f"no weights for layer {new.name!r}",
            expected=f"a layer of that name in the model {source.name!r}",
            found="none",
            hint=did_you_mean(new.name, [layer.name for layer in source.layers if layer.weights]),
        )
    if _shapes(old) != _shapes(new):
        raise UserError(
            f"the weights of layer {new.name!r} do not fit",
            expected=_written(new),
            found=_written(old),
            hint="both models must come from the same spec",
        )
    return list(zip(old.weights, new.weights, strict=True))


def _shapes(layer: keras.layers.Layer) -> list[tuple[str, tuple[int, ...]]]:
    return [(weight.name, tuple(weight.shape)) for weight in layer.weights]


def _written(layer: keras.layers.Layer) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in _shapes(layer)) or "no weights"
