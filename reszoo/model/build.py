"""How does a plan become a Keras model? Each row becomes one layer, and nothing else."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import keras

from reszoo.errors import UserError
from reszoo.gc_pause import pause_gc
from reszoo.model.device_model import DeviceModel
from reszoo.model.initializers import Kernels, initializer
from reszoo.model.layer_factories import FACTORIES, Setting
from reszoo.model.shared_weights import sharing
from reszoo.planning.device_rewrites import for_device
from reszoo.planning.network import plan
from reszoo.planning.rows import Plan, Ref
from reszoo.spec.architecture import Architecture

DEVICES = ("cpu", "gpu", "tpu")


def build(
    what: Architecture | Plan,
    *,
    dtype: str = "float32",
    head: bool = True,
    seed: int | None = None,
    device: str | None = None,
    sync_norm: bool = False,
    shared: keras.Model | None = None,
) -> keras.Model:
    """The Keras model of a spec or of a plan, with fresh weights.

    The model takes images (batch, height, width, channels) of raw pixels, uint8 or floats 0..255,
    and returns logits (batch, classes) in float32; without a head, the last feature map in the
    compute dtype. Every layer is named after its row, and `model.reszoo_plan` is the plan.

        >>> import reszoo
        >>> model = reszoo.build(reszoo.load("resnet20"), seed=0)
        >>> model.output_shape
        (None, 10)

    Args:
      what: an architecture, or a plan that is built exactly as it stands.
      dtype: the dtype policy: `float32`, `mixed_bfloat16`, `mixed_float16`, `float64`. Keras's
        global policy plays no part.
      head: whether an architecture gets its classifier.
      seed: two builds with the same seed have equal weights, and nets that share row names share
        the starting weights of those rows. None draws them afresh.
      device: None for stock layers; `cpu`, `gpu` or `tpu` for that device's fast variants.
      sync_norm: whether the replicas of a device's variants normalise over their whole batch.
      shared: a model of the same spec for images of another size, built in the same way: the new
        one has its variables instead of weights of its own, and the seed plays no part.

    Raises:
      UserError: the spec cannot be planned, or `dtype` or `device` is unknown.
    """
    rows = plan(what, head=head) if isinstance(what, Architecture) else what
    if device is None:
        return _drawn(rows, dtype, seed, shared, keras.Model)
    fast = for_device(rows, _known_device(device), dtype, sync_norm=sync_norm)
    model = _drawn(fast, dtype, seed, shared, DeviceModel)
    model.canonical = lambda: canonical(rows, "float64" if dtype == "float64" else "float32")
    return model


def _drawn(
    rows: Plan,
    dtype: str,
    seed: int | None,
    shared: keras.Model | None,
    kind: type[keras.Model],
) -> keras.Model:
    if shared is not None:
        return _assemble(rows, _setting(dtype, None), None, shared, kind)
    with Kernels() as kernels:
        return _assemble(rows, _setting(dtype, seed), kernels, kind=kind)


def canonical(rows: Plan, dtype: str = "float32") -> keras.Model:
    """The plan's model in stock layers that waits for weights: kernels are zero, nothing is
    drawn.
    """
    return _assemble(rows, _setting(dtype, seed=None), None)


def _assemble(
    rows: Plan,
    setting: Setting,
    kernels: Kernels | None,
    shared: keras.Model | None = None,
    kind: type[keras.Model] = keras.Model,
) -> keras.Model:
    with pause_gc(), deep_recursion(len(rows.rows)):
        inputs, outputs = _connected(rows, setting, kernels, shared)
        model = kind(inputs, outputs, name=rows.name)
    model.reszoo_plan = rows
    return model


@contextlib.contextmanager
def deep_recursion(layers: int) -> Iterator[None]:
    """Lets Python recurse as deep as Keras needs for a graph of that many layers.

    Keras walks a graph recursively, one frame for each layer on the longest path; the usual limit
    of 1,000 frames ends that at about 300 residual blocks.
    """
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 1000 + 2 * layers))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def _connected(
    rows: Plan, setting: Setting, kernels: Kernels | None, shared: keras.Model | None
) -> tuple[Any, Any]:
    """What goes into the layers of all rows and what comes out."""
    owners = None if shared is None else {layer.name: layer for layer in shared.layers}
    tensors: dict[Ref, Any] = {}
    inputs = []
    for row in rows.rows:
        if row.op == "input":
            outputs: Any = keras.Input(row.shape, name=row.name, dtype="float32")
            inputs.append(outputs)
        else:
            # The inputs keep the row's order: Keras descends deepest into the first, the shortcut.
            layer = FACTORIES[row.op](row, setting)
            if owners is not None:
                layer = sharing(layer, owners.get(row.name))
            outputs = layer(_only([tensors[ref] for ref in row.inputs]))
            if "kernel_initializer" in row.attributes:
                layer.kernel_initializer = initializer(row, setting.seed)
                if kernels is not None:
                    kernels.draw(row, layer)
        several = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        tensors.update((Ref(row.name, index), tensor) for index, tensor in enumerate(several))
    return _only(inputs), _only([tensors[ref] for ref in rows.outputs])


def _only(items: list[Any]) -> Any:
    return items[0] if len(items) == 1 else items


def _known_device(kind: str) -> str:
    if kind not in DEVICES:
        raise UserError(
            f"unknown device {kind!r}", expected=f"one of {', '.join(DEVICES)}", found=repr(kind)
        )
    return kind


def _setting(dtype: str, seed: int | None) -> Setting:
    full = "float64" if dtype == "float64" else "float32"
    try:
        return Setting(keras.DTypePolicy(dtype), keras.DTypePolicy(full), seed)
    except (ValueError, TypeError) as error:
        raise UserError(
            f"unknown dtype {dtype!r}",
            expected="float32, mixed_bfloat16, mixed_float16, bfloat16, float16 or float64",
            found=repr(dtype),
        ) from error
