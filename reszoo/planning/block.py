"""One block of a stage with all its questions answered: widths, stride, order, norm, gates."""

from __future__ import annotations

from dataclasses import dataclass

from reszoo.planning.builder import Scope
from reszoo.planning.rows import Ref
from reszoo.spec.architecture import Block, Norm


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """What a transform, a shortcut and a connection need to know of the block they write."""

    scope: Scope
    block: Block
    width: int
    """Width of the stage."""
    output_width: int
    """Channels (features) that leave the block."""
    stride: int
    order: str
    norm: Norm
    activation: str
    gate_bias: float
    """Initial bias of the transform gate."""
    survival_probability: float
    first_of_network: bool

    @property
    def preactivated(self) -> bool:
        """Whether activation comes before the first convolution."""
        return self.order in ("relu_only_pre", "full_pre")

    @property
    def pre_normed(self) -> bool:
        """Whether each convolution is normalised before it, not after it."""
        return self.order == "full_pre"

    @property
    def starts_at_zero(self) -> bool:
        """Whether H starts at 0. Only where something else is left of the block, and where nothing
        comes between the last normalisation and the addition: the gradient of a ReLU at 0 is 0.
        """
        added = self.order in ("post", "relu_only_pre") and self.block.connection != "plain"
        return self.block.zero_gamma and added

    def changes_shape(self, x: Ref) -> bool:
        """Whether the block puts out another shape than x has."""
        return self.stride != 1 or self.scope.channels(x) != self.output_width

    def has_bias(self, part: str) -> bool:
        """Whether convolution `part` has a bias: as the spec says, else in blocks without
        normalisation.
        """
        bias = self.block.bias
        if bias is None:
            return self.norm.kind == "none"
        return bias if isinstance(bias, bool) else part in bias
