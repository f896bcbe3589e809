"""The plan of one block: widths, stride, order, norm and gates, with all defaults resolved."""

from __future__ import annotations

from dataclasses import dataclass

from reszoo.planning.builder import Scope
from reszoo.planning.rows import Ref
from reszoo.spec.block_fields import Block
from reszoo.spec.layer_fields import Norm
from reszoo.spec.per_axis import Sides


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """Settings of a block for its transform, shortcut and connection."""

    scope: Scope
    block: Block
    width: int
    """Width of the stage."""
    output_width: int
    """Output channels (features) of the block."""
    stride: Sides
    """One number, or (height, width) where these differ."""
    order: str
    norm: Norm
    activation: str
    gate_bias: float
    """Initial bias of the transform gate."""
    survival_probability: float
    first_of_network: bool

    @property
    def preactivated(self) -> bool:
        """Whether an activation precedes the first convolution."""
        return self.order in ("relu_only_pre", "full_pre")

    @property
    def pre_normed(self) -> bool:
        """Whether normalisation precedes each convolution."""
        return self.order == "full_pre"

    @property
    def starts_at_zero(self) -> bool:
        """Whether gamma of the last normalisation of H is initialised to 0.

        Only if the block adds a shortcut, and nothing comes between that normalisation and the
        addition: the gradient of a ReLU at 0 is 0.
        """
        added = self.order in ("post", "relu_only_pre") and self.block.connection != "plain"
        return self.block.zero_gamma and added

    def changes_shape(self, x: Ref) -> bool:
        """Whether the output shape of the block differs from that of x."""
        return self.stride != 1 or self.scope.channels(x) != self.output_width

    def has_bias(self, part: str) -> bool:
        """Whether convolution `part` has a bias. Defaults to true without normalisation."""
        bias = self.block.bias
        if bias is None:
            return self.norm.kind == "none"
        return bias if isinstance(bias, bool) else part in bias
