"""Feature maps by name, for detection and segmentation, and of each block by role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from reszoo.errors import UserError, did_you_mean
from reszoo.model.build import deep_recursion
from reszoo.model.quantized_model import is_fake_quantized
from reszoo.model.saving import LoadedModel
from reszoo.planning.fake_quantize import fake_quantize
from reszoo.planning.network import plan
from reszoo.planning.rows import Plan, Ref
from reszoo.spec.architecture import Architecture


def features(
    model: keras.Model | LoadedModel,
    names: Sequence[str] = (),
    *,
    role: str | None = None,
    spec: Architecture | None = None,
) -> keras.Model:
    """Returns a model of the same layers and weights whose output is a dict of feature maps.

        >>> backbone = features(build(spec, head=False), ["stage2", "stage4"])
        >>> backbone(images)["stage4"].shape
        TensorShape([8, 7, 7, 2048])

    With a role, there is a feature map of each block that has it:

        >>> gates = features(load_model("highway.keras"), role="transform_gate")
        >>> gates(images)["stage1.block1"]  # T(x), between 0 and 1

    Args:
      model: from `build` or `load_model`, with or without a head.
      names: feature maps: `stem`, `stage1`, `stage2`..
      role: part of the blocks: `transform_gate` is T(x), `carry_gate` is C(x) where it has weights
        of its own, `transform` is H(x), `shortcut` is a shortcut with layers, `merge` the sum.
      spec: the architecture of a model that stock Keras loaded. Defaults to the one that the model
        was built from.

    Raises:
      UserError: there is no such stage or role, or the model was not built from `spec`.
    """
    if isinstance(model, LoadedModel):
        model, spec = model.model, spec or model.spec
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
    refs = {name: _stage_ref(name, rows) for name in names} | _role_refs(role, rows)
    outputs = {name: _output(ref, layers, model) for name, ref in refs.items()}
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


def _role_refs(role: str | None, rows: Plan) -> dict[str, Ref]:
    """Returns the last row of a role in each block, by `stage1.block1`.."""
    in_blocks = [row for row in rows.rows if row.tags.block is not None]
    refs = {
        f"stage{row.tags.stage}.block{row.tags.block}": Ref(row.name)
        for row in in_blocks
        if row.tags.role == role
    }
    if role is not None and not refs:
        roles = list(dict.fromkeys(row.tags.role for row in in_blocks))
        raise UserError(
            f"no block of {rows.name!r} has the role {role!r}",
            expected=f"one of {', '.join(roles)}",
            found=repr(role),
            hint=did_you_mean(role, roles) or "ask for one of these",
        )
    return refs


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
