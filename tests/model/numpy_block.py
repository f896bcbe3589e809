"""One block in NumPy: y = act(C(x) * shortcut(x) + T(x) * H(x))."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reszoo.spec.block_fields import Block
from tests.model import numpy_layers as layers
from tests.model.numpy_layers import ACTIVATIONS, Array, Sides, both, sigmoid

if TYPE_CHECKING:
    from tests.model.numpy_reference import Reference

ONE_LAYER = ("conv", "dense")


class OneBlock:
    """y = act(C(x) * shortcut(x) + T(x) * H(x))."""

    def __init__(
        self, network: Reference, name: str, block: Block, width: int, stride: Sides
    ) -> None:
        self.network, self.name, self.block = network, name, block
        self.width, self.stride = width, stride
        self.out = width * block.expansion if block.transform == "bottleneck" else width
        own = "relu_before_add" if block.transform in ONE_LAYER else "post"
        self.order = block.order or own
        self.pre = self.order in ("full_pre", "relu_only_pre")
        self.batch_norm = block.norm or network.spec.norm
        self.act = ACTIVATIONS[block.activation or network.spec.activation]
        network.block_number += 1
        self.first = network.block_number == 1

    def y(self, x: Array) -> Array:
        activated = x
        if self.order == "full_pre":
            activated = self.norm(x, "preactivation_norm")
        if self.pre:
            activated = self.act(activated)
        h = self.attended(self.h(activated))
        y = h if self.block.connection == "plain" else self.merged(x, activated, h)
        if self.order == "bn_after_add":
            y = self.norm(y, "merge_norm")
        return self.act(y) if self.order in ("post", "bn_after_add") else y

    def merged(self, x: Array, activated: Array, h: Array) -> Array:
        connection, s = self.block.connection, self.shortcut(x, activated)
        p = self.survival()
        if connection in ("residual", "stochastic"):
            return s + p * h
        if connection == "highway":
            t = self.gate("transform_gate", activated)
            # a dropped block of coupled gates carries everything, as if its T were 0
            c = self.gate("carry_gate", activated) if not self.block.gate.coupled else 1.0 - p * t
            return c * s + p * t * h
        if connection == "shortcut_gate":
            return (1.0 - self.gate("carry_gate", activated)) * s + p * h
        if connection == "constant":
            constants = self.block.constants
            return constants.carry * s + p * constants.transform * h
        assert connection == "scaled"
        return s + p * self.network.weight(f"{self.name}_merge_scale", "factor") * h

    def survival(self) -> float:
        """p_i = 1 - i / L (1 - p_L) (Huang 2016)."""
        last = self.block.survival_probability
        if last is None:
            last = 0.5 if self.block.connection == "stochastic" else 1.0
        if self.block.survival_draw == "example":
            return 1.0  # training scaled up what survived instead
        if self.block.survival_decay == "constant":
            return last
        if self.block.survival_decay == "linear_from_one":
            others = max(self.network.blocks - 1, 1)
            return 1.0 - (self.network.block_number - 1) / others * (1.0 - last)
        return 1.0 - self.network.block_number / self.network.blocks * (1.0 - last)

    def gate(self, role: str, a: Array) -> Array:
        name = f"{self.name}_{role}"
        if a.ndim == 2:
            return sigmoid(self.network.dense(a, f"{name}_dense", self.out, True))
        kernel, stride = self.block.gate.kernel, self.stride
        if kernel is None:
            kernel = 1 if self.block.transform == "bottleneck" else self.block.kernel
        if self.block.gate.granularity == "channel":
            a, kernel, stride = a.mean((1, 2), keepdims=True), 1, 1
        return sigmoid(self.network.conv(a, f"{name}_conv", (kernel, self.out), stride, True))

    def h(self, a: Array) -> Array:
        block, groups = self.block, self.block.groups
        if block.transform == "dense":
            return self.dense_h(a)
        inner = int(self.width * block.base_width / 64) * groups
        early, late = (self.stride, 1) if block.stride_at == "first" else (1, self.stride)
        convs = {  # kernel, filters, stride, groups
            "conv": [(block.kernel, self.width, self.stride, groups)],
            "basic": [
                (block.kernel, self.width, self.stride, groups),
                (block.kernel, self.width, 1, groups),
            ],
            "bottleneck": [
                (1, inner, early, 1),
                (block.kernel, inner, late, groups),
                (1, self.out, 1, 1),
            ],
        }[block.transform]
        for number, (kernel, filters, stride, count) in enumerate(convs, start=1):
            bias = self.has_bias(f"conv{number}")
            filtered = stride != 1 and block.antialias != "none"
            a = self.network.conv(
                a,
                f"{self.name}_conv{number}",
                (kernel, filters),
                1 if filtered else stride,
                bias,
                groups=count,
            )
            a = self.between(a, number, len(convs))
            a = self.antialiased(a, stride) if filtered else a
        return a

    def between(self, a: Array, number: int, count: int) -> Array:
        """Norm and activation after convolution `number` of H (He 2016, Figure 4)."""
        if number < count:
            after = number + 1 if self.order == "full_pre" else number
            return self.act(self.norm(a, f"norm{after}"))
        if self.order in ("post", "relu_before_add", "relu_only_pre"):
            a = self.norm(a, f"norm{number}")
        return self.act(a) if self.order == "relu_before_add" else a

    def antialiased(self, a: Array, stride: int) -> Array:
        if self.block.antialias == "blur":
            return layers.blur(a, stride)
        return layers.average_pool(a, stride, stride, self.network.spec.padding)

    def dense_h(self, a: Array) -> Array:
        bias = self.has_bias("dense1")
        return self.between(self.network.dense(a, f"{self.name}_dense1", self.width, bias), 1, 1)

    def has_bias(self, layer: str) -> bool:
        bias = self.block.bias
        if bias is None:
            return self.batch_norm.kind == "none"
        return bias if isinstance(bias, bool) else layer in bias

    def attended(self, h: Array) -> Array:
        attention, name = self.block.attention, f"{self.name}_attention"
        if attention.kind == "none":
            return h
        z = h.mean((1, 2))
        if attention.kind == "eca":
            line = self.network.weight(f"{name}_eca_conv", "kernel")[:, 0, 0]
            half = len(line) // 2
            around = np.pad(z, ((0, 0), (half, half)))
            z = sum(around[:, k : k + z.shape[1]] * line[k] for k in range(len(line)))
        else:
            for layer, act in (("se_reduce", ACTIVATIONS["relu"]), ("se_expand", lambda one: one)):
                z = z @ self.network.weight(f"{name}_{layer}", "kernel")[0, 0]
                z = act(z + self.network.weight(f"{name}_{layer}", "bias") if attention.bias else z)
        return h * sigmoid(z)[:, None, None, :]

    def shortcut(self, x: Array, activated: Array) -> Array:
        choice, stem = self.block.shortcut, self.network.spec.stem
        if self.pre and self.first and (stem.activation or self.network.spec.activation) == "none":
            x = activated
        same = self.stride == 1 and x.shape[-1] == self.out
        if same and choice.kind != "projection_all":
            return x
        if choice.kind == "zero_pad":
            return self.zero_padded(x)
        if choice.kind == "max_pool" and x.shape[-1] == self.out:
            return layers.max_pool(x, 1, self.stride, "valid")
        return self.projected(activated)

    def zero_padded(self, x: Array) -> Array:
        choice = self.block.shortcut
        if choice.subsample == "average":
            x = layers.average_pool(x, self.stride, self.stride, "same")
        else:
            down, right = both(self.stride)
            x = x[:, ::down, ::right]
        missing = self.out - x.shape[3]
        before = missing // 2 if choice.channels == "both" else 0
        return np.pad(x, ((0, 0), (0, 0), (0, 0), (before, missing - before)))

    def projected(self, a: Array) -> Array:
        choice, network = self.block.shortcut, self.network
        bias = choice.bias if choice.bias is not None else self.batch_norm.kind == "none"
        name, stride = f"{self.name}_shortcut", self.stride
        if a.ndim == 2:
            y = network.dense(a, f"{name}_dense", self.out, bias)
        else:
            if choice.kind == "average_projection" and stride != 1:
                a, stride = layers.average_pool(a, stride, stride, network.spec.padding), 1
            y = network.conv(a, f"{name}_conv", (1, self.out), stride, bias)
        normalised = choice.norm and self.order != "full_pre"
        return self.norm(y, "shortcut_norm") if normalised else y

    def norm(self, x: Array, part: str) -> Array:
        return self.network.norm(x, f"{self.name}_{part}", self.batch_norm)
