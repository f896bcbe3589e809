"""The planner: from a spec to its rows of stem, stages of blocks and head."""

from __future__ import annotations

from reszoo.planning.attention import attention
from reszoo.planning.block import BlockPlan
from reszoo.planning.builder import PlanBuilder, Scope
from reszoo.planning.connections import connect
from reszoo.planning.head import write_head
from reszoo.planning.pools import NONNEGATIVE, write_pool
from reszoo.planning.rows import Plan, Ref, Shape, Tags
from reszoo.planning.shortcuts import shortcut
from reszoo.planning.stem import stem_activation, write_input, write_stem
from reszoo.planning.transforms import transform
from reszoo.spec.architecture import Architecture
from reszoo.spec.block_fields import Block
from reszoo.spec.per_axis import Sides

BEFORE = "before"
"""The row that stands for what comes before a part that is planned alone."""


def plan(spec: Architecture, *, head: bool = True) -> Plan:
    """Plans a network as rows, one per Keras layer.

    Args:
      spec: the architecture.
      head: whether to add the head. False: the network ends with the feature map of the last
        stage, as a backbone.

    Raises:
      UserError: the spec is valid but no network: a stride that leaves no pixels, groups that do
        not divide a width, an identity shortcut that would change the shape.

    Examples:
      >>> from reszoo.spec import load
      >>> rows = plan(load("resnet20")).rows
      >>> rows[-1].name, rows[-1].shape
      ('head_logits', (10,))
    """
    builder = PlanBuilder(spec)
    stages: dict[str, Ref] = {}
    x = write_input(builder)
    x = stages["stem"] = write_stem(Scope(builder, ("stem",)), x)
    progress = _Progress(spec)
    for index in range(len(spec.stages)):
        x = _stage(builder, index, x, progress)
        if index == len(spec.stages) - 1:
            x = _final_norm(builder, x)
        stages[f"stage{index + 1}"] = x
        x = _after_stage(builder, index, x)
    if head:
        x = write_head(Scope(builder, ("head",)), x)
    return Plan(spec.name, tuple(builder.rows), (x,), stages)


def plan_stem(spec: Architecture) -> Plan:
    """Plans the input and the stem alone; see `plan`."""
    builder = PlanBuilder(spec)
    x = write_stem(Scope(builder, ("stem",)), write_input(builder))
    return Plan(spec.name, tuple(builder.rows), (x,), {})


def plan_block(spec: Architecture, index: int, number: int, shape: Shape) -> Plan:
    """Plans one block of a stage alone, on an input of this shape; both count from 0."""
    builder, x = _begin(spec, shape)
    progress = _Progress(spec)
    progress.done = sum(stage.depth for stage in spec.stages[:index]) + number
    x = _numbered_block(builder, index, number, spec.stage_block(index), x, progress)
    return Plan(spec.name, tuple(builder.rows), (x,), {})


def plan_after_stage(spec: Architecture, index: int, shape: Shape) -> Plan:
    """Plans what follows the blocks of a stage alone, which mostly is nothing."""
    builder, x = _begin(spec, shape)
    if index == len(spec.stages) - 1:
        x = _final_norm(builder, x)
    x = _after_stage(builder, index, x)
    return Plan(spec.name, tuple(builder.rows), (x,), {})


def plan_head(spec: Architecture, shape: Shape) -> Plan:
    """Plans the head alone, on an input of this shape."""
    builder, x = _begin(spec, shape)
    x = write_head(Scope(builder, ("head",)), x)
    return Plan(spec.name, tuple(builder.rows), (x,), {})


def _begin(spec: Architecture, shape: Shape) -> tuple[PlanBuilder, Ref]:
    """Returns a builder whose only row stands for what comes before."""
    builder = PlanBuilder(spec)
    return builder, builder.add(BEFORE, "input", (), Tags("stem", "image"), {"shape": shape})


class _Progress:
    """Counts the planned blocks, for settings that depend on depth."""

    def __init__(self, spec: Architecture) -> None:
        self.count = sum(stage.depth for stage in spec.stages)
        self.done = 0
        layers = sum(
            transform(spec.stage_block(index).transform).layers * stage.depth
            for index, stage in enumerate(spec.stages)
        )
        self.gate_bias = guideline_bias(layers + 2)


def guideline_bias(layers: int) -> float:
    """Initial bias of transform gates by depth (Srivastava 2015, sections 3 and 4).

    About -1, -2, -3 at 10, 20, 30 layers, and -4 in the deepest nets.
    """
    return -float(min(max(round(layers / 10), 1), 4))


def _stage(builder: PlanBuilder, index: int, x: Ref, progress: _Progress) -> Ref:
    block = builder.spec.stage_block(index)
    for number in range(builder.spec.stages[index].depth):
        x = _numbered_block(builder, index, number, block, x, progress)
        progress.done += 1
    return x


def _numbered_block(
    builder: PlanBuilder, index: int, number: int, block: Block, x: Ref, progress: _Progress
) -> Ref:
    stage = builder.spec.stages[index]
    strided = stage.depth - 1 if block.strided_block == "last" else 0
    scope = Scope(builder, ("stages", index), index + 1, number + 1)
    current = _plain_layer(block) if number == 0 and stage.first == "plain" else block
    stride = stage.stride if number == strided else 1
    return _block(_block_plan(scope, current, stage.width, stride, progress), x)


def _plain_layer(block: Block) -> Block:
    """The plain layer with which the authors of highway nets change the shape."""
    kind = "dense" if block.transform == "dense" else "conv"
    return block.model_copy(update={"transform": kind, "connection": "plain", "order": None})


def _block_plan(
    scope: Scope, block: Block, width: int, stride: Sides, progress: _Progress
) -> BlockPlan:
    spec, kind = scope.spec, transform(block.transform)
    bias = block.gate.bias if block.gate.bias is not None else progress.gate_bias
    return BlockPlan(
        scope=scope,
        block=block,
        width=width,
        output_width=kind.output_width(block, width),
        stride=stride,
        order=_order(block),
        norm=block.norm or spec.norm,
        activation=block.activation or spec.activation,
        gate_bias=bias,
        survival_probability=_survival(block, progress),
        first_of_network=progress.done == 0 and stem_activation(scope) == "none",
    )


def _order(block: Block) -> str:
    return block.order or transform(block.transform).default_order


def _survival(block: Block, progress: _Progress) -> float:
    """Survival probability of block i of L, 1 - drop_path.

    Linear in depth: 1 - (i / L) (1 - p_L) (Huang 2016), or 1 - (i - 1) / (L - 1) (1 - p_L) in timm,
    where the first block always survives.
    """
    last = block.survival_probability
    if last is None:
        last = 0.5 if block.connection == "stochastic" else 1.0
    if block.survival_decay == "constant":
        return last
    if block.survival_decay == "linear_from_one":
        return 1.0 - progress.done / max(progress.count - 1, 1) * (1.0 - last)
    return 1.0 - (progress.done + 1) / progress.count * (1.0 - last)


def _block(plan: BlockPlan, x: Ref) -> Ref:
    scope, activated = plan.scope, x
    if plan.pre_normed:
        activated = scope.norm(activated, plan.norm, role="preactivation", part="norm")
    if plan.preactivated:
        function = plan.activation
        activated = scope.activation(activated, function, role="preactivation", part="activation")
    h = _check_width(plan, transform(plan.block.transform).write(plan, activated))
    h = attention(plan, h)
    if plan.block.connection == "plain":
        y = h
    else:
        y = connect(plan, shortcut(plan, x, activated), h, activated)
    if plan.order == "bn_after_add":
        y = scope.norm(y, plan.norm, role="merge", part="norm")
    if plan.order in ("post", "bn_after_add"):
        y = scope.activation(y, plan.activation, role="merge", part="activation")
    return y


def _check_width(plan: BlockPlan, h: Ref) -> Ref:
    """Returns H after checking its width, which a registered transform may get wrong."""
    width = plan.scope.channels(h)
    if width != plan.output_width:
        plan.scope.fail(
            f"the transform '{plan.block.transform}' has another output width than it declares",
            "transform",
            expected=f"{plan.output_width} channels",
            found=f"{width}",
            hint="correct the function or its `output_width` in reszoo.register_transform",
        )
    return h


def _final_norm(builder: PlanBuilder, x: Ref) -> Ref:
    """Adds the norm and activation after the last block of pre-activation nets (He 2016)."""
    spec, index = builder.spec, len(builder.spec.stages) - 1
    block = spec.stage_block(index)
    order, scope = _order(block), Scope(builder, ("stages", index))
    if order == "full_pre":
        x = scope.norm(x, block.norm or spec.norm, role="final_norm", part="norm")
    if order in ("full_pre", "relu_only_pre"):
        activation = block.activation or spec.activation
        x = scope.activation(x, activation, role="final_norm", part="activation")
    return x


def _after_stage(builder: PlanBuilder, index: int, x: Ref) -> Ref:
    after = builder.spec.stages[index].after
    scope = Scope(builder, ("stages", index, "after"), index + 1)
    block = builder.spec.stage_block(index)
    # Only orders that end with the activation guarantee nonnegative values.
    order = _order(block)
    nonnegative = (
        order in ("post", "bn_after_add")
        and (block.activation or builder.spec.activation) in NONNEGATIVE
    )
    x = write_pool(scope, x, after.pool, role="pool", nonnegative=nonnegative)
    return scope.dropout(x, after.dropout, role="pool", part="dropout")
