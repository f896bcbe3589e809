"""keras.applications' names of a row's weights, and the spec that these weights need.

Version 1 (ResNet50, 101, 152) strides in the first 1x1 convolution, as He 2015 did, has a bias on
every convolution, and takes BGR with Caffe's means. Version 2 (ResNet50V2, ...) strides in the last
block of a stage with a shortcut that pools, pads with zeros before the stem's max pool, has biases
where no normalisation follows, and takes -1..1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from reszoo.errors import UserError
from reszoo.model.importing.spec_updates import (
    is_preactivated,
    require_residual_blocks,
    with_block,
    with_epsilon,
)
from reszoo.model.importing.weight_layout import WeightLayout, no_counterpart, weight_names
from reszoo.planning.rows import Row
from reszoo.spec.architecture import Architecture
from reszoo.spec.block_fields import Shortcut

INPUT_SIZE = (224, 224)
_CAFFE_MEAN = (123.68, 116.779, 103.939)
"""In the order R, G, B; keras.applications lists them in the order of its BGR input."""

_DEPTHS: Mapping[tuple[int, ...], str] = {
    (3, 4, 6, 3): "resnet50",
    (3, 4, 23, 3): "resnet101",
    (3, 8, 36, 3): "resnet152",
}
_NUMBERED_PART = re.compile(r"(conv|norm)(\d+)")


class KerasLayout(WeightLayout):
    """The names of keras.applications' ResNets, of version 2 if `preactivated`, else of 1."""

    title = "keras.applications"

    def __init__(self, preactivated: bool) -> None:
        self._preactivated = preactivated

    def adapt_spec(self, spec: Architecture) -> Architecture:
        """Returns the spec with the strides, constants, biases and input of keras.applications.

        Raises:
          UserError: the spec is not a residual bottleneck net of the weights' version.
        """
        require_residual_blocks(spec, self.title)
        if is_preactivated(spec) != self._preactivated:
            version, other = ("V2", "V1") if self._preactivated else ("V1", "V2")
            raise UserError(
                f"weights of keras.applications' {version} nets do not fit {spec.name}",
                expected=f"a {'pre-activation' if self._preactivated else 'post-activation'} net",
                found=f"the layout of its {other} nets",
                hint=f"build the {version} twin of {spec.name}",
            )
        spec = with_epsilon(spec, 1.001e-5).model_copy(update={"padding": "torch"})
        return _version2_spec(spec) if self._preactivated else _version1_spec(spec)

    def tensor_names(self, row: Row, spec: Architecture) -> dict[str, str]:
        layer = self._layer_name(row)
        if layer is None or row.op in ("conv1d", "scale"):
            expected = "a bottleneck net such as resnet50, 101 or 152"
            raise no_counterpart(self.title, row, spec, expected)
        return {name: f"{layer}/{name}" for name in weight_names(row)}

    def absorbed_bias(self, row: Row) -> str | None:
        if row.op != "conv" or row.attributes["bias"]:
            return None
        layer = self._layer_name(row)
        return layer and f"{layer}/bias"

    def to_keras(self, row: Row, weight: str, values: np.ndarray, *, is_first: bool) -> np.ndarray:
        """Flips BGR to RGB in the first convolution of version 1."""
        is_bgr = is_first and not self._preactivated and values.ndim == 4 and values.shape[2] == 3
        return values[:, :, ::-1] if is_bgr and weight == "kernel" else values

    def _layer_name(self, row: Row) -> str | None:
        role, part, stage, number = row.tags
        block = f"conv{(stage or 0) + 1}_block{number}"
        if role == "transform" and (match := _NUMBERED_PART.fullmatch(part)):
            kind, layer = match[1], int(match[2])
            # The norm2 of a pre-activation net precedes conv2; Keras numbers it with conv1.
            layer -= self._preactivated and kind == "norm"
            return f"{block}_{layer}_{'conv' if kind == 'conv' else 'bn'}"
        return {
            "stem": {"conv": "conv1_conv", "norm": "conv1_bn"}.get(part),
            "preactivation": f"{block}_preact_bn",
            "shortcut": f"{block}_0_{'conv' if part == 'conv' else 'bn'}",
            "final_norm": "post_bn",
            "head": "predictions" if part == "logits" else None,
        }.get(role)


def applications_network(spec: Architecture) -> str:
    """Returns the network of keras.applications whose weights fit, such as `resnet50v2`."""
    blocks = [spec.stage_block(index) for index in range(len(spec.stages))]
    name = _DEPTHS.get(tuple(stage.depth for stage in spec.stages))
    plain = all(
        (block.transform, block.groups, block.base_width, block.expansion, block.attention.kind)
        == ("bottleneck", 1, 64, 4, "none")
        and block.antialias == "none"
        for block in blocks
    )
    widths = [stage.width for stage in spec.stages] == [64, 128, 256, 512]
    if name is None or not plain or not widths or spec.stem.filters not in (64, (64,)):
        raise UserError(
            f"keras.applications has no weights of {spec.name}",
            expected="ResNet-50, 101 or 152, in version 1 or 2",
            found=f"{spec.name}: stages of {', '.join(str(stage.depth) for stage in spec.stages)}",
            hint="timm has weights of more networks: `--weights timm:TAG`",
        )
    return f"{name}v2" if is_preactivated(spec) else name


def _version1_spec(spec: Architecture) -> Architecture:
    pixels = spec.input.model_copy(update={"mean": _CAFFE_MEAN, "std": 1.0})
    return with_block(spec, stride_at="first", strided_block="first").model_copy(
        update={"input": pixels}
    )


def _version2_spec(spec: Architecture) -> Architecture:
    pixels = spec.input.model_copy(update={"mean": 127.5, "std": 127.5})
    stages = spec.stages
    if spec.stage_block(0).strided_block == "first":
        # A stage strides at its end where the next one strode at its start.
        strides = [stage.stride for stage in stages[1:]] + [1]
        pairs = zip(stages, strides, strict=True)
        stages = tuple(stage.model_copy(update={"stride": stride}) for stage, stride in pairs)
    pool = spec.stem.pool.model_copy(update={"zero_padded": True})
    stem = spec.stem.model_copy(update={"bias": True, "pool": pool})
    spec = spec.model_copy(update={"input": pixels, "stages": stages, "stem": stem})
    shortcut = Shortcut(kind="max_pool", bias=True)
    return with_block(
        spec, stride_at="spatial", strided_block="last", shortcut=shortcut, bias=("conv3",)
    )
