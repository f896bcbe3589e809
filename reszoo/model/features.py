"""Feature maps by name, for detection and segmentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from reszoo.errors import UserError, did_you_mean
from reszoo.model.build import deep_recursion
from reszoo.model.quantized_model import is_fake_quantized
from reszoo.planning.fake_quantize import fake_quantize
from reszoo.planning.network import plan
from reszoo.planning.rows import Plan, Ref
from reszoo.spec.architecture import Architecture


def features(
    model: keras.Model, names: Sequence[str], *, spec: Architecture | None = None
) -> keras.Model:
    """Returns a model of the same layers and weights whose output is a dict of feature maps.

        >>> backbone = features(build(spec, head=False), ["stage2", "stage4"])
        >>> backbone(images)["stage4"].shape
        TensorShape([8, 7, 7, 2048])

    Args:
      model: built or loaded by reszoo, with or without a head.
      names: feature maps: `stem`, `stage1`, `stage2`..
      spec: the architecture of a model that stock Keras loaded. Defaults to the one that the model
        was built from.

    Raises:
      UserError: there is no such stage, or the model was not built from `spec`.
    """
    rows = getattr(model, "reszoo_plan", None)
    if spec is not None:
        rows = fake_quantize(plan(spec)) if is_fake_quantized(model) else plan(spec)
    if rows is None:
        raise UserError(
            f"the stages of the model {model.name!r} are unknown",
            expected="a model from reszoo.build or reszoo.load_model",
            found="a model that stock Keras loaded",
            hint="pass its architecture: features(model, names, spec=...)",
        )
    layers = {layer.name: layer for layer in model.layers}
    outputs = {name: _output(_stage_ref(name, rows), layers, model) for name in names}
    with deep_recursion(len(layers)):
        return keras.Model(model.input, outputs, name=f"{model.name}_features")


def _stage_ref(name: str, rows: Plan) -> Ref:
    if name not in rows.stages:
        raise UserError(
            f"no feature map {name!r}",
            expected=f"one of {', '.join(rows.stages)}",
            found=repr(name),
            hint=did_you_mean(name, rows.stages) or "ask for one of these",
        )
    return rows.stages[name]


def _output(ref: Ref, layers: Mapping[str, keras.Layer], model: keras.Model) -> Any:
    if ref.row not in layers:
        raise UserError(
            f"the model {model.name!r} is not one of this architecture",
            expected=f"a layer named {ref.row!r}",
            found="none of that name",
            hint="pass the spec that the model was built from",
        )
    output = layers[ref.row].output
    return output[ref.output] if isinstance(output, (list, tuple)) else output
