"""Weights copied between models by layer name, independent of layer order."""

from __future__ import annotations

from collections.abc import Collection

import keras

from reszoo.errors import UserError, did_you_mean


def copy_weights(source: keras.Model, target: keras.Model, *, skip: Collection[str] = ()) -> None:
    """Copies the weights of `source` to the layers of the same names in `target`.

    Layers that only `source` has, such as a head, are ignored. Dtypes may differ. Nothing is copied
    unless everything fits.

    Args:
      source: the model to copy from.
      target: the model to copy to.
      skip: names of layers of `target` that keep their own weights.

    Raises:
      UserError: a layer is missing from `source`, or its weights have other names or shapes.
    """
    source_layers = {layer.name: layer for layer in source.layers}
    pairs = []
    for layer in target.layers:
        if layer.weights and layer.name not in skip:
            pairs += pair_weights(source_layers.get(layer.name), layer, source)
    for old, new in pairs:
        new.assign(old.value)
    finalize_normalization(target)


def finalize_normalization(model: keras.Model) -> None:
    """Makes Normalization layers compute with their current weights, after these were assigned.

    Keras's Normalization computes with a copy of its mean that is made at build, adapt and load.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def pair_weights(
    old: keras.layers.Layer | None, new: keras.layers.Layer, source: keras.Model
) -> list[tuple[keras.Variable, keras.Variable]]:
    """Pairs the weights of a layer of `source` with those of the layer that receives them.

    Raises:
      UserError: `old` is None, so missing in `source`, or its weights have other names or shapes.
    """
    if old is None:
        raise missing_layer(new.name, source)
    if _shapes(old) != _shapes(new):
        raise UserError(
            f"the weights of layer {new.name!r} do not fit",
            expected=_format_shapes(new),
            found=_format_shapes(old),
            hint="build both models from the same spec",
        )
    return list(zip(old.weights, new.weights, strict=True))


def missing_layer(name: str, model: keras.Model) -> UserError:
    """Returns the error for a model without a layer whose weights are needed."""
    return UserError(
        f"no weights for layer {name!r}",
        expected=f"a layer of that name in the model {model.name!r}",
        found="none",
        hint=did_you_mean(name, [layer.name for layer in model.layers if layer.weights])
        or "build both models from the same spec",
    )


def _shapes(layer: keras.layers.Layer) -> list[tuple[str, tuple[int, ...]]]:
    return [(weight.name, tuple(weight.shape)) for weight in layer.weights]


def _format_shapes(layer: keras.layers.Layer) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in _shapes(layer)) or "no weights"
