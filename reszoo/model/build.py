"""Plans as Keras models: each row becomes one layer of the same name."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import keras

from reszoo.errors import UserError
from reszoo.gc_pause import pause_gc
from reszoo.model.device_model import DeviceModel
from reszoo.model.initializers import BackgroundInitializer, kernel_initializer
from reszoo.model.layer_factories import FACTORIES, LayerSettings
from reszoo.model.shared_weights import share_weights
from reszoo.planning.device_rewrites import for_device
from reszoo.planning.network import plan
from reszoo.planning.rows import Plan, Ref
from reszoo.spec.architecture import Architecture
from reszoo.system_info import physical_memory, processor_flags

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
    """Builds the Keras model of a spec or of a plan, with newly initialised weights.

    The model takes raw pixels (batch, height, width, channels), uint8 or float 0..255, and returns
    float32 logits (batch, classes). Without a head it returns the last feature map in the compute
    dtype. Layers are named after their rows, and `model.reszoo_plan` is the plan.

        >>> import reszoo
        >>> model = reszoo.build(reszoo.load("resnet20"), seed=0)
        >>> model.output_shape
        (None, 10)

    Args:
      what: an architecture, or a plan to build exactly as it is.
      dtype: dtype policy: `float32`, `mixed_bfloat16`, `mixed_float16` or `float64`. Keras's
        global policy is ignored.
      head: whether to build the classifier of an architecture.
      seed: seed of the initial weights. Models with equal seeds have equal weights in all rows of
        equal names. Defaults to random weights.
      device: `cpu`, `gpu` or `tpu` for the layers that are fast there. Defaults to stock layers.
      sync_norm: whether normalisation in a model built for a device takes its statistics over the
        batches of all replicas.
      shared: a model of the same spec for another image size, built with the same options. The new
        model uses its variables instead of weights of its own, and `seed` is ignored.

    Raises:
      UserError: the spec cannot be planned, or `dtype` or `device` is unknown.
    """
    rows = plan(what, head=head) if isinstance(what, Architecture) else what
    if device not in (None, *DEVICES):
        raise UserError(
            f"unknown device {device!r}",
            expected=f"one of {', '.join(DEVICES)}",
            found=repr(device),
            hint=f"write {' or '.join(map(repr, DEVICES))}, or leave it out",
        )
    settings = _layer_settings(dtype, seed if shared is None else None)
    with BackgroundInitializer() if shared is None else contextlib.nullcontext() as kernels:
        if device is None:
            return _assemble(rows, settings, kernels, shared)
        amx = "amx_bf16" in processor_flags()
        device_rows = for_device(rows, device, dtype, sync_norm=sync_norm, amx=amx)
        model = _assemble(device_rows, settings, kernels, shared, DeviceModel)
    model.canonical_factory = lambda: build_canonical(rows, _full_precision(dtype))
    return model


def build_canonical(rows: Plan, dtype: str = "float32") -> keras.Model:
    """Builds a plan's model in stock layers with kernels of zeros, to receive trained weights."""
    return _assemble(rows, _layer_settings(dtype, seed=None))


def _assemble(
    rows: Plan,
    settings: LayerSettings,
    kernels: BackgroundInitializer | None = None,
    shared: keras.Model | None = None,
    model_class: type[keras.Model] = keras.Model,
) -> keras.Model:
    if shared is None:
        _require_memory(rows)
    with pause_gc(), deep_recursion(len(rows.rows)):
        inputs, outputs = _connect(rows, settings, kernels, shared)
        model = model_class(inputs, outputs, name=rows.name)
    model.reszoo_plan = rows
    return model


def _require_memory(rows: Plan) -> None:
    """Refuses weights that this machine's memory cannot hold, before it is asked for."""
    needed = 4 * sum(row.parameters for row in rows.rows)
    available = physical_memory()
    if available is not None and needed > available:
        raise UserError(
            f"the weights of {rows.name} do not fit this machine's memory",
            expected=f"at most {available / 2**30:,.0f} GiB in float32",
            found=f"{needed / 2**30:,.0f} GiB",
            hint="make the network smaller: `reszoo show` lists the parameters of each stage",
        )


@contextlib.contextmanager
def deep_recursion(layers: int) -> Iterator[None]:
    """Raises Python's recursion limit to what Keras needs for a graph of that many layers.

    Keras walks a graph recursively, one frame for each layer on the longest path; the default limit
    of 1,000 frames ends that at about 300 residual blocks.
    """
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 1000 + 2 * layers))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def _connect(
    rows: Plan,
    settings: LayerSettings,
    kernels: BackgroundInitializer | None,
    shared: keras.Model | None,
) -> tuple[Any, Any]:
    """Calls the layers of all rows and returns the model's inputs and outputs."""
    owners = None if shared is None else {layer.name: layer for layer in shared.layers}
    tensors: dict[Ref, Any] = {}
    inputs = []
    for row in rows.rows:
        if row.op == "input":
            # Pixels in full precision: LayerNormalization computes in the dtype of its input.
            pixels = settings.full_precision.compute_dtype
            outputs: Any = keras.Input(row.shape, name=row.name, dtype=pixels)
            inputs.append(outputs)
        else:
            # The inputs keep the row's order: Keras descends deepest into the first, the shortcut.
            layer = FACTORIES[row.op](row, settings)
            if owners is not None:
                layer = share_weights(layer, owners.get(row.name))
            outputs = layer(_unwrap([tensors[ref] for ref in row.inputs]))
            if "kernel_initializer" in row.attributes:
                layer.kernel_initializer = kernel_initializer(row, settings.seed)
                if kernels is not None:
                    kernels.draw(row, layer)
        copies = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        tensors.update((Ref(row.name, index), tensor) for index, tensor in enumerate(copies))
    return _unwrap(inputs), _unwrap([tensors[ref] for ref in rows.outputs])


def _unwrap(items: list[Any]) -> Any:
    return items[0] if len(items) == 1 else items


def _full_precision(dtype: str) -> str:
    return "float64" if dtype == "float64" else "float32"


def _layer_settings(dtype: str, seed: int | None) -> LayerSettings:
    try:
        return LayerSettings(
            keras.DTypePolicy(dtype), keras.DTypePolicy(_full_precision(dtype)), seed
        )
    except (ValueError, TypeError) as error:
        raise UserError(
            f"unknown dtype {dtype!r}",
            expected="float32, mixed_bfloat16, mixed_float16, bfloat16, float16 or float64",
            found=repr(dtype),
            hint="write float32",
        ) from error
