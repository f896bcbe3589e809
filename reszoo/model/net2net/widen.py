"""Net2WiderNet (Chen 2016): a trained network with more channels that computes the same function.

Every channel is repeated `factor` times, in place, from the stem to the head, so that copies meet
at every shortcut, also where zeros are padded. What reads the copies splits its weights among them,
unevenly: equal copies would have equal gradients and stay equal.
"""

from __future__ import annotations

import keras
import numpy as np

from reszoo.errors import UserError
from reszoo.model.build import build_canonical
from reszoo.model.copy_weights import missing_layer
from reszoo.planning.network import plan
from reszoo.planning.rows import Plan, Row
from reszoo.spec.architecture import Architecture, Stage, Stem
from reszoo.spec.layer_fields import Pool


def widen_model(
    model: keras.Model, spec: Architecture, factor: int, *, seed: int | None = None
) -> tuple[keras.Model, Architecture]:
    """Returns the network with `factor` times the channels and, to rounding, the same function.

    The model has its head; the wider one is made of canonical float32 layers, and returned with its
    spec. The seed is that of how weights are split among copies.

    Raises:
      UserError: the factor is less than 2, the model was not built from `spec`, or the network has
        channels that cannot be repeated.
    """
    if factor < 2:
        raise UserError(
            "nothing is widened",
            expected="a factor of 2 or more",
            found=str(factor),
            hint="--factor 2",
        )
    wider_spec = _widen_spec(spec, factor)
    before, after = plan(spec), plan(wider_spec)
    repeats = {row.name: _channel_repeats(row, after, factor, spec) for row in before.rows}
    wider = build_canonical(after)
    old_layers = {layer.name: layer for layer in model.layers}
    new_layers = {layer.name: layer for layer in wider.layers}
    random = np.random.default_rng(seed)
    for row in before.rows:
        if row.parameters or row.other_parameters:
            if row.name not in old_layers:
                raise missing_layer(row.name, model)
            inputs, outputs = repeats[row.inputs[0].row], repeats[row.name]
            new_weights = {weight.name: weight for weight in new_layers[row.name].weights}
            for weight in old_layers[row.name].weights:
                values = _widen_weight(weight, inputs, outputs, random)
                new_weights[weight.name].assign(values)
    return wider, wider_spec


def _widen_spec(spec: Architecture, factor: int) -> Architecture:
    return spec.model_copy(
        update={
            "stem": _widen_stem(spec.stem, factor),
            "stages": tuple(_widen_stage(stage, factor) for stage in spec.stages),
            "title": f"{spec.name}, widened {factor} times",
            **dict.fromkeys(("source", "published", "weights")),
        }
    )


def _widen_stem(stem: Stem, factor: int) -> Stem:
    old = stem.filters
    new = tuple(count * factor for count in old) if isinstance(old, tuple) else old * factor
    return stem.model_copy(update={"filters": new, "pool": _widen_pool(stem.pool, factor)})


def _widen_stage(stage: Stage, factor: int) -> Stage:
    after = stage.after.model_copy(update={"pool": _widen_pool(stage.after.pool, factor)})
    return stage.model_copy(update={"width": stage.width * factor, "after": after})


def _widen_pool(pool: Pool, factor: int) -> Pool:
    if pool.filters is None:
        return pool
    return pool.model_copy(update={"filters": pool.filters * factor})


def _channel_repeats(row: Row, after: Plan, factor: int, spec: Architecture) -> int:
    """Returns how often the wider net repeats each channel of a row's output: 1 or `factor`."""
    wider = after.row(row.name)
    repeats = wider.shape[-1] / row.shape[-1]
    if row.op == "conv1d":
        why = "ECA's convolution over the channels would read copies for neighbours"
        raise _refusal(spec, row, why)
    is_multiple = repeats in (1, factor)
    if row.op == "pad_channels":
        is_multiple = wider.attributes["before"] == factor * row.attributes["before"]
    if not is_multiple:
        raise _refusal(spec, row, "its new width is not a multiple of the old one")
    return int(repeats)


def _refusal(spec: Architecture, row: Row, why: str) -> UserError:
    return UserError(
        f"{spec.name} cannot be widened: {why}",
        expected="layers that may hold each channel several times",
        found=f"{row.name}, {row.op} of shape {row.shape}",
        hint="train a wider network from the start",
    )


def _widen_weight(
    weight: keras.Variable, inputs: int, outputs: int, random: np.random.Generator
) -> np.ndarray:
    """Returns one weight with input channels repeated `inputs` times, output ones `outputs` times.

    It is a kernel (..., input channels, output channels), or has a number per output channel.
    """
    value: np.ndarray = weight.numpy()
    if value.ndim == 0:
        return value
    value = np.repeat(value, outputs, axis=-1)
    if weight.name != "kernel" or inputs == 1:
        return value
    # The shares of an input channel's copies sum to 1, drawn anew for every output channel.
    shape = (value.shape[-2], inputs, value.shape[-1])
    shares = random.uniform(0.5, 1.5, shape).astype(np.float32)
    shares /= shares.sum(axis=1, keepdims=True)
    split = np.expand_dims(value, -2) * shares
    return split.reshape(*value.shape[:-2], -1, value.shape[-1])
