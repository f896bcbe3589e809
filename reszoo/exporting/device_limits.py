"""Device limits: a network that is too large is refused, with a suggestion of what fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reszoo.errors import UserError
from reszoo.planning.cost import Cost, cost, fullest_row
from reszoo.planning.network import plan as plan_of
from reszoo.planning.rewrites import fold_norms, for_inference
from reszoo.planning.rows import Plan, Row
from reszoo.planning.stage_table import stage_table
from reszoo.spec import load, names_of
from reszoo.spec.target import Target
from reszoo.tflite.arena import Arena, own_bytes_of, planning_bytes_of
from reszoo.tflite.contents import TFLiteModel
from reszoo.tflite.verdict import over_limits

_WEIGHT_BYTES: dict[str, Callable[[Cost], int]] = {
    "none": lambda each: each.weight_bytes_fp32,
    "float16": lambda each: each.weight_bytes_fp16,
}
_FUSED = ("relu", "relu6")
"""Activations that are part of the operator before them."""
_OPERATORS = {"norm": 2, "normalize": 2, "centred_group_norm": 11}
"""Operators of the rows that become several: a product and a sum, or means, a root and reshapes."""
_LARGER = 1.3
"""A file over its weights, at most: operators, names and scales."""


def refuse_too_large(plan: Plan | None, target: Target) -> None:
    """Checks multiply-adds, weights and feature maps of the plan before anything is converted.

    Raises:
      UserError: the network exceeds a limit of the target, however it is converted.
    """
    if plan is None:
        return
    if found := list(plan_excesses(cost(plan), target)):
        raise _refusal(found, target, plan)


def refuse_oversized(
    model: TFLiteModel, target: Target, plan: Plan | None, arena: Arena | None
) -> None:
    """Checks a converted file against the limits of its target.

    Raises:
      UserError: the file exceeds a limit.
    """
    if found := list(over_limits(model, target, arena)):
        raise _refusal(found, target, plan)


def plan_excesses(network: Cost, target: Target) -> Iterator[tuple[str, str]]:
    """Yields what exceeds a limit of the target however it is converted, and a sentence of it."""
    limits = target.limits
    for what, value, limit, unit in (
        ("network", network.macs, limits.macs, "multiply-adds"),
        ("file", _weight_bytes(network, target), limits.file_bytes, "bytes"),
        ("arena", _map_bytes(network, target), limits.arena_bytes, "bytes"),
    ):
        if limit is not None and value > limit:
            at_least = "" if what == "network" else "at least "
            text = f"{at_least}{value:,} {unit} of {limit:,}: {value - limit:,} too many"
            yield what, f"the {what} takes {text}"


def _weight_bytes(network: Cost, target: Target) -> int:
    return _WEIGHT_BYTES.get(target.quantization, lambda each: each.weight_bytes_int8)(network)


def _map_bytes(network: Cost, target: Target) -> int:
    if target.calibrates:
        return network.peak_activation_bytes_int8
    return network.peak_activation_bytes_fp32


def _refusal(found: list[tuple[str, str]], target: Target, plan: Plan | None) -> UserError:
    """Returns the error; `found` pairs what exceeds a limit with a sentence that says so."""
    advice = [] if plan is None else [f"shrink {_costliest_part(found[0][0], plan)}"]
    if nearest := _nearest_in_zoo(plan, target):
        advice.append(f"train {nearest}, the largest network of the zoo with this input that fits")
    else:
        none = ": no network of the zoo with this input is sure to fit" if plan is not None else ""
        advice.append(f"choose a target for a larger device{none}")
    return UserError(
        f"the network is too large for the target {target.name}",
        expected="a network within the limits of the target",
        found="; ".join(text for _, text in found),
        hint="; or ".join(advice),
    )


def _costliest_part(exceeded: str, plan: Plan) -> str:
    """Returns the part of a network that contributes most to a limit that it exceeds."""
    if exceeded == "arena":
        row = fullest_row(plan)
        part = f"stage {row.tags.stage}" if row.tags.stage is not None else "the stem"
        return f"{part} (the most feature maps are alive at its layer {row.name})"
    table = stage_table(plan)
    key: Callable[..., int] = (
        (lambda stage: stage.macs) if exceeded == "network" else (lambda stage: stage.parameters)
    )
    largest = max(table, key=key)
    name = largest.name if largest.name.startswith("stage") else f"the {largest.name}"
    return f"{name} ({key(largest):,} of {sum(map(key, table)):,})"


def _nearest_in_zoo(plan: Plan | None, target: Target) -> str | None:
    """Returns the largest network of the zoo with the same input that is sure to fit."""
    if plan is None:
        return None
    shape = plan.rows[0].shape
    best: tuple[int, str] | None = None
    for name in names_of("architecture"):
        spec = load(name)
        if tuple(spec.input.shape) != tuple(shape):
            continue
        candidate = plan_of(spec)
        network = cost(candidate)
        if _surely_fits(candidate, network, target) and (best is None or network.macs > best[0]):
            best = network.macs, name
    return None if best is None else best[1]


def _surely_fits(plan: Plan, network: Cost, target: Target) -> bool:
    limits = target.limits
    sizes = (
        (network.macs, limits.macs),
        (_LARGER * _weight_bytes(network, target), limits.file_bytes),
        (_arena_bytes(plan, _map_bytes(network, target)), limits.arena_bytes),
    )
    return all(limit is None or size <= limit for size, limit in sizes)


def _arena_bytes(plan: Plan, map_bytes: int) -> int:
    """Estimates the arena of a network that is not converted yet, from its feature maps."""
    rows = [row for row in fold_norms(for_inference(plan)).rows if not _is_fused(row)]
    convolutions = [row for row in rows if row.op == "conv"]
    # The softmax stands in no plan.
    operators = sum(_OPERATORS.get(row.op, 1) for row in rows) + 1
    # An output each, and weights, biases, paddings, or the constant of a product.
    tensors = 2 * operators + len(convolutions)
    own = own_bytes_of(tensors, operators, sum(row.shape[-1] for row in convolutions))
    return own + max(map_bytes, planning_bytes_of(tensors, operators + 1))


def _is_fused(row: Row) -> bool:
    is_activation = row.op == "activation" and row.attributes["function"] in _FUSED
    return row.op == "input" or is_activation
