"""From a spec to its plan: stem, stages of blocks, head, written row by row."""

from __future__ import annotations

from reszoo.planning.attention import attention
from reszoo.planning.block import BlockPlan
from reszoo.planning.builder import PlanBuilder, Scope
from reszoo.planning.connections import connect
from reszoo.planning.head import write_head
from reszoo.planning.pools import NONNEGATIVE, write_pool
from reszoo.planning.rows import Plan, Ref
from reszoo.planning.shortcuts import shortcut
from reszoo.planning.stem import stem_activation, write_input, write_stem
from reszoo.planning.transforms import transform
from reszoo.spec.architecture import Architecture, Block


def plan(spec: Architecture, *, head: bool = True) -> Plan:
    """The network as rows, one per Keras layer.

    Args:
      spec: what to plan.
      head: without it the network ends with the last stage's feature map, as a backbone.

    Raises:
      UserError: the spec is well-formed but cannot be a network: a stride that leaves no pixels,
        groups that do not divide a width, an identity shortcut that would change shape.
    """
    builder = PlanBuilder(spec)
    stages: dict[str, Ref] = {}
    x = write_input(builder)
    x = stages["stem"] = write_stem(Scope(builder, ("stem",)), x)
    blocks = _Blocks(spec)
    for index in range(len(spec.stages)):
        x = _stage(builder, index, x, blocks)
        if index == len(spec.stages) - 1:
            x = _final_norm(builder, x, spec)
        stages[f"stage{index + 1}"] = x
        x = _after_stage(builder, index, x)
    if head:
        x = write_head(Scope(builder, ("head",)), x)
    return Plan(spec.name, tuple(builder.rows), (x,), stages)


class _Blocks:
    """Which block of the network is being planned, for what depends on depth."""

    def __init__(self, spec: Architecture) -> None:
        self.count = sum(stage.depth for stage in spec.stages)
        self.done = 0
        layers = sum(
            transform(spec.stage_block(index).transform).layers * stage.depth
            for index, stage in enumerate(spec.stages)
        )
        self.gate_bias = guideline_bias(layers + 2)


def guideline_bias(layers: int) -> float:
    """The initial bias of transform gates by depth: about -1, -2, -3 at 10, 20, 30 layers, and -4
    in the deepest nets (Srivastava 2015, sections 3 and 4).
    """
    return -float(min(max(round(layers / 10), 1), 4))


def _stage(builder: PlanBuilder, index: int, x: Ref, blocks: _Blocks) -> Ref:
    spec = builder.spec
    stage, block = spec.stages[index], spec.stage_block(index)
    strided = stage.depth - 1 if block.strided_block == "last" else 0
    for number in range(stage.depth):
        scope = Scope(builder, ("stages", index), index + 1, number + 1)
        here = _plain_layer(block) if number == 0 and stage.first == "plain" else block
        stride = stage.stride if number == strided else 1
        x = _block(_block_plan(scope, here, stage.width, stride, blocks), x)
        blocks.done += 1
    return x


def _plain_layer(block: Block) -> Block:
    """The plain layer with which the highway nets' authors change the shape."""
    kind = "dense" if block.transform == "dense" else "conv"
    return block.model_copy(update={"transform": kind, "connection": "plain", "order": None})


def _block_plan(scope: Scope, block: Block, width: int, stride: int, blocks: _Blocks) -> BlockPlan:
    spec, kind = scope.spec, transform(block.transform)
    bias = block.gate.bias if block.gate.bias is not None else blocks.gate_bias
    return BlockPlan(
        scope=scope,
        block=block,
        width=width,
        output_width=kind.output_width(block, width),
        stride=stride,
        order=block.order or kind.default_order,
        norm=block.norm or spec.norm,
        activation=block.activation or spec.activation,
        gate_bias=bias,
        survival_probability=_survival(block, blocks),
        first_of_network=blocks.done == 0 and stem_activation(scope) == "none",
    )


def _survival(block: Block, blocks: _Blocks) -> float:
    """P of this block i of L: 1 - (i / L) (1 - p_L), linear in depth (Huang 2016), or with timm
    1 - (i - 1) / (L - 1) (1 - p_L), so that the first block always survives.
    """
    last = block.survival_probability
    if last is None:
        last = 0.5 if block.connection == "stochastic" else 1.0
    if block.survival_decay == "constant":
        return last
    if block.survival_decay == "linear_from_one":
        return 1.0 - blocks.done / max(blocks.count - 1, 1) * (1.0 - last)
    return 1.0 - (blocks.done + 1) / blocks.count * (1.0 - last)


def _block(plan: BlockPlan, x: Ref) -> Ref:
    activated = _preactivation(plan, x)
    h = _checked(plan, transform(plan.block.transform).write(plan, activated))
    h = attention(plan, h)
    if plan.block.connection == "plain":
        y = h
    else:
        y = connect(plan, shortcut(plan, x, activated), h, activated)
    scope = plan.scope
    if plan.order == "bn_after_add":
        y = scope.norm(y, plan.norm, role="merge", part="norm")
    if plan.order in ("post", "bn_after_add"):
        y = scope.activation(y, plan.activation, role="merge", part="activation")
    return y


def _checked(plan: BlockPlan, h: Ref) -> Ref:
    """H, whose width a registered transform may have got wrong."""
    width = plan.scope.channels(h)
    if width != plan.output_width:
        plan.scope.fail(
            f"the transform '{plan.block.transform}' puts out another width than it declares",
            "transform",
            expected=f"{plan.output_width} channels",
            found=f"{width}",
            hint="correct the function or its `output_width` in reszoo.register_transform",
        )
    return h


def _preactivation(plan: BlockPlan, x: Ref) -> Ref:
    scope, role = plan.scope, "preactivation"
    if plan.pre_normed:
        x = scope.norm(x, plan.norm, role=role, part="norm")
    if plan.preactivated:
        x = scope.activation(x, plan.activation, role=role, part="activation")
    return x


def _final_norm(builder: PlanBuilder, x: Ref, spec: Architecture) -> Ref:
    """Pre-activation nets normalise and activate once more after the last block (He 2016)."""
    index = len(spec.stages) - 1
    block = spec.stage_block(index)
    order = block.order or transform(block.transform).default_order
    scope = Scope(builder, ("stages", index))
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
    # only the orders that end a block with its activation promise values of at least 0
    order = block.order or transform(block.transform).default_order
    nonnegative = (
        order in ("post", "bn_after_add")
        and (block.activation or builder.spec.activation) in NONNEGATIVE
    )
    x = write_pool(scope, x, after.pool, role="pool", nonnegative=nonnegative)
    if after.dropout:
        x = scope.add("dropout", x, role="pool", part="dropout", rate=after.dropout, each="value")
    return x
