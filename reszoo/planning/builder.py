"""A plan while it is being written: rows are added one by one, each with its size and cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reszoo.errors import Place, UserError
from reszoo.planning.ops import OPS, same_padding, window_count
from reszoo.planning.rows import Ref, Row, Shape, Tags
from reszoo.spec.architecture import Architecture, Block, Initializer, Norm
from reszoo.spec.base import KeyPath


class PlanBuilder:
    """The rows so far, and the spec they come from."""

    def __init__(self, spec: Architecture) -> None:
        self.spec = spec
        self.rows: list[Row] = []
        self._shapes: dict[Ref, Shape] = {}

    def shape(self, ref: Ref) -> Shape:
        """The shape of one example of that output."""
        return self._shapes[ref]

    def add(
        self,
        name: str,
        op: str,
        inputs: tuple[Ref, ...],
        tags: Tags,
        attributes: Mapping[str, Any],
        precision: str | None = None,
    ) -> Ref:
        """Writes one row and returns its output."""
        size = OPS[op]([self._shapes[ref] for ref in inputs], attributes)
        row = Row(name, op, inputs, size.shape, tags, attributes, *size[1:], precision)
        self.rows.append(row)
        output = Ref(name)
        self._shapes[output] = size.shape
        return output


@dataclass(frozen=True, slots=True)
class Scope:
    """A pen for one part of the network: it names and tags the rows it writes.

    Rows of role `transform` are named `stage1_block2_conv1`, those of other roles
    `stage1_block2_shortcut_conv`.
    """

    builder: PlanBuilder
    path: KeyPath
    """Where the part stands in the spec, for error messages."""
    stage: int | None = None
    block: int | None = None

    @property
    def spec(self) -> Architecture:
        """The spec being planned."""
        return self.builder.spec

    def shape(self, x: Ref) -> Shape:
        """The shape of one example of x."""
        return self.builder.shape(x)

    def channels(self, x: Ref) -> int:
        """The width of x: its channels or features."""
        return self.builder.shape(x)[-1]

    def add(
        self,
        op: str,
        *inputs: Ref,
        role: str,
        part: str,
        precision: str | None = None,
        **attributes: Any,
    ) -> Ref:
        """Writes a row of any op."""
        tags = Tags(role, part, self.stage, self.block)
        try:
            return self.builder.add(self._name(role, part), op, inputs, tags, attributes, precision)
        except ValueError as error:
            if op not in ("add", "subtract", "multiply"):
                raise
            self.fail(
                f"two branches of a block end in different shapes ({error})",
                "kernel",
                expected="branches that keep the size of the map",
                found=" and ".join(str(self.shape(x)) for x in inputs),
                hint="use odd kernels and `padding: torch` or `same`",
            )
            raise

    def conv(
        self,
        x: Ref,
        filters: int,
        kernel: int,
        *,
        role: str,
        part: str,
        stride: int = 1,
        groups: int = 1,
        bias: bool = False,
        bias_initial: float = 0.0,
        padding: str | None = None,
        initializer: Initializer | None = None,
    ) -> Ref:
        """A convolution, with a padding row before it where `same` would pad differently."""
        channels = self.channels(x)
        if channels % groups or filters % groups:
            self.fail(
                f"{groups} groups do not divide {channels} input and {filters} output channels",
                "groups",
                expected="a number of groups that divides both widths",
                found=f"groups: {groups}",
                hint="change groups, base_width or the stage's width",
            )
        x, mode = self.padded(x, kernel, stride, padding, role=role, part=part)
        return self.add(
            "conv",
            x,
            role=role,
            part=part,
            filters=filters,
            kernel=kernel,
            stride=stride,
            padding=mode,
            groups=groups,
            bias=bias,
            bias_initial=bias_initial,
            kernel_initializer=initializer or self.spec.initializers.kernel,
        )

    def dense(
        self,
        x: Ref,
        units: int,
        *,
        role: str,
        part: str,
        bias: bool = True,
        bias_initial: float = 0.0,
        initializer: Initializer | None = None,
        precision: str | None = None,
    ) -> Ref:
        """A fully connected layer."""
        return self.add(
            "dense",
            x,
            role=role,
            part=part,
            precision=precision,
            units=units,
            bias=bias,
            bias_initial=bias_initial,
            kernel_initializer=initializer or self.spec.initializers.kernel,
        )

    def norm(self, x: Ref, norm: Norm, *, role: str, part: str, gamma: float = 1.0) -> Ref:
        """Normalisation; nothing where the kind is `none`."""
        if norm.kind == "none":
            return x
        return self.add(
            "norm",
            x,
            role=role,
            part=part,
            epsilon=norm.epsilon,
            momentum=norm.momentum,
            gamma_initial=gamma,
        )

    def activation(self, x: Ref, function: str, *, role: str, part: str) -> Ref:
        """An activation; nothing for `none`."""
        if function == "none":
            return x
        return self.add("activation", x, role=role, part=part, function=function)

    def pool(
        self,
        x: Ref,
        kind: str,
        size: int,
        stride: int,
        *,
        role: str,
        part: str,
        padding: str | None = None,
        border: float | None = None,
    ) -> Ref:
        """Max or average pooling; `border` is what surrounds a max-pool's map, None where any value
        up to 0 is right.
        """
        if kind == "average":
            # torch's ceil_mode without counting the padding is TensorFlow's `same`
            mode = "valid" if (padding or self.spec.padding) == "valid" else "same"
            self._check_window(x, size, stride, mode)
        else:
            x, mode = self.padded(x, size, stride, padding, role=role, part=part, border=border)
        return self.add(
            f"{kind}_pool", x, role=role, part=part, size=size, stride=stride, padding=mode
        )

    def blur(self, x: Ref, stride: int, *, role: str, part: str) -> Ref:
        """A low-pass filter that subsamples (Zhang 2019)."""
        if min(self.shape(x)[:2]) < 2:
            self.fail(
                "a blur mirrors the map at its border and needs two pixels",
                "stride",
                expected="a map of at least 2x2",
                found=f"a map of shape {self.shape(x)}",
                hint="lower the stride, drop a stage or use a larger input",
            )
        return self.add("blur", x, role=role, part=part, stride=stride)

    def padded(
        self,
        x: Ref,
        kernel: int,
        stride: int,
        padding: str | None,
        *,
        role: str,
        part: str,
        border: float | None = None,
    ) -> tuple[Ref, str]:
        """X made ready for a window, and the window's own padding mode (same or valid).

        torch pads (kernel - 1) // 2 on every side. Where TensorFlow's `same` does just that, no
        row is needed; a strided window on an even map needs one. So does a max-pool whose border
        is 0, because TensorFlow's own is -infinity.
        """
        mode = padding or self.spec.padding
        self._check_window(x, kernel, stride, mode)
        if mode == "valid":
            return x, mode
        by_itself = tuple(same_padding(side, kernel, stride) for side in self.shape(x)[:2])
        side = (kernel - 1) // 2
        amounts = ((side, side), (side, side)) if mode == "torch" else by_itself
        if not any(map(any, amounts)):
            return x, "same" if amounts == by_itself else "valid"
        if amounts == by_itself and border != 0.0:
            return x, "same"
        value = border or 0.0
        return self.add(
            "pad", x, role=role, part=f"{part}_pad", amounts=amounts, value=value
        ), "valid"

    def fail(self, what: str, field: str, *, expected: str, found: str, hint: str) -> None:
        """Raises a UserError that points at `field` of the part being planned."""
        what = f"{self.spec.name}: {what}"
        raise UserError(what, where=self._written(field), expected=expected, found=found, hint=hint)

    def _written(self, field: str) -> Place | str | None:
        """Where the field stands: a block's, unless the stage says it again."""
        spec = self.spec
        if self.block is not None and field in Block.model_fields:
            stage = spec.stages[int(self.path[1])]
            if getattr(stage, field) is None:
                return spec.where("block", field)
        return spec.where(*self.path, field)

    def _check_window(self, x: Ref, kernel: int, stride: int, mode: str) -> None:
        shape = self.shape(x)
        if len(shape) != 3:
            self.fail(
                "a convolution or pool cannot follow a dense layer",
                "transform",
                expected="a feature map (height, width, channels)",
                found=f"{shape[0]} features",
                hint="use `transform: dense`, or a stem of kind conv",
            )
        height, width, _ = shape
        side = min(height, width)
        margin = 2 * ((kernel - 1) // 2) if mode == "torch" else 0
        count = window_count(side + margin, kernel, stride, "same" if mode == "same" else "valid")
        if count < 1 or stride > side:
            self.fail(
                f"a {kernel}x{kernel} window with stride {stride} leaves no pixels of a "
                f"{height}x{width} map",
                "stride",
                expected=f"a stride of at most {side} and a window that fits",
                found=f"stride {stride}, kernel {kernel}, padding {mode}",
                hint="lower the stride, drop a stage or use a larger input",
            )

    def _name(self, role: str, part: str) -> str:
        words = []
        if self.stage is not None:
            words.append(f"stage{self.stage}")
        if self.block is not None:
            words.append(f"block{self.block}")
        if role != "transform":
            words.append(role)
        return "_".join([*words, part])


def pixels(shape: Shape) -> int:
    """Values in one example of a feature map."""
    return math.prod(shape)
