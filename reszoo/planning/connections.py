"""The connections: how the shortcut and H become y = C(x) * shortcut(x) + T(x) * H(x).

In every addition the shortcut comes first: Keras walks the graph recursively, and so a thousand
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
    """Y of one block, before any activation that follows the merge.

    Args:
      plan: the block.
      shortcut: x as the shortcut brings it.
      h: H(x).
      x: what H reads; gates read it too.
    """
    name = plan.block.connection
    return (_registered.get(name) or _BUILT_IN[name])(plan, shortcut, h, x)


def _residual(plan: BlockPlan, shortcut: Ref, h: Ref, _: Ref) -> Ref:
    return _add(plan, shortcut, drop_path(plan, h))


def _highway(plan: BlockPlan, shortcut: Ref, h: Ref, x: Ref) -> Ref:
    """Srivastava 2015. Coupled as x + T (H - x): one product less, and no negation that int8
    lacks.
    """
    scope = plan.scope
    opened = gate(plan, x, "transform_gate", plan.gate_bias)
    if plan.block.gate.coupled:
        change = scope.add("subtract", h, shortcut, role=_ROLE, part="subtract")
        change = scope.add("multiply", change, opened, role=_ROLE, part="multiply")
        return _add(plan, shortcut, drop_path(plan, change))
    carried = gate(plan, x, "carry_gate", -plan.gate_bias)
    kept = scope.add("multiply", shortcut, carried, role=_ROLE, part="carry_multiply")
    change = scope.add("multiply", h, opened, role=_ROLE, part="transform_multiply")
    return _add(plan, kept, drop_path(plan, change))


def _shortcut_gate(plan: BlockPlan, shortcut: Ref, h: Ref, x: Ref) -> Ref:
    """He 2016, Table 1, 'shortcut-only gating': (1 - g) x + H."""
    scope = plan.scope
    closed = gate(plan, x, "carry_gate", plan.gate_bias)
    kept = scope.add(
        "rescale", closed, role="carry_gate", part="complement", scale=-1.0, offset=1.0
    )
    kept = scope.add("multiply", shortcut, kept, role=_ROLE, part="multiply")
    return _add(plan, kept, drop_path(plan, h))


def _constant(plan: BlockPlan, shortcut: Ref, h: Ref, _: Ref) -> Ref:
    constants = plan.block.constants
    h = _times(plan, h, constants.transform, "transform_constant")
    return _add(plan, _times(plan, shortcut, constants.carry, "carry_constant"), drop_path(plan, h))


def _scaled(plan: BlockPlan, shortcut: Ref, h: Ref, _: Ref) -> Ref:
    """ReZero (Bachlechner 2020), SkipInit (De 2020) with a scalar; LayerScale (Touvron 2021) by
    channel.
    """
    choice = plan.block.scale
    h = plan.scope.add(
        "scale", h, role=_ROLE, part="scale", granularity=choice.granularity, initial=choice.initial
    )
    return _add(plan, shortcut, drop_path(plan, h))


def gate(plan: BlockPlan, x: Ref, role: str, bias: float) -> Ref:
    """sigmoid(W x + b), of the shape of H, or (1, 1, channels) for a gate per channel."""
    scope, choice = plan.scope, plan.block.gate
    initializers = scope.spec.initializers
    weights = initializers.gate or initializers.kernel
    kernel = choice.kernel or transform(plan.block.transform).gate_kernel(plan.block)
    stride = plan.stride
    if len(scope.shape(x)) == 1:
        x = scope.dense(
            x, plan.output_width, role=role, part="dense", bias_initial=bias, initializer=weights
        )
        return scope.activation(x, "sigmoid", role=role, part="sigmoid")
    if choice.granularity == "channel":
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

    Drawn for a whole batch (Huang 2016), the branch counts p-fold afterwards: dropout scales by 1/p
    while training, the factor p takes that back. Drawn for each example (timm's DropPath), it
    counts 1/p-fold while training.
    """
    probability, draw = plan.survival_probability, plan.block.survival_draw
    if probability == 1.0:
        return change
    change = plan.scope.add(
        "dropout", change, role=_ROLE, part="survival", rate=1.0 - probability, each=draw
    )
    if draw == "example":
        return change
    return _times(plan, change, probability, "survival_probability")


def _add(plan: BlockPlan, shortcut: Ref, change: Ref) -> Ref:
    return plan.scope.add("add", shortcut, change, role=_ROLE, part="add")


def _times(plan: BlockPlan, x: Ref, factor: float, part: str) -> Ref:
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
    """Adds a connection that a spec's `connection:` can then name; also usable as a decorator.

    ```python
    @reszoo.register_connection("mean")
    def mean(block, shortcut, h, x):
        total = block.scope.add("add", shortcut, h, role="merge", part="add")
        return block.scope.add("rescale", total, role="merge", part="half", scale=0.5, offset=0.0)
    ```

    Args:
      name: the word in YAML.
      function: gets the `BlockPlan`, the shortcut, H and what H reads (for gates), writes rows
        through `block.scope` and returns y, of the shape of H.

    Raises:
      ValueError: the name is taken by a built-in connection.
    """
    if name in registry.CONNECTIONS:
        raise ValueError(f"'{name}' is a built-in connection; choose another name")

    def register(given: ConnectionFunction) -> ConnectionFunction:
        _registered[name] = given
        registry.registered_connections[name] = (given.__doc__ or name).strip().splitlines()[0]
        return given

    return register if function is None else register(function)
