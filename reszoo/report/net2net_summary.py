"""What became of a network that grew?"""

from __future__ import annotations

from reszoo.planning.cost import cost
from reszoo.planning.network import plan
from reszoo.report.text import count, facts
from reszoo.spec.architecture import Architecture


def grown_text(spec: Architecture, *, gate: float | None, difference: float) -> str:
    """A network that grew, in a few lines.

    Args:
      spec: of the larger network.
      gate: how far new highway blocks move their input at first; None where they do not.
      difference: largest change of a logit, as a share of the largest.
    """
    costs = cost(plan(spec))
    same = "the same to rounding" if gate is None else f"within {gate:.2%} per new block"
    lines = [
        ("blocks", ", ".join(str(stage.depth) for stage in spec.stages)),
        ("widths", ", ".join(str(stage.width) for stage in spec.stages)),
        ("depth", f"{costs.depth} weighted layers"),
        ("parameters", count(costs.parameters)),
        ("function", f"{same}; largest change of a logit {difference:.1e} of the largest"),
    ]
    return f"{spec.name}\n{facts(lines)}"
