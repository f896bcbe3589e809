"""Search for a small set of layers to keep in float, with which an int8 file passes the gate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from reszoo.errors import GateError
from reszoo.exporting.mixed_precision import MixedPrecision, Unit

Item = TypeVar("Item")


def find_float_units(
    mixed: MixedPrecision, passes: Callable[[Sequence[Unit]], bool]
) -> tuple[Unit, ...]:
    """Returns as few units of layers as possible that must stay in float for a check to pass.

    They are tried in the order of their costs; see `fewest`. Layers without an int8 operator in
    TFLite are always among them.

    Raises:
      GateError: the check fails even with all layers in float.
    """
    forced = mixed.without_int8
    if passes(forced):
        return forced
    by_name = {unit.layers: unit for unit in mixed.units if unit not in forced}
    ordered = [by_name[cost.layers] for cost in mixed.costs() if cost.layers in by_name]
    chosen = fewest(ordered, lambda units: passes((*forced, *units)))
    if chosen is None:
        raise GateError(
            "the gate fails even with all layers in float",
            expected="a file that passes with all layers in float",
            found="a file that fails as well, so int8 is not the cause",
            hint="leave out --keep-float, and read the parity report; use --no-gate to write the "
            "bundle all the same",
        )
    return tuple(unit for unit in mixed.units if unit in chosen or unit in forced)


def fewest(ordered: Sequence[Item], passes: Callable[[Sequence[Item]], bool]) -> list[Item] | None:
    """Returns a minimal selection of items with which a check passes; None if even all fail.

    The check must fail with no items. They are ordered by cost, the most costly first. Bisection
    finds the shortest prefix that passes, assuming that any longer prefix passes as well. Items
    that turn out not to be needed are then dropped, the least costly first, so that none of the
    remaining ones can be left out. A smaller selection may exist, but trying all of them would take
    2^n conversions.
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
    # The last item is needed: without it, the next shorter prefix failed.
    for item in chosen[-2::-1]:
        fewer = [other for other in chosen if other is not item]
        if passes(fewer):
            chosen = fewer
    return chosen
