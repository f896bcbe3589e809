"""Construction of plans: rows are added one by one, each with its shape and cost."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from reszoo.errors import Place, UserError
from reszoo.planning.ops import OPS
from reszoo.planning.padding import same_padding, torch_max_pool, torch_padding, window_counts
from reszoo.planning.rows import Ref, Row, Shape, Tags
from reszoo.spec.architecture import Architecture
from reszoo.spec.base import KeyPath
from reszoo.spec.block_fields import Block
from reszoo.spec.layer_fields import Initializer, Norm
from reszoo.spec.per_axis import Sides, axes, merged, short, times

DEFAULT_GROUPS = 32
"""Groups of a group normalisation (Wu 2018)."""


class PlanBuilder:
    """Collects the rows of a plan."""

    def __init__(self, spec: Architecture) -> None:
        self.spec = spec
        self.rows: list[Row] = []
        self._shapes: dict[Ref, Shape] = {}

    def shape(self, ref: Ref) -> Shape:
        """Shape of one example of an output."""
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
        """Adds a row and returns its output."""
        size = OPS[op]([self._shapes[ref] for ref in inputs], attributes)
        row = Row(name, op, inputs, size.shape, tags, attributes, *size[1:], precision)
        self.rows.append(row)
        output = Ref(name)
        self._shapes[output] = size.shape
        return output


@dataclass(frozen=True, slots=True)
class Scope:
    """Adds rows for the stem, a stage, a block or the head, with its names and tags.

    Rows of role `transform` are named `stage1_block2_conv1`, those of other roles
    `stage1_block2_shortcut_conv`.
    """

    builder: PlanBuilder
    path: KeyPath
    """Path in the spec, for error messages."""
    stage: int | None = None
    block: int | None = None

    @property
    def spec(self) -> Architecture:
        """The spec that is planned."""
        return self.builder.spec

    def shape(self, x: Ref) -> Shape:
        """Shape of one example of x."""
        return self.builder.shape(x)

    def channels(self, x: Ref) -> int:
        """Channels or features of x."""
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
        """Adds a row of any op and returns its output."""
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

    def conv(
        self,
        x: Ref,
        filters: int,
        kernel: Sides,
        *,
        role: str,
        part: str,
        stride: Sides = 1,
        groups: int = 1,
        bias: bool = False,
        bias_initial: float = 0.0,
        padding: str | None = None,
        initializer: Initializer | None = None,
    ) -> Ref:
        """Adds a convolution, after a padding row if `same` would pad differently."""
        channels = self.channels(x)
        if channels % groups or filters % groups:
            self.fail(
                f"{groups} groups do not divide {channels} input and {filters} output channels",
                "groups",
                expected="a number of groups that divides both widths",
                found=f"groups: {groups}",
                hint="change groups, base_width or the stage's width",
            )
        kernel, stride = merged(*axes(kernel)), merged(*axes(stride))
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
        """Adds a fully connected layer."""
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
        """Adds a normalisation; none for kind `none`."""
        if norm.kind == "none":
            return x
        if norm.kind == "group":
            return self._group_norm(x, norm, role=role, part=part, gamma=gamma)
        return self.add(
            "norm",
            x,
            role=role,
            part=part,
            epsilon=norm.epsilon,
            momentum=norm.momentum,
            gamma_initial=gamma,
        )

    def _group_norm(self, x: Ref, norm: Norm, *, role: str, part: str, gamma: float) -> Ref:
        channels, groups = self.channels(x), norm.groups or DEFAULT_GROUPS
        if channels % groups:
            half = channels // 2 if channels % 2 == 0 else channels
            self.fail(
                f"{channels} channels cannot be normalised in {groups} groups",
                "norm",
                expected=f"a number of groups that divides {channels}",
                found=str(groups),
                hint=f"write `norm: {{kind: group, groups: {math.gcd(half, groups)}}}`",
            )
        return self.add(
            "group_norm",
            x,
            role=role,
            part=part,
            groups=groups,
            epsilon=norm.epsilon,
            gamma_initial=gamma,
        )

    def activation(self, x: Ref, function: str, *, role: str, part: str) -> Ref:
        """Adds an activation; none for `none`."""
        if function == "none":
            return x
        return self.add("activation", x, role=role, part=part, function=function)

    def dropout(self, x: Ref, rate: float, *, role: str, part: str, each: str = "value") -> Ref:
        """Adds dropout, drawn for each value, example or batch; none at rate 0."""
        if rate == 0.0:
            return x
        return self.add("dropout", x, role=role, part=part, rate=rate, each=each)

    def pool(
        self,
        x: Ref,
        kind: str,
        size: Sides,
        stride: Sides,
        *,
        role: str,
        part: str,
        padding: str | None = None,
        border: float | None = None,
    ) -> Ref:
        """Adds max or average pooling.

        `border` is the padding value of a max-pool, 0 or -infinity; None if every value up to 0 is
        right.
        """
        size, stride = merged(*axes(size)), merged(*axes(stride))
        if kind == "max" and border == -math.inf:
            return self._max_pool_of_any_sign(x, size, stride, padding, role=role, part=part)
        if kind == "average":
            # torch's ceil_mode without counting the padding is TensorFlow's `same`
            mode = "valid" if (padding or self.spec.padding) == "valid" else "same"
            self._check_window(x, size, stride, mode)
        else:
            x, mode = self.padded(x, size, stride, padding, role=role, part=part, border=border)
        return self.add(
            f"{kind}_pool", x, role=role, part=part, size=size, stride=stride, padding=mode
        )

    def _max_pool_of_any_sign(
        self, x: Ref, size: Sides, stride: Sides, padding: str | None, *, role: str, part: str
    ) -> Ref:
        """Adds a max-pool whose padding never counts, in layers of stock Keras."""
        mode = padding or self.spec.padding
        self._check_window(x, size, stride, mode)
        # No padding, or that of `same`, which never counts.
        if mode != "torch" or max(axes(size)) <= 2:
            return self.pool(x, "max", size, stride, role=role, part=part, padding=padding)
        rows = torch_max_pool(self._sides(x), size, stride)
        for op, suffix, attributes in rows:
            # The last row has the pool's own name, by which files and feature maps know it.
            name = part if op == rows[-1][0] else f"{part}_{suffix}"
            x = self.add(op, x, role=role, part=name, **attributes)
        return x

    def blur(self, x: Ref, stride: Sides, *, role: str, part: str) -> Ref:
        """Adds a low-pass filter that subsamples (Zhang 2019), along the axes that stride."""
        rows, columns = axes(stride)
        least = (2, 2) if isinstance(stride, int) else (min(rows, 2), min(columns, 2))
        if any(side < pixels for side, pixels in zip(self._sides(x), least, strict=True)):
            self.fail(
                "a blur mirrors the map at its border and needs two pixels",
                "stride",
                expected=f"a map of at least {times(least)}",
                found=f"a map of shape {self.shape(x)}",
                hint="lower the stride, drop a stage or use a larger input",
            )
        return self.add("blur", x, role=role, part=part, stride=stride)

    def padded(
        self,
        x: Ref,
        kernel: Sides,
        stride: Sides,
        padding: str | None,
        *,
        role: str,
        part: str,
        border: float | None = None,
    ) -> tuple[Ref, str]:
        """Pads x for a window; returns it and the padding mode of the window (same or valid).

        torch pads (kernel - 1) // 2 on both sides of an axis. No row is needed where TensorFlow's
        `same` does the same; a strided window on an even map needs one, and so does a max-pool with
        border 0, because TensorFlow pads with -infinity.
        """
        mode = padding or self.spec.padding
        self._check_window(x, kernel, stride, mode)
        if mode == "valid":
            return x, mode
        along = zip(self._sides(x), axes(kernel), axes(stride), strict=True)
        same_amounts = tuple(itertools.starmap(same_padding, along))
        amounts = same_amounts
        if mode == "torch":
            amounts = tuple((torch_padding(side),) * 2 for side in axes(kernel))
        if not any(map(any, amounts)):
            return x, "same" if amounts == same_amounts else "valid"
        if amounts == same_amounts and border != 0.0:
            return x, "same"
        value = border or 0.0
        x = self.add("pad", x, role=role, part=f"{part}_pad", amounts=amounts, value=value)
        return x, "valid"

    def fail(self, what: str, field: str, *, expected: str, found: str, hint: str) -> NoReturn:
        """Raises a UserError at the place of a field below `path`."""
        what = f"{self.spec.name}: {what}"
        raise UserError(what, where=self._place(field), expected=expected, found=found, hint=hint)

    def _place(self, field: str) -> Place | str | None:
        """Place of a field; the block's unless the stage overrides it."""
        spec = self.spec
        if self.block is not None and field in Block.model_fields:
            stage = spec.stages[int(self.path[1])]
            if getattr(stage, field) is None:
                return spec.where("block", field)
        return spec.where(*self.path, field)

    def _sides(self, x: Ref) -> tuple[int, int]:
        height, width = self.shape(x)[:2]
        return height, width

    def _check_window(self, x: Ref, kernel: Sides, stride: Sides, mode: str) -> None:
        shape = self.shape(x)
        if len(shape) != 3:
            self.fail(
                "a convolution or pool cannot follow a dense layer",
                "transform",
                expected="a feature map (height, width, channels)",
                found=f"{shape[0]} features",
                hint="use `transform: dense`, or a stem of kind conv",
            )
        self._check_signal(kernel)
        sides = self._sides(x)
        counts = window_counts(sides, kernel, stride, mode)
        longer = [step > side for step, side in zip(axes(stride), sides, strict=True)]
        # One number may be for the longer side alone; of two, each is for its side.
        one = isinstance(stride, int)
        if min(counts) >= 1 and not (all(longer) if one else any(longer)):
            return
        window = f"a {times(kernel)} window with stride {short(stride)} leaves no pixels of"
        longest = f"a stride of {short(stride)} is longer than {'both sides' if one else 'a side'}"
        order = "" if one else "give strides as [height, width], "
        self.fail(
            f"{window if min(counts) < 1 else f'{longest} of'} a {times(sides)} map",
            "stride",
            expected=f"a stride of at most {max(sides) if one else times(sides)} and a window that "
            "fits",
            found=f"stride {short(stride)}, kernel {short(kernel)}, padding {mode}",
            hint=f"{order}lower the stride, drop a stage or use a larger input",
        )

    def _check_signal(self, kernel: Sides) -> None:
        """Refuses a window that runs across a signal: most weights would see only padding."""
        image = self.spec.input.shape[:2]
        if isinstance(kernel, int) or max(image) == 1:
            return
        across = [pixels == 1 < side for pixels, side in zip(image, kernel, strict=True)]
        if not any(across):
            return
        side = "high" if across[0] else "wide"
        meant = [1 if is_across else max(kernel) for is_across in across]
        self.fail(
            f"a {times(kernel)} window runs across the signal, an image of {times(image)} pixels",
            "kernel",
            expected=f"a window 1 pixel {side}, like the image",
            found=f"[{kernel[0]}, {kernel[1]}] (height, width)",
            hint=f"write {meant}, or one number",
        )

    def _name(self, role: str, part: str) -> str:
        stage = [f"stage{self.stage}"] if self.stage is not None else []
        block = [f"block{self.block}"] if self.block is not None else []
        return "_".join([*stage, *block, *([role] if role != "transform" else []), part])
