"""Connections: the merge of shortcut and H, y = C(x) * shortcut(x) + T(x) * H(x).

In every addition the shortcut comes first: Keras walks the graph recursively, so that a thousand
blocks stay shallow along the first inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reszoo.planning.block import BlockPlan
from reszoo.planning.rows import Ref
from reszoo.planning.transforms import transform
from reszoo.spec import registry

ConnectionFunction = Callable[[BlockPlan, Ref, Ref, Ref], Ref]
_ROLE = "merge"


def connect(plan: BlockPlan, shortcut: Ref, h: Ref, x: Ref) -> Ref:
    """Merges shortcut and H(x); returns y, before any activation that follows. Gates read x."""
    name = plan.block.connection
    return (_registered.get(name) or _BUILT_IN[name])(plan, shortcut, h, x)


def _residual(plan: BlockPlan, shortcut: Ref, h: Ref, _: Ref) -> Ref:
    return _add(plan, shortcut, drop_path(plan, h))


def _highway(plan: BlockPlan, shortcut: Ref, h: Ref, x: Ref) -> Ref:
    """Highway connection (Srivastava 2015).

    Coupled gates compute x + T (H - x): one product less, and no negation, which int8 lacks.
    """
    scope = plan.scope
    transform_gate = gate(plan, x, "transform_gate", plan.gate_bias)
    if plan.block.gate.coupled:
        change = scope.add("subtract", h, shortcut, role=_ROLE, part="subtract")
        change = scope.add("multiply", change, transform_gate, role=_ROLE, part="multiply")
        return _add(plan, shortcut, drop_path(plan, change))
    carry_gate = gate(plan, x, "carry_gate", -plan.gate_bias)
    carried = scope.add("multiply", shortcut, carry_gate, role=_ROLE, part="carry_multiply")
    change = scope.add("multiply", h, transform_gate, role=_ROLE, part="transform_multiply")
    return _add(plan, carried, drop_path(plan, change))


def _shortcut_gate(plan: BlockPlan, shortcut: Ref, h: Ref, x: Ref) -> Ref:
    """Shortcut-only gating (He 2016, Table 1): (1 - g) x + H."""
    scope = plan.scope
    g = gate(plan, x, "carry_gate", plan.gate_bias)
    carry_gate = scope.add(
        "rescale", g, role="carry_gate", part="complement", scale=-1.0, offset=1.0
    )
    carried = scope.add("multiply", shortcut, carry_gate, role=_ROLE, part="multiply")
    return _add(plan, carried, drop_path(plan, h))


def _constant(plan: BlockPlan, shortcut: Ref, h: Ref, _: Ref) -> Ref:
    constants = plan.block.constants
    h = _rescale(plan, h, constants.transform, "transform_constant")
    carried = _rescale(plan, shortcut, constants.carry, "carry_constant")
    return _add(plan, carried, drop_path(plan, h))


def _scaled(plan: BlockPlan, shortcut: Ref, h: Ref, _: Ref) -> Ref:
    """ReZero (Bachlechner 2020) or SkipInit (De 2020); by channel LayerScale (Touvron 2021)."""
    config = plan.block.scale
    h = plan.scope.add(
        "scale", h, role=_ROLE, part="scale", granularity=config.granularity, initial=config.initial
    )
    return _add(plan, shortcut, drop_path(plan, h))


def gate(plan: BlockPlan, x: Ref, role: str, bias: float) -> Ref:
    """Returns sigmoid(W x + b), of the shape of H, or (1, 1, channels) for a gate per channel."""
    scope, config = plan.scope, plan.block.gate
    initializers = scope.spec.initializers
    weights = initializers.gate or initializers.kernel
    kernel = config.kernel or transform(plan.block.transform).gate_kernel(plan.block)
    stride = plan.stride
    if len(scope.shape(x)) == 1:
        x = scope.dense(
            x, plan.output_width, role=role, part="dense", bias_initial=bias, initializer=weights
        )
        return scope.activation(x, "sigmoid", role=role, part="sigmoid")
    if config.granularity == "channel":
        x = scope.add("global_average_pool", x, role=role, part="pool", keep_dimensions=True)
        kernel, stride = 1, 1
    x = scope.conv(
        x,
        plan.output_width,
        kernel,
        role=role,
        part="conv",
        stride=stride,
        bias=True,
        bias_initial=bias,
        initializer=weights,
    )
    return scope.activation(x, "sigmoid", role=role, part="sigmoid")


def drop_path(plan: BlockPlan, change: Ref) -> Ref:
    """Stochastic depth: training keeps the branch with probability p.

    Drawn per batch (Huang 2016), the branch is scaled by p at inference: dropout scales by 1/p in
    training, and the factor p cancels that. Drawn per example (timm's DropPath), the branch is
    scaled by 1/p in training.
    """
    probability, draw = plan.survival_probability, plan.block.survival_draw
    change = plan.scope.dropout(change, 1.0 - probability, role=_ROLE, part="survival", each=draw)
    if draw == "example":
        return change
    return _rescale(plan, change, probability, "survival_probability")


def _add(plan: BlockPlan, shortcut: Ref, change: Ref) -> Ref:
    return plan.scope.add("add", shortcut, change, role=_ROLE, part="add")


def _rescale(plan: BlockPlan, x: Ref, factor: float, part: str) -> Ref:
    if factor == 1.0:
        return x
    return plan.scope.add("rescale", x, role=_ROLE, part=part, scale=factor, offset=0.0)


_BUILT_IN: Mapping[str, ConnectionFunction] = {
    "residual": _residual,
    "stochastic": _residual,
    "highway": _highway,
    "shortcut_gate": _shortcut_gate,
    "constant": _constant,
    "scaled": _scaled,
}
_registered: dict[str, ConnectionFunction] = {}


def register_connection(
    name: str, function: ConnectionFunction | None = None
) -> ConnectionFunction | Callable[[ConnectionFunction], ConnectionFunction]:
    """Registers a connection for `connection:` in specs; also a decorator.

    ```python
    @reszoo.register_connection("mean")
    def mean(block, shortcut, h, x):
        total = block.scope.add("add", shortcut, h, role="merge", part="add")
        numbers = {"scale": 0.5, "offset": 0.0}
        return block.scope.add("rescale", total, role="merge", part="half", **numbers)
    ```

    Args:
      name: its name in YAML.
      function: takes the `BlockPlan`, the shortcut, H and the input of H (for gates), adds rows
        through `block.scope` and returns y, of the shape of H.

    Raises:
      ValueError: the name is taken by a built-in connection.
    """
    if name in registry.CONNECTIONS:
        raise ValueError(f"'{name}' is a built-in connection; choose another name")

    def register(function: ConnectionFunction) -> ConnectionFunction:
        _registered[name] = function
        registry.registered_connections[name] = (function.__doc__ or name).strip().splitlines()[0]
        return function

    return register if function is None else register(function)
