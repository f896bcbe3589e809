"""The network that a weights file names, compared where its tensors say nothing.

A net with blurred or averaged strides has the tensors of the plain one, and other logits.
"""

from __future__ import annotations

import re
from pathlib import Path

from reszoo.errors import UserError
from reszoo.model.importing.weight_layout import WeightLayout
from reszoo.planning.network import plan
from reszoo.planning.rows import Plan
from reszoo.spec import load, names_of

_POOLS = frozenset({"max_pool", "average_pool", "blur", "global_average_pool", "global_max_pool"})
_ANTIALIAS = re.compile(r"ne(?:x?t)(aa|blur)")
_ANTIALIAS_SPECS = {
    "aa": "--set block.antialias=average --set stem.pool.kind=average --set stem.pool.size=2 "
    "--set stem.pool.padding=valid",
    "blur": "--set block.antialias=blur --set stem.pool.kind=blur",
}
"""How a spec says what timm's names say."""


def require_network(rows: Plan, layout: WeightLayout, name: str, path: Path) -> None:
    """Refuses weights whose file names a network with other pools or activations than the plan.

    A name that the zoo lacks is compared by its mark for anti-aliasing alone.
    """
    ops = unweighted_ops(rows)
    if name in names_of("architecture"):
        named_ops = unweighted_ops(plan(layout.adapt_spec(load(name))))
        if named_ops != ops:
            raise _refusal(rows, name, path, sorted(named_ops ^ ops), f"build {name} with them")
    elif mark := _ANTIALIAS.search(name):
        op = {"aa": "average_pool", "blur": "blur"}[mark[1]]
        if (op, "transform") not in {item[:2] for item in ops}:
            missing = [(op, "transform", "")]
            raise _refusal(rows, name, path, missing, f"add {_ANTIALIAS_SPECS[mark[1]]}")


def _refusal(
    rows: Plan, name: str, path: Path, ops: list[tuple[str, str, str]], hint: str
) -> UserError:
    differences = ", ".join(f"{function or op} in the {role}" for op, role, function in ops)
    return UserError(
        f"the weights in {path} are of {name}, not of {rows.name}",
        expected=f"weights of {rows.name}",
        found=f"a network that differs where weights do not show it: {differences}",
        hint=hint,
    )


def unweighted_ops(rows: Plan) -> set[tuple[str, str, str]]:
    """Returns op, role and function of all pools and activations."""
    return {
        (row.op, row.tags.role, str(row.attributes.get("function", "")))
        for row in rows.rows
        if row.op in _POOLS or row.op == "activation"
    }
