"""How does a trained net get more channels and stay the same function? (Net2Net, Chen 2016)

Every channel is made `factor` times, side by side, all the way from the stem to the head: so the
copies meet their like at every shortcut, also where zeros are padded. What reads the copies shares
its weights out among them, unevenly: copies read alike would learn alike and stay copies.
"""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

from reszoo.errors import UserError
from reszoo.model.build import build_canonical
from reszoo.planning.network import plan
from reszoo.planning.rows import Plan, Row
from reszoo.spec.architecture import Architecture, Stage, Stem


def widen_model(
    model: keras.Model, spec: Architecture, factor: int, *, seed: int | None = None
) -> tuple[keras.Model, Architecture]:
    """The network with `factor` times the channels and, to rounding, the same function.

    Args:
      model: of `spec`, with its head.
      spec: the model's architecture.
      factor: 2 or more.
      seed: of how weights are shared out among the copies.

    Returns:
      Canonical float32 layers, and their spec.

    Raises:
      UserError: the factor is none, the model is not one of `spec`, or channels of the net cannot
        be made several times.
    """
    if factor < 2:
        raise UserError("nothing is widened", expected="a factor of 2 or more", found=str(factor))
    wider = _with_widths(spec, factor)
    before, after = plan(spec), plan(wider)
    copies = {row.name: _copies(row, after, factor, spec) for row in before.rows}
    network = build_canonical(after)
    old, new = ({layer.name: layer for layer in one.layers} for one in (model, network))
    random = np.random.default_rng(seed)
    for row in before.rows:
        if row.parameters or row.other_parameters:
            read = copies[row.inputs[0].row]
            values = _weights(old, row, model)
            shared = {
                name: _copied(value, name, read, copies[row.name], random)
                for name, value in values.items()
            }
            for weight in new[row.name].weights:
                weight.assign(shared[weight.name])
    return network, wider


def _with_widths(spec: Architecture, factor: int) -> Architecture:
    stages = tuple(_wider_stage(stage, factor) for stage in spec.stages)
    title = f"{spec.name}, widened {factor} times"
    told = {"title": title, "source": None, "published": None, "weights": None}
    stem = _wider_stem(spec.stem, factor)
    return spec.model_copy(update={"stem": stem, "stages": stages, **told})


def _wider_stem(stem: Stem, factor: int) -> Stem:
    filters, pool = stem.filters, stem.pool
    wider: int | tuple[int, ...]
    if isinstance(filters, tuple):
        wider = tuple(one * factor for one in filters)
    else:
        wider = filters * factor
    if pool.filters is not None:
        pool = pool.model_copy(update={"filters": pool.filters * factor})
    return stem.model_copy(update={"filters": wider, "pool": pool})


def _wider_stage(stage: Stage, factor: int) -> Stage:
    update: dict[str, object] = {"width": stage.width * factor}
    pool = stage.after.pool
    if pool.filters is not None:
        pool = pool.model_copy(update={"filters": pool.filters * factor})
        update["after"] = stage.after.model_copy(update={"pool": pool})
    return stage.model_copy(update=update)


def _copies(row: Row, after: Plan, factor: int, spec: Architecture) -> int:
    """How often each channel of a row's output stands in the wider net: once or `factor` times."""
    wider = after.row(row.name)
    times = wider.shape[-1] / row.shape[-1]
    if row.op == "conv1d":
        raise _refused(
            spec, row, "ECA's convolution over the channels would read copies for neighbours"
        )
    fits = times in (1, factor)
    if row.op == "pad_channels":
        fits = wider.attributes["before"] == factor * row.attributes["before"]
    if not fits:
        raise _refused(spec, row, "its width is not a multiple of what it was")
    return int(times)


def _refused(spec: Architecture, row: Row, why: str) -> UserError:
    return UserError(
        f"{spec.name} cannot be widened: {why}",
        expected="layers that may hold each channel several times",
        found=f"{row.name}, {row.op} of shape {row.shape}",
        hint="train a wider network from the start",
    )


def _weights(
    layers: Mapping[str, keras.layers.Layer], row: Row, model: keras.Model
) -> dict[str, np.ndarray]:
    if row.name not in layers:
        raise UserError(
            f"no weights for layer {row.name!r}",
            expected=f"a layer of that name in the model {model.name!r}",
            found="none",
        )
    return {weight.name: weight.numpy() for weight in layers[row.name].weights}


def _copied(
    value: np.ndarray, name: str, read: int, written: int, random: np.random.Generator
) -> np.ndarray:
    """One weight of the wider net.

    Args:
      value: the weight as it was: a kernel (..., input, output), or a number per channel.
      name: Keras's name of it.
      read: how often each input channel stands there.
      written: how often each output channel stands there.
      random: draws the shares.
    """
    if value.ndim == 0:
        return value
    value = np.repeat(value, written, axis=-1)
    if name != "kernel" or read == 1:
        return value
    # Each input channel's copies weigh 1 together, for every output channel in another way.
    shape = (value.shape[-2], read, value.shape[-1])
    shares = random.uniform(0.5, 1.5, shape).astype(np.float32)
    shares /= shares.sum(axis=1, keepdims=True)
    shared = np.expand_dims(value, -2) * shares
    return shared.reshape(*value.shape[:-2], -1, value.shape[-1])
