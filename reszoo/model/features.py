"""How does a model hand out its named feature maps, as detection and segmentation need them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from reszoo.errors import UserError, did_you_mean
from reszoo.model.build import deep_recursion
from reszoo.planning.network import plan
from reszoo.planning.rows import Plan, Ref
from reszoo.spec.architecture import Architecture


def features(
    model: keras.Model, names: Sequence[str], *, spec: Architecture | None = None
) -> keras.Model:
    """A model of the same layers and weights that returns a dictionary of feature maps.

        >>> backbone = features(build(spec, head=False), ["stage2", "stage4"])
        >>> backbone(images)["stage4"].shape
        TensorShape([8, 7, 7, 2048])

    Args:
      model: built or loaded by reszoo, with or without a head.
      names: `stem`, `stage1`, `stage2`..
      spec: the architecture of a model that stock Keras loaded; others know it themselves.

    Raises:
      UserError: there is no such stage, or the model is not one of `spec`.
    """
    rows = plan(spec) if spec is not None else getattr(model, "reszoo_plan", None)
    if rows is None:
        raise UserError(
            f"the model {model.name!r} does not say where its stages end",
            expected="a model from reszoo.build or reszoo.load_model",
            found="one that stock Keras made",
            hint="pass its architecture: features(model, names, spec=...)",
        )
    layers = {layer.name: layer for layer in model.layers}
    outputs = {name: _tensor(_end(name, rows), layers, model) for name in names}
    with deep_recursion(len(layers)):
        return keras.Model(model.input, outputs, name=f"{model.name}_features")


def _end(name: str, rows: Plan) -> Ref:
    if name not in rows.stages:
        raise UserError(
            f"no feature map {name!r}",
            expected=f"one of {', '.join(rows.stages)}",
            found=repr(name),
            hint=did_you_mean(name, rows.stages),
        )
    return rows.stages[name]


def _tensor(end: Ref, layers: Mapping[str, keras.Layer], model: keras.Model) -> Any:
    if end.row not in layers:
        raise UserError(
            f"the model {model.name!r} is not one of this architecture",
            expected=f"a layer named {end.row!r}",
            found="none of that name",
            hint="pass the spec that the model was built from",
        )
    output = layers[end.row].output
    return output[end.output] if isinstance(output, (list, tuple)) else output
