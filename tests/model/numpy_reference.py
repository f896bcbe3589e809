"""An independent forward pass of a spec in NumPy, by the papers' equations.

It reads an `Architecture` and weights by name, and uses no plans, rows or Keras, so that it can
disagree with them. Inference only: dropout is the identity.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reszoo.spec.architecture import Architecture
from reszoo.spec.block_fields import Block
from reszoo.spec.layer_fields import Norm, Pool
from tests.model import numpy_layers as layers
from tests.model.numpy_block import OneBlock
from tests.model.numpy_layers import ACTIVATIONS, Array, Sides, both

Weights = Mapping[str, Array]
"""By `layer/weight`, e.g. `stage1_block1_conv1/kernel`."""


class Reference:
    """The forward pass of one network. `unused` holds the weights it has not read."""

    def __init__(self, spec: Architecture, weights: Weights) -> None:
        self.spec = spec
        self.weights = {name: np.asarray(value, np.float64) for name, value in weights.items()}
        self.unused = set(weights)
        self.blocks = sum(stage.depth for stage in spec.stages)
        self.block_number = 0

    def forward(self, images: Array) -> dict[str, Array]:
        """Every named feature map, and the logits."""
        maps = {}
        x = maps["stem"] = self.stem(self.normalised(np.asarray(images, np.float64)))
        for index, stage in enumerate(self.spec.stages):
            block = self.spec.stage_block(index)
            for number in range(stage.depth):
                strides = number == (stage.depth - 1 if block.strided_block == "last" else 0)
                here = _plain_layer(block) if stage.first == "plain" and number == 0 else block
                name = f"stage{index + 1}_block{number + 1}"
                x = OneBlock(self, name, here, stage.width, stage.stride if strides else 1).y(x)
            if index == len(self.spec.stages) - 1:
                x = self.after_last_block(x, block)
            maps[f"stage{index + 1}"] = x
            x = self.pool(x, stage.after.pool, f"stage{index + 1}_pool_pool")
        maps["logits"] = self.head(x)
        return maps

    def normalised(self, x: Array) -> Array:
        given, scale = self.spec.input, 1.0
        if given.contrast.kind == "global":
            x = x - x.mean((1, 2, 3), keepdims=True)
            x = x / np.sqrt((x**2).mean((1, 2, 3), keepdims=True) + given.contrast.epsilon)
            scale = given.contrast.scale
        if given.mean == "image":
            # Keras also stores a variance, which must stay 1, and a count.
            assert (self.weight("mean_image", "variance") == 1).all()
            assert self.weight("mean_image", "count") == 0
            mean = self.weight("mean_image", "mean")
        else:
            mean = np.asarray(given.mean)
        return (x - mean) * scale / np.asarray(given.std)

    def stem(self, x: Array) -> Array:
        stem, spec = self.spec.stem, self.spec
        if stem.kind == "none":
            return x
        widths = stem.filters if isinstance(stem.filters, tuple) else (stem.filters,)
        if stem.kind == "dense":
            x = x.reshape(len(x), -1)
        for number, width in enumerate(widths, start=1):
            last = number == len(widths) or stem.kind == "dense"
            norm = stem.norm if stem.norm and last else spec.norm
            suffix = str(number) if len(widths) > 1 else ""
            if stem.kind == "dense":
                bias = stem.bias if stem.bias is not None else norm.kind == "none"
                x = self.dense(x, f"stem_dense{suffix}", width, bias)
            else:
                bias = stem.bias if stem.bias is not None else spec.norm.kind == "none"
                stride = stem.stride if number == 1 else 1
                x = self.conv(
                    x, f"stem_conv{suffix}", (stem.kernel, width), stride, bias, stem.padding
                )
            x = self.norm(x, f"stem_norm{suffix}", norm)
            x = ACTIVATIONS[stem.activation or spec.activation if last else spec.activation](x)
        return self.pool(x, stem.pool, "stem_pool")

    def pool(self, x: Array, pool: Pool, name: str) -> Array:
        padding = pool.padding or self.spec.padding
        border = 0.0 if pool.zero_padded else -np.inf
        if pool.kind == "max":
            return layers.max_pool(x, pool.size, pool.stride, padding, border)
        if pool.kind == "average":
            return layers.average_pool(x, pool.size, pool.stride, padding)
        if pool.kind == "blur":
            return layers.blur(layers.max_pool(x, pool.size, 1, padding, border), pool.stride)
        if pool.kind == "conv":
            shape = (pool.size, pool.filters or x.shape[3])
            bias = self.spec.norm.kind == "none"
            x = self.conv(x, f"{name}_conv", shape, pool.stride, bias, padding)
            return ACTIVATIONS[self.spec.activation](self.norm(x, f"{name}_norm", self.spec.norm))
        return x

    def after_last_block(self, x: Array, block: Block) -> Array:
        """A pre-activation net activates once more (He 2016, appendix)."""
        if block.order == "full_pre":
            x = self.norm(x, "final_norm_norm", block.norm or self.spec.norm)
        if block.order in ("full_pre", "relu_only_pre"):
            x = ACTIVATIONS[block.activation or self.spec.activation](x)
        return x

    def head(self, x: Array) -> Array:
        head, activation = self.spec.head, ACTIVATIONS[self.spec.activation]
        if head.conv:
            x = self.conv(x, "head_conv", (1, head.conv), 1, self.spec.norm.kind == "none")
            x = activation(self.norm(x, "head_norm", self.spec.norm))
        if x.ndim == 4:
            pools = {
                "average": lambda map_: map_.mean((1, 2)),
                "max": lambda map_: map_.max((1, 2)),
            }
            x = pools.get(head.pool, lambda map_: map_.reshape(len(map_), -1))(x)
        for number, units in enumerate(head.hidden, start=1):
            x = activation(self.dense(x, f"head_hidden{number}", units, True))
        return head.logit_scale * self.dense(x, "head_logits", self.spec.classes, head.bias)

    def weight(self, layer: str, name: str) -> Array:
        key = f"{layer}/{name}"
        self.unused.discard(key)
        return self.weights[key]

    def dense(self, x: Array, name: str, units: int, bias: bool) -> Array:
        y = x @ self.weight(name, "kernel")
        assert y.shape == (len(x), units)
        return y + self.weight(name, "bias") if bias else y

    def conv(
        self,
        x: Array,
        name: str,
        shape: tuple[Sides, int],
        stride: Sides,
        bias: bool,
        padding: str | None = None,
        groups: int = 1,
    ) -> Array:
        kernel = self.weight(name, "kernel")
        assert (*kernel.shape[:2], kernel.shape[3]) == (*both(shape[0]), shape[1]), name
        return layers.conv(
            x,
            kernel,
            self.weight(name, "bias") if bias else None,
            stride=stride,
            padding=padding or self.spec.padding,
            groups=groups,
        )

    def norm(self, x: Array, name: str, norm: Norm) -> Array:
        if norm.kind == "none":
            return x
        if norm.kind == "group":
            weights = {one: self.weight(name, one) for one in ("gamma", "beta")}
            return layers.group_norm(x, weights, norm.groups or 32, norm.epsilon)
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        return layers.batch_norm(x, {one: self.weight(name, one) for one in names}, norm.epsilon)


def _plain_layer(block: Block) -> Block:
    """One layer of weights and its activation, with which Srivastava 2015 changes the shape."""
    kind = "dense" if block.transform == "dense" else "conv"
    return block.model_copy(update={"transform": kind, "connection": "plain", "order": None})
