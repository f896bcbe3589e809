"""What does keras.applications call the weights of a row, and what must the spec say for them?

Its first version (ResNet50, 101, 152) strides in the first 1x1 convolution, as He 2015 did, has a
bias on every convolution, and takes BGR with Caffe's means. Its second (ResNet50V2, ...) strides
in the last block of a stage, behind a shortcut that pools, pads with zeros before the stem's
max-pool, has biases where no normalisation follows, and takes -1..1.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reszoo.errors import UserError
from reszoo.model.importing.changes import refuse_other_equation, with_block, with_epsilon
from reszoo.planning.rows import Row
from reszoo.spec.architecture import Architecture, Shortcut

EPSILON = 1.001e-5
INPUT_SIZE = (224, 224)
_CAFFE_MEAN = (123.68, 116.779, 103.939)
"""Of R, G, B; keras.applications has them in the order of its BGR input."""

_WEIGHTS: Mapping[str, tuple[str, ...]] = {
    "conv": ("kernel", "bias"),
    "dense": ("kernel", "bias"),
    "norm": ("gamma", "beta", "moving_mean", "moving_variance"),
}

_DEPTHS: Mapping[tuple[int, ...], str] = {
    (3, 4, 6, 3): "resnet50",
    (3, 4, 23, 3): "resnet101",
    (3, 8, 36, 3): "resnet152",
}
_WIDTHS = (64, 128, 256, 512)


class KerasLayout:
    """The names of keras.applications' ResNets, and what is different there."""

    title = "keras.applications"

    def __init__(self, preactivated: bool) -> None:
        self._preactivated = preactivated

    def adapted(self, spec: Architecture) -> Architecture:
        """The spec with the strides, constants, biases and pixels of keras.applications.

        Raises:
          UserError: it is none of a residual bottleneck net of the weights' version.
        """
        refuse_other_equation(spec, self.title)
        if _preactivated(spec) != self._preactivated:
            wanted, other = ("V2", "V1") if self._preactivated else ("V1", "V2")
            raise UserError(
                f"weights of keras.applications' {wanted} nets do not fit {spec.name}",
                expected=f"a {'pre-activation' if self._preactivated else 'post-activation'} net",
                found=f"the layout of its {other} nets",
                hint=f"build the {wanted} twin of {spec.name}",
            )
        spec = with_epsilon(spec, EPSILON).model_copy(update={"padding": "torch"})
        return _second(spec) if self._preactivated else _first(spec)

    def tensors(self, row: Row, spec: Architecture) -> dict[str, str]:
        """The names of a row's tensors by the names of the Keras weights."""
        name = self._name(row)
        if name is None or row.op not in _WEIGHTS:
            raise UserError(
                f"keras.applications has no counterpart of the layer '{row.name}'",
                where=spec.name,
                expected="a bottleneck net such as resnet50, 101 or 152",
                found=f"a layer that is the {row.tags.role.replace('_', ' ')}'s {row.tags.part}",
                hint="use the weights with the spec they belong to",
            )
        biased = row.op == "norm" or row.attributes["bias"]
        return {one: f"{name}/{one}" for one in _WEIGHTS[row.op] if biased or one != "bias"}

    def folded(self, row: Row) -> str | None:
        """The bias the weights have where the row has none: its norm's mean takes it."""
        if row.op != "conv" or row.attributes["bias"]:
            return None
        name = self._name(row)
        return name and f"{name}/bias"

    def ignored(self, name: str) -> bool:
        """Whether no network needs the tensor."""
        return False

    def ours(self, row: Row, weight: str, values: np.ndarray, *, first: bool) -> np.ndarray:
        """The values as the row has them; the first convolution of version 1 reads BGR."""
        flipped = first and not self._preactivated and values.ndim == 4 and values.shape[2] == 3
        return values[:, :, ::-1] if flipped and weight == "kernel" else values

    def _name(self, row: Row) -> str | None:
        role, part = row.tags.role, row.tags.part
        if role == "stem":
            return {"conv": "conv1_conv", "norm": "conv1_bn"}.get(part)
        if role == "final_norm":
            return "post_bn"
        if role == "head":
            return "predictions" if part == "logits" else None
        if row.tags.stage is None or row.tags.block is None:
            return None
        block = f"conv{row.tags.stage + 1}_block{row.tags.block}"
        if role == "preactivation":
            return f"{block}_preact_bn"
        if role == "shortcut":
            return f"{block}_0_{'conv' if part == 'conv' else 'bn'}"
        if role != "transform":
            return None
        kind = part.rstrip("0123456789")
        number = int(part.removeprefix(kind))
        if kind == "conv":
            return f"{block}_{number}_conv"
        # a pre-activation net's norm2 stands before conv2; Keras counts it with conv1
        return f"{block}_{number - 1 if self._preactivated else number}_bn"


def network_of(spec: Architecture) -> str:
    """The network of keras.applications whose weights the spec can take, such as `resnet50v2`.

    Raises:
      UserError: there is none.
    """
    blocks = [spec.stage_block(index) for index in range(len(spec.stages))]
    name = _DEPTHS.get(tuple(stage.depth for stage in spec.stages))
    plain = all(
        (block.transform, block.groups, block.base_width, block.expansion, block.attention.kind)
        == ("bottleneck", 1, 64, 4, "none")
        and block.antialias == "none"
        for block in blocks
    )
    widths = tuple(stage.width for stage in spec.stages) == _WIDTHS
    if name is None or not plain or not widths or spec.stem.filters not in (64, (64,)):
        raise UserError(
            f"keras.applications has no weights of {spec.name}",
            expected="ResNet-50, 101 or 152, in version 1 or 2",
            found=f"{spec.name}: stages of {', '.join(str(one.depth) for one in spec.stages)}",
            hint="timm has weights of more networks: `--weights timm:TAG`",
        )
    return f"{name}v2" if _preactivated(spec) else name


def _preactivated(spec: Architecture) -> bool:
    return spec.stage_block(0).order == "full_pre"


def _first(spec: Architecture) -> Architecture:
    pixels = spec.input.model_copy(update={"mean": _CAFFE_MEAN, "std": 1.0})
    return with_block(spec, stride_at="first", strided_block="first").model_copy(
        update={"input": pixels}
    )


def _second(spec: Architecture) -> Architecture:
    pixels = spec.input.model_copy(update={"mean": 127.5, "std": 127.5})
    stages = spec.stages
    if spec.stage_block(0).strided_block == "first":
        # what a stage did at its begin, the one before it does at its end
        strides = [stage.stride for stage in stages[1:]] + [1]
        pairs = zip(stages, strides, strict=True)
        stages = tuple(one.model_copy(update={"stride": stride}) for one, stride in pairs)
    pool = spec.stem.pool.model_copy(update={"zero_padded": True})
    stem = spec.stem.model_copy(update={"bias": True, "pool": pool})
    changed = spec.model_copy(update={"input": pixels, "stages": stages, "stem": stem})
    shortcut = Shortcut(kind="max_pool", bias=True)
    return with_block(
        changed, stride_at="spatial", strided_block="last", shortcut=shortcut, bias=("conv3",)
    )
