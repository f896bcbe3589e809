"""Search for the fewest layers that must stay in float for an int8 file to meet its limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from reszoo.errors import GateError
from reszoo.exporting.mixed_precision import MixedPrecision, Unit

Item = TypeVar("Item")


def find_float_units(
    mixed: MixedPrecision, passes: Callable[[Sequence[Unit]], bool]
) -> tuple[Unit, ...]:
    """Returns the fewest units of layers with which, in float, a check passes.

    They are tried in the order of their costs; see `fewest`. Layers that TFLite does not have in
    int8 are always among them.

    Raises:
      GateError: the check fails with all layers in float too.
    """
    forced = mixed.without_int8
    if passes(forced):
        return forced
    by_name = {unit.layers: unit for unit in mixed.units if unit not in forced}
    ordered = [by_name[cost.layers] for cost in mixed.costs() if cost.layers in by_name]
    chosen = fewest(ordered, lambda units: passes((*forced, *units)))
    if chosen is None:
        raise GateError(
            "no choice of layers in float meets the limits of the target",
            expected="a file that meets them with all layers in float",
            found="one that misses them as well, so that int8 is not the cause",
            hint="leave out --keep-float, and read the report of the gate",
        )
    return tuple(unit for unit in mixed.units if unit in chosen or unit in forced)


def fewest(ordered: Sequence[Item], passes: Callable[[Sequence[Item]], bool]) -> list[Item] | None:
    """Returns a smallest selection of items with which a check passes; None if all do not pass.

    With none of them it must fail. The items are taken in their order, the most costly first: the
    shortest beginning that passes is found by bisection, which takes it for granted that a longer
    one passes as well. Items without which it passes too are then dropped, the least costly first,
    so that none of those that are left is dispensable. Another order may have a smaller selection;
    to try all selections would take 2^n conversions.
    """
    if not passes(ordered):
        return None
    failing, passing = 0, len(ordered)
    while passing - failing > 1:
        middle = (failing + passing) // 2
        if passes(ordered[:middle]):
            passing = middle
        else:
            failing = middle
    chosen = list(ordered[:passing])
    # The last one is needed: without it, the next shorter beginning has failed.
    for item in chosen[-2::-1]:
        fewer = [other for other in chosen if other is not item]
        if passes(fewer):
            chosen = fewer
    return chosen
