"""Device limits: a network that is too large is refused, with a suggestion of what fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reszoo.errors import UserError
from reszoo.planning.cost import Cost, cost, fullest_row
from reszoo.planning.network import plan as plan_of
from reszoo.planning.rows import Plan
from reszoo.planning.stage_table import stage_table
from reszoo.spec import load, names_of
from reszoo.spec.target import Target
from reszoo.tflite.arena import Arena
from reszoo.tflite.contents import TFLiteModel
from reszoo.tflite.verdict import over_limits

_WEIGHT_BYTES: dict[str, Callable[[Cost], int]] = {
    "none": lambda each: each.weight_bytes_fp32,
    "float16": lambda each: each.weight_bytes_fp16,
}
_OWN_BYTES = 1.35
"""Ratio of an arena to the feature maps of the plan: padding and TFLite-Micro's own data add to
them (measured: 1.04 to 1.3 on the CIFAR networks)."""


def refuse_too_large(plan: Plan | None, target: Target) -> None:
    """Checks multiply-adds, weights and feature maps of the plan before anything is converted.

    Raises:
      UserError: the network exceeds a limit of the target, however it is converted.
    """
    if plan is None:
        return
    if found := list(_excesses(cost(plan), target)):
        raise _refusal([text for _, text in found], [what for what, _ in found], target, plan)


def refuse_oversized(
    model: TFLiteModel, target: Target, plan: Plan | None, arena: Arena | None
) -> None:
    """Checks a converted file against the limits of its target.

    Raises:
      UserError: the file exceeds a limit.
    """
    found = list(over_limits(model, target, arena))
    if found:
        kinds = [text.split()[1] for text in found]
        raise _refusal(found, kinds, target, plan)


def _excesses(network: Cost, target: Target) -> Iterator[tuple[str, str]]:
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


def _refusal(found: list[str], kinds: list[str], target: Target, plan: Plan | None) -> UserError:
    advice = [f"shrink {stage}" for stage in _stages(kinds, plan)]
    if nearest := _nearest_in_zoo(plan, target):
        advice.append(f"train {nearest}, the largest network of the zoo with this input that fits")
    else:
        advice.append("choose a target for a larger device")
    return UserError(
        f"the network is too large for the target {target.name}",
        expected="a network within the limits of the target",
        found="; ".join(found),
        hint="; or ".join(advice),
    )


def _stages(kinds: list[str], plan: Plan | None) -> Iterator[str]:
    """Yields the part of the network that contributes most to the first exceeded limit."""
    if plan is None:
        return
    if kinds[0] == "arena":
        row = fullest_row(plan)
        stage = row.tags.stage
        yield (f"stage {stage}" if stage is not None else "the stem") + (
            f" (the most feature maps are alive at its layer {row.name})"
        )
        return
    table = stage_table(plan)
    key: Callable[..., int] = (
        (lambda stage: stage.macs) if kinds[0] == "network" else (lambda stage: stage.parameters)
    )
    largest = max(table, key=key)
    name = largest.name if largest.name.startswith("stage") else f"the {largest.name}"
    yield f"{name} ({key(largest):,} of {sum(map(key, table)):,})"


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
        network = cost(plan_of(spec))
        if _surely_fits(network, target) and (best is None or network.macs > best[0]):
            best = network.macs, name
    return None if best is None else best[1]


def _surely_fits(network: Cost, target: Target) -> bool:
    limits = target.limits
    sizes = (
        (network.macs, limits.macs),
        (1.3 * _weight_bytes(network, target), limits.file_bytes),
        (_OWN_BYTES * _map_bytes(network, target), limits.arena_bytes),
    )
    return all(limit is None or size <= limit for size, limit in sizes)
