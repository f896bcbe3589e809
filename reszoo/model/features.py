"""How does a model hand out its named feature maps, as detection and segmentation need them?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from reszoo.errors import UserError, did_you_mean
from reszoo.model.build import deep_recursion
from reszoo.plan import plan
from reszoo.plan.rows import Ref
from reszoo.spec.architecture import Architecture


def features(model: keras.Model, names: Sequence[str], *, spec: Architecture) -> keras.Model:
    """A model of the same layers and weights that returns a dictionary of feature maps.

        >>> backbone = features(build(spec, head=False), ["stage2", "stage4"], spec=spec)
        >>> backbone(images)["stage4"].shape
        TensorShape([8, 7, 7, 2048])

    Args:
      model: built from `spec`, loaded or fresh, with or without a head.
      names: `stem`, `stage1`, `stage2`..
      spec: the model's architecture, which knows where each stage ends.

    Raises:
      UserError: there is no such stage, or the model is not one of `spec`.
    """
    stages = plan(spec).stages
    layers = {layer.name: layer for layer in model.layers}
    outputs = {name: _tensor(_end(name, stages), layers, model, spec) for name in names}
    with deep_recursion(len(layers)):
        return keras.Model(model.input, outputs, name=f"{model.name}_features")


def _end(name: str, stages: Any) -> Ref:
    if name not in stages:
        raise UserError(
            f"no feature map {name!r}",
            expected=f"one of {', '.join(stages)}",
            found=repr(name),
            hint=did_you_mean(name, stages),
        )
    end: Ref = stages[name]
    return end


def _tensor(end: Ref, layers: Any, model: keras.Model, spec: Architecture) -> Any:
    if end.row not in layers:
        raise UserError(
            f"the model {model.name!r} is not one of {spec.name!r}",
            expected=f"a layer named {end.row!r}",
            found="none of that name",
            hint="pass the spec that the model was built from",
        )
    output = layers[end.row].output
    return output[end.output] if isinstance(output, (list, tuple)) else output
