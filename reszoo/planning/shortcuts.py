"""Shortcuts: identity, zero padding and projections from x to the merge of a block."""

from __future__ import annotations

from reszoo.planning.block import BlockPlan
from reszoo.planning.rows import Ref
from reszoo.spec.layer_fields import Norm
from reszoo.spec.per_axis import Sides, short

_ROLE = "shortcut"


def shortcut(plan: BlockPlan, x: Ref, activated: Ref) -> Ref:
    """Adds the shortcut of a block; returns its output.

    `activated` is x after the pre-activation, which projections of pre-activation nets read (He
    2016), else x itself.
    """
    output, rate = _match_shape(plan, x, activated), plan.block.shortcut.dropout
    return plan.scope.dropout(output, rate, role=_ROLE, part="dropout")


def _match_shape(plan: BlockPlan, x: Ref, activated: Ref) -> Ref:
    kind = plan.block.shortcut.kind
    if kind == "projection_all":
        return _projection(plan, activated, plan.stride)
    if plan.first_of_network:
        # A pre-activation net activates right after its first convolution, "before splitting into
        # two paths" (He 2016, appendix).
        x = activated
    if not plan.changes_shape(x):
        return x
    if kind == "identity":
        channels = f"{plan.scope.channels(x)} to {plan.output_width} channels"
        plan.scope.fail(
            "an identity shortcut cannot change the shape",
            "shortcut",
            expected="the same width and stride 1, or a shortcut that changes shape",
            found=f"{channels} with stride {short(plan.stride)}",
            hint="use `shortcut: zero_pad` (option A) or `shortcut: projection` (option B)",
        )
    if kind == "zero_pad":
        return _zero_padded(plan, x)
    if len(plan.scope.shape(x)) == 1:
        return _projection(plan, activated, 1)
    if kind == "max_pool" and plan.scope.channels(x) == plan.output_width:
        return plan.scope.add("subsample", x, role=_ROLE, part="subsample", stride=plan.stride)
    if kind == "average_projection" and plan.stride != 1:
        stride = plan.stride
        pooled = plan.scope.pool(activated, "average", stride, stride, role=_ROLE, part="pool")
        return _projection(plan, pooled, 1)
    return _projection(plan, activated, plan.stride)


def _projection(plan: BlockPlan, x: Ref, stride: Sides) -> Ref:
    """Options B, C (He 2015) and D: a 1x1 convolution, normalised unless pre-normed."""
    scope, config = plan.scope, plan.block.shortcut
    norm = plan.norm if config.norm and not plan.pre_normed else Norm(kind="none")
    bias = config.bias if config.bias is not None else plan.norm.kind == "none"
    if len(scope.shape(x)) == 1:
        x = scope.dense(x, plan.output_width, role=_ROLE, part="dense", bias=bias)
    else:
        x = scope.conv(x, plan.output_width, 1, role=_ROLE, part="conv", stride=stride, bias=bias)
    return scope.norm(x, norm, role=_ROLE, part="norm")


def _zero_padded(plan: BlockPlan, x: Ref) -> Ref:
    """Option A of He 2015: every second pixel (or the mean of 2x2), and zero channels."""
    scope, stride = plan.scope, plan.stride
    if len(scope.shape(x)) == 1:
        scope.fail(
            "a zero-padded shortcut needs a feature map",
            "shortcut",
            expected="the same width, or a shortcut that projects",
            found=f"{scope.channels(x)} to {plan.output_width} features",
            hint="use `shortcut: projection`",
        )
    if stride != 1 and plan.block.shortcut.subsample == "average":
        x = scope.pool(x, "average", stride, stride, role=_ROLE, part="pool")
    elif stride != 1:
        x = scope.add("subsample", x, role=_ROLE, part="subsample", stride=stride)
    missing = plan.output_width - scope.channels(x)
    if missing < 0:
        scope.fail(
            f"a zero-padded shortcut cannot narrow {scope.channels(x)} channels",
            "width",
            expected=f"a width of at least {scope.channels(x)}",
            found=f"{plan.output_width}",
            hint="widen the stage or use `shortcut: projection`",
        )
    if missing == 0:
        return x
    before = missing // 2 if plan.block.shortcut.channels == "both" else 0
    return scope.add(
        "pad_channels", x, role=_ROLE, part="pad", before=before, after=missing - before
    )
