"""Channel attention on H: squeeze-and-excitation (Hu 2018) and ECA (Wang 2020)."""

from __future__ import annotations

import math

from reszoo.planning.block import BlockPlan
from reszoo.planning.rows import Ref
from reszoo.spec.layer_fields import Initializer

_ROLE = "attention"


def attention(plan: BlockPlan, h: Ref) -> Ref:
    """Returns H with its channels weighted, or H itself if the block has no attention."""
    kind = plan.block.attention.kind
    if kind == "none":
        return h
    if len(plan.scope.shape(h)) == 1:
        plan.scope.fail(
            "channel attention needs a feature map",
            "attention",
            expected="`attention: none`, or a transform that keeps a map",
            found=f"{plan.scope.channels(h)} features",
            hint="leave `attention` out of dense nets",
        )
    gate = _squeeze_excite(plan, h) if kind == "se" else _eca(plan, h)
    return plan.scope.add("multiply", h, gate, role=_ROLE, part="multiply")


def _squeeze_excite(plan: BlockPlan, h: Ref) -> Ref:
    scope, config = plan.scope, plan.block.attention
    channels = scope.channels(h)
    squeezed = squeezed_width(channels, config.ratio, config.divisor)
    x = scope.add("global_average_pool", h, role=_ROLE, part="se_pool", keep_dimensions=True)
    x = scope.conv(x, squeezed, 1, role=_ROLE, part="se_reduce", bias=config.bias)
    x = scope.activation(x, "relu", role=_ROLE, part="se_activation")
    x = scope.conv(x, channels, 1, role=_ROLE, part="se_expand", bias=config.bias)
    return scope.activation(x, "sigmoid", role=_ROLE, part="se_gate")


def _eca(plan: BlockPlan, h: Ref) -> Ref:
    """A convolution over the channels, with only `kernel` weights (Wang 2020)."""
    scope = plan.scope
    channels = scope.channels(h)
    kernel = plan.block.attention.kernel or eca_kernel(channels)
    x = scope.add("global_average_pool", h, role=_ROLE, part="eca_pool", keep_dimensions=False)
    x = scope.add("reshape", x, role=_ROLE, part="eca_line", shape=(channels, 1))
    x = scope.add(
        "conv1d",
        x,
        role=_ROLE,
        part="eca_conv",
        filters=1,
        kernel=kernel,
        bias=False,
        kernel_initializer=Initializer(kind="glorot_uniform"),
    )
    x = scope.activation(x, "sigmoid", role=_ROLE, part="eca_gate")
    return scope.add("reshape", x, role=_ROLE, part="eca_map", shape=(1, 1, channels))


def squeezed_width(channels: int, ratio: float, divisor: int) -> int:
    """Returns the squeezed width, rounded to a multiple of `divisor` and at least that, as in timm.

    Examples:
      >>> squeezed_width(64, ratio=16.0, divisor=8)
      8
    """
    return max(divisor, int(channels / ratio + divisor / 2) // divisor * divisor)


def eca_kernel(channels: int) -> int:
    """Returns the odd kernel size near (log2 C + 1) / 2, as in timm.

    Examples:
      >>> [eca_kernel(channels) for channels in (256, 512, 1024, 2048)]
      [5, 5, 5, 7]
    """
    size = int(abs(math.log2(channels) + 1) / 2)
    return max(size if size % 2 else size + 1, 3)
