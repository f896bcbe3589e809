"""From a spec to its plan: stem, stages of blocks, head, written row by row."""

from __future__ import annotations

from reszoo.errors import UserError
from reszoo.plan.attention import attention
from reszoo.plan.block import BlockPlan
from reszoo.plan.connections import connect
from reszoo.plan.draft import Draft, Scope
from reszoo.plan.rows import Plan, Ref, Tags
from reszoo.plan.shortcuts import shortcut
from reszoo.plan.transforms import transform
from reszoo.spec.architecture import Architecture, Block, Pool, Stem

_NONNEGATIVE = ("relu", "relu6")


def plan(spec: Architecture, *, head: bool = True) -> Plan:
    """The network as rows, one per Keras layer.

    Args:
      spec: what to plan.
      head: without it the network ends with the last stage's feature map, as a backbone.

    Raises:
      UserError: the spec is well-formed but cannot be a network: a stride that leaves no pixels,
        groups that do not divide a width, an identity shortcut that would change shape.
    """
    draft = Draft(spec)
    stages: dict[str, Ref] = {}
    x = _input(draft)
    x = stages["stem"] = _stem(Scope(draft, ("stem",)), x)
    blocks = _Blocks(spec)
    for index in range(len(spec.stages)):
        x = _stage(draft, index, x, blocks)
        if index == len(spec.stages) - 1:
            x = _final_norm(draft, x, spec)
        stages[f"stage{index + 1}"] = x
        x = _after_stage(draft, index, x)
    if head:
        x = _head(Scope(draft, ("head",)), x)
    return Plan(spec.name, tuple(draft.rows), (x,), stages)


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


def _input(draft: Draft) -> Ref:
    field = draft.spec.input
    channels = field.shape[2]
    x = draft.add("image", "input", (), Tags("stem", "image"), {"shape": field.shape})
    mean, std = (_per_channel(draft.spec, name, channels) for name in ("mean", "std"))
    if any(mean) or any(value != 1.0 for value in std):
        tags, normalization = Tags("stem", "normalize"), {"mean": mean, "std": std}
        x = draft.add("normalize", "normalize", (x,), tags, normalization, "float32")
    if field.dropout:
        tags, dropout = Tags("stem", "dropout"), {"rate": field.dropout, "whole": False}
        x = draft.add("input_dropout", "dropout", (x,), tags, dropout)
    return x


def _per_channel(spec: Architecture, name: str, channels: int) -> tuple[float, ...]:
    value = getattr(spec.input, name)
    values = value if isinstance(value, tuple) else (value,) * channels
    if len(values) != channels:
        raise UserError(
            f"{spec.name}: input.{name} does not fit the input's channels",
            where=spec.where("input", name),
            expected=f"one number, or {channels}",
            found=f"{len(values)} numbers",
            hint=f"give one {name} per channel",
        )
    return tuple(float(number) for number in values)


def _stem(scope: Scope, x: Ref) -> Ref:
    stem = scope.spec.stem
    if stem.kind == "none":
        return x
    if stem.kind == "dense":
        return _dense_stem(scope, x, stem)
    x = _stem_convolutions(scope, x, stem)
    return _pooled(
        scope, x, stem.pool, role="stem", nonnegative=_stem_activation(scope) in _NONNEGATIVE
    )


def _stem_activation(scope: Scope) -> str:
    return scope.spec.stem.activation or scope.spec.activation


def _stem_convolutions(scope: Scope, x: Ref, stem: Stem) -> Ref:
    spec = scope.spec
    widths = stem.filters if isinstance(stem.filters, tuple) else (stem.filters,)
    for number, filters in enumerate(widths, start=1):
        last = number == len(widths)
        norm = stem.norm if last and stem.norm is not None else spec.norm
        suffix = "" if len(widths) == 1 else str(number)
        x = scope.conv(
            x,
            filters,
            stem.kernel,
            role="stem",
            part=f"conv{suffix}",
            stride=stem.stride if number == 1 else 1,
            bias=stem.bias
            if stem.bias is not None
            else norm.kind == "none" and spec.norm.kind == "none",
            padding=stem.padding,
            initializer=spec.initializers.stem,
        )
        x = scope.norm(x, norm, role="stem", part=f"norm{suffix}")
        activation = _stem_activation(scope) if last else spec.activation
        x = scope.activation(x, activation, role="stem", part=f"activation{suffix}")
    return x


def _dense_stem(scope: Scope, x: Ref, stem: Stem) -> Ref:
    if len(scope.shape(x)) == 3:
        x = scope.add("flatten", x, role="stem", part="flatten")
    units = stem.filters if isinstance(stem.filters, tuple) else (stem.filters,)
    norm = stem.norm or scope.spec.norm
    for number, count in enumerate(units, start=1):
        suffix = "" if len(units) == 1 else str(number)
        bias = stem.bias if stem.bias is not None else norm.kind == "none"
        part, initializer = f"dense{suffix}", scope.spec.initializers.stem
        x = scope.dense(x, count, role="stem", part=part, bias=bias, initializer=initializer)
        x = scope.norm(x, norm, role="stem", part=f"norm{suffix}")
        x = scope.activation(x, _stem_activation(scope), role="stem", part=f"activation{suffix}")
    return x


def _pooled(scope: Scope, x: Ref, pool: Pool, *, role: str, nonnegative: bool) -> Ref:
    """A pool of the stem or after a stage."""
    part, padding = "pool", pool.padding
    if pool.kind == "none":
        return x
    if pool.kind == "conv":
        return _pooling_conv(scope, x, pool, role)
    if pool.kind == "average":
        return scope.pool(
            x, "average", pool.size, pool.stride, role=role, part=part, padding=padding
        )
    # behind a ReLU no value is below 0, so that padding with 0 equals padding with -infinity
    border = 0.0 if pool.zero_padded else None if nonnegative else float("-inf")
    stride = 1 if pool.kind == "blur" else pool.stride
    x = scope.pool(
        x, "max", pool.size, stride, role=role, part=part, padding=padding, border=border
    )
    if pool.kind == "blur":
        x = scope.blur(x, pool.stride, role=role, part="blur")
    return x


def _pooling_conv(scope: Scope, x: Ref, pool: Pool, role: str) -> Ref:
    spec = scope.spec
    x = scope.conv(
        x,
        pool.filters or scope.channels(x),
        pool.size,
        role=role,
        part="pool_conv",
        stride=pool.stride,
        padding=pool.padding,
        bias=spec.norm.kind == "none",
    )
    x = scope.norm(x, spec.norm, role=role, part="pool_norm")
    return scope.activation(x, spec.activation, role=role, part="pool_activation")


def _stage(draft: Draft, index: int, x: Ref, blocks: _Blocks) -> Ref:
    spec = draft.spec
    stage, block = spec.stages[index], spec.stage_block(index)
    strided = stage.depth - 1 if block.strided_block == "last" else 0
    for number in range(stage.depth):
        scope = Scope(draft, ("stages", index), index + 1, number + 1)
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
        first_of_network=blocks.done == 0 and _stem_activation(scope) == "none",
    )


def _survival(block: Block, blocks: _Blocks) -> float:
    """P of this block: 1 - (i / L) (1 - p_L), linear in depth (Huang 2016)."""
    last = block.survival_probability
    if last is None:
        last = 0.5 if block.connection == "stochastic" else 1.0
    if block.survival_decay == "constant":
        return last
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


def _final_norm(draft: Draft, x: Ref, spec: Architecture) -> Ref:
    """Pre-activation nets normalise and activate once more after the last block (He 2016)."""
    index = len(spec.stages) - 1
    block = spec.stage_block(index)
    order = block.order or transform(block.transform).default_order
    scope = Scope(draft, ("stages", index))
    if order == "full_pre":
        x = scope.norm(x, block.norm or spec.norm, role="final_norm", part="norm")
    if order in ("full_pre", "relu_only_pre"):
        activation = block.activation or spec.activation
        x = scope.activation(x, activation, role="final_norm", part="activation")
    return x


def _after_stage(draft: Draft, index: int, x: Ref) -> Ref:
    after = draft.spec.stages[index].after
    scope = Scope(draft, ("stages", index, "after"), index + 1)
    block = draft.spec.stage_block(index)
    # only the orders that end a block with its activation promise values of at least 0
    order = block.order or transform(block.transform).default_order
    nonnegative = (
        order in ("post", "bn_after_add")
        and (block.activation or draft.spec.activation) in _NONNEGATIVE
    )
    x = _pooled(scope, x, after.pool, role="pool", nonnegative=nonnegative)
    if after.dropout:
        x = scope.add("dropout", x, role="pool", part="dropout", rate=after.dropout, whole=False)
    return x


def _head(scope: Scope, x: Ref) -> Ref:
    spec, head = scope.spec, scope.spec.head
    if head.conv:
        bias = spec.norm.kind == "none"
        x = scope.conv(x, head.conv, 1, role="head", part="conv", bias=bias)
        x = scope.norm(x, spec.norm, role="head", part="norm")
        x = scope.activation(x, spec.activation, role="head", part="activation")
    if len(scope.shape(x)) == 3:
        x = _vector(scope, x)
    for number, units in enumerate(head.hidden, start=1):
        x = scope.dense(x, units, role="head", part=f"hidden{number}")
        x = scope.activation(x, spec.activation, role="head", part=f"hidden_activation{number}")
    if head.dropout:
        x = scope.add("dropout", x, role="head", part="dropout", rate=head.dropout, whole=False)
    initializer = spec.initializers.head
    x = scope.dense(
        x,
        spec.classes,
        role="head",
        part="logits",
        bias=head.bias,
        initializer=initializer,
        precision="float32",
    )
    if head.logit_scale != 1.0:
        x = scope.add(
            "rescale",
            x,
            role="head",
            part="scale",
            precision="float32",
            scale=head.logit_scale,
            offset=0.0,
        )
    return x


def _vector(scope: Scope, x: Ref) -> Ref:
    kind = scope.spec.head.pool
    if kind == "none":
        return scope.add("flatten", x, role="head", part="flatten")
    return scope.add(f"global_{kind}_pool", x, role="head", part="pool", keep_dimensions=False)
