"""Transforms H(x): basic, bottleneck, conv, dense, and those registered by users."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reszoo.planning.block import BlockPlan
from reszoo.planning.rows import Ref
from reszoo.spec import registry
from reszoo.spec.block_fields import Block
from reszoo.spec.per_axis import Sides

TransformFunction = Callable[[BlockPlan, Ref], Ref]


@dataclass(frozen=True, slots=True)
class Transform:
    """A kind of transform and what the planner must know about it."""

    write: TransformFunction
    """Adds the rows of H(x) and returns its output; x is already pre-activated, if the order is."""
    layers: int = 1
    """Weighted layers, for the depth of the network."""
    output_width: Callable[[Block, int], int] = lambda _, width: width
    """Output channels by block and width of the stage."""
    gate_kernel: Callable[[Block], Sides] = lambda block: block.kernel
    default_order: str = "post"


@dataclass(frozen=True, slots=True)
class _Conv:
    """One convolution of a transform."""

    filters: int
    kernel: Sides
    stride: Sides = 1
    groups: int = 1


def _convolutions(plan: BlockPlan, x: Ref, convs: list[_Conv]) -> Ref:
    """Adds successive convolutions with norms and activations in the block's order (He 2016)."""
    scope, role = plan.scope, "transform"
    for number, conv in enumerate(convs, start=1):
        first, last = number == 1, number == len(convs)
        if plan.pre_normed and not first:
            x = scope.norm(x, plan.norm, role=role, part=f"norm{number}")
            x = scope.activation(x, plan.activation, role=role, part=f"activation{number}")
            x = _between(plan, x, convs[number - 2], number - 1)
        filtered = plan.block.antialias != "none" and conv.stride != 1
        x = scope.conv(
            x,
            conv.filters,
            conv.kernel,
            role=role,
            part=f"conv{number}",
            stride=1 if filtered else conv.stride,
            groups=conv.groups,
            bias=plan.has_bias(f"conv{number}"),
        )
        if plan.pre_normed:
            if last:
                x = _filtered(plan, x, conv, number)
            continue
        if not (last and plan.order == "bn_after_add"):
            gamma = 0.0 if last and plan.starts_at_zero else 1.0
            x = scope.norm(x, plan.norm, role=role, part=f"norm{number}", gamma=gamma)
        if not last or plan.order == "relu_before_add":
            x = scope.activation(x, plan.activation, role=role, part=f"activation{number}")
        x = _filtered(plan, x, conv, number) if last else _between(plan, x, conv, number)
    return x


def _between(plan: BlockPlan, x: Ref, conv: _Conv, number: int) -> Ref:
    """Adds the layers between two convolutions, after the activation: anti-aliasing and dropout."""
    x = _filtered(plan, x, conv, number)
    return plan.scope.dropout(x, plan.block.dropout, role="transform", part=f"dropout{number}")


def _filtered(plan: BlockPlan, x: Ref, conv: _Conv, number: int) -> Ref:
    """Anti-aliasing (Zhang 2019): a low-pass filter strides instead of the convolution."""
    if conv.stride == 1 or plan.block.antialias == "none":
        return x
    part = f"antialias{number}"
    if plan.block.antialias == "blur":
        return plan.scope.blur(x, conv.stride, role="transform", part=part)
    return plan.scope.pool(x, "average", conv.stride, conv.stride, role="transform", part=part)


def _basic(plan: BlockPlan, x: Ref) -> Ref:
    kernel, groups = plan.block.kernel, plan.block.groups
    convs = [_Conv(plan.width, kernel, plan.stride, groups), _Conv(plan.width, kernel, 1, groups)]
    return _convolutions(plan, x, convs)


def _bottleneck(plan: BlockPlan, x: Ref) -> Ref:
    block = plan.block
    inner = plan.width * block.base_width // 64 * block.groups
    early: Sides
    late: Sides
    early, late = (plan.stride, 1) if block.stride_at == "first" else (1, plan.stride)
    convs = [
        _Conv(inner, 1, early),
        _Conv(inner, block.kernel, late, block.groups),
        _Conv(plan.output_width, 1),
    ]
    return _convolutions(plan, x, convs)


def _conv(plan: BlockPlan, x: Ref) -> Ref:
    block = plan.block
    return _convolutions(plan, x, [_Conv(plan.width, block.kernel, plan.stride, block.groups)])


def _dense(plan: BlockPlan, x: Ref) -> Ref:
    scope = plan.scope
    if len(scope.shape(x)) != 1:
        scope.fail(
            "a dense transform needs features, not a feature map",
            "transform",
            expected="a stem of kind dense (or a flat input)",
            found=f"a map of shape {scope.shape(x)}",
            hint="write `stem: {kind: dense, filters: ...}` or use `transform: conv`",
        )
    normalised = plan.norm.kind != "none" and not plan.pre_normed
    bias = plan.has_bias("dense1")
    x = scope.dense(x, plan.width, role="transform", part="dense1", bias=bias)
    if normalised and plan.order != "bn_after_add":
        x = scope.norm(x, plan.norm, role="transform", part="norm1")
    if plan.order == "relu_before_add":
        x = scope.activation(x, plan.activation, role="transform", part="activation1")
    return x


_BUILT_IN: Mapping[str, Transform] = {
    "basic": Transform(_basic, layers=2),
    "bottleneck": Transform(
        _bottleneck,
        layers=3,
        output_width=lambda block, width: width * block.expansion,
        gate_kernel=lambda _: 1,
    ),
    "conv": Transform(_conv, default_order="relu_before_add"),
    "dense": Transform(_dense, gate_kernel=lambda _: 1, default_order="relu_before_add"),
}
_registered: dict[str, Transform] = {}


def transform(name: str) -> Transform:
    """Returns the built-in or registered transform of a name."""
    return _registered.get(name) or _BUILT_IN[name]


def register_transform(
    name: str,
    function: TransformFunction | None = None,
    *,
    layers: int = 1,
    output_width: Callable[[Block, int], int] | None = None,
    gate_kernel: Sides = 1,
    order: str = "post",
) -> TransformFunction | Callable[[TransformFunction], TransformFunction]:
    """Registers a transform for `transform:` in specs; also a decorator.

    ```python
    @reszoo.register_transform("depthwise", layers=2)
    def depthwise(block, x):
        width = block.scope.channels(x)
        x = block.scope.conv(x, width, 3, role="transform", part="conv1",
                             groups=width, stride=block.stride)
        return block.scope.conv(x, block.width, 1, role="transform", part="conv2")
    ```

    Args:
      name: its name in YAML.
      function: takes the `BlockPlan` and x, adds the rows of H through `block.scope` and returns
        its output, `block.output_width` channels at `1 / block.stride` of the size.
      layers: weighted layers of H, for the depth of the network.
      output_width: output channels by block and width of the stage. Defaults to the width.
      gate_kernel: kernel of a highway gate beside this transform.
      order: `post` activates after the merge; `relu_before_add` leaves activation to H.

    Raises:
      ValueError: the name is taken by a built-in transform.
    """
    if name in registry.TRANSFORMS:
        raise ValueError(f"'{name}' is a built-in transform; choose another name")
    width_of = output_width or (lambda _, width: width)

    def register(function: TransformFunction) -> TransformFunction:
        _registered[name] = Transform(function, layers, width_of, lambda _: gate_kernel, order)
        registry.registered_transforms[name] = (function.__doc__ or name).strip().splitlines()[0]
        return function

    return register if function is None else register(function)
