"""Summary of a network that Net2Net made deeper or wider."""

from __future__ import annotations

from reszoo.planning.cost import cost
from reszoo.planning.network import plan
from reszoo.report.text import facts
from reszoo.spec.architecture import Architecture


def net2net_text(spec: Architecture, *, gate: float | None, difference: float) -> str:
    """Returns the larger network's size, and how closely it computes the same function.

    `gate` and `difference` are those of a `Net2NetResult`.
    """
    costs = cost(plan(spec))
    same = "the same to rounding" if gate is None else f"within {gate:.2%} per new block"
    lines = [
        ("blocks", ", ".join(str(stage.depth) for stage in spec.stages)),
        ("widths", ", ".join(str(stage.width) for stage in spec.stages)),
        ("depth", f"{costs.depth} weighted layers"),
        ("parameters", f"{costs.parameters:,}"),
        ("function", f"{same}; largest change of a logit {difference:.1e} of the largest"),
    ]
    return f"{spec.name}\n{facts(lines)}"
