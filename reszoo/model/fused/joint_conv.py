"""One convolution for H and its gate, which read the same input.

The layers keep their kernels and names. One only hands its weights on; the other computes both
convolutions with the filters of the two in turns, and `InterleavedMerge` reads the result: a wide
convolution is a little faster than two, and its input has one gradient instead of two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from reszoo.model.fused.conv import ProductConv2D


@keras.saving.register_keras_serializable("reszoo")
class DeferredConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` that returns its kernel and bias, for another layer to convolve."""

    def call(self, inputs: Any) -> list[Any]:
        """Returns kernel and bias in the compute dtype; of the input it takes the shape."""
        return [keras.ops.convert_to_tensor(weight) for weight in (self.kernel, self.bias)]

    def compute_output_spec(self, inputs: Any) -> list[Any]:
        """Returns the shapes of kernel and bias."""
        weights = (self.kernel, self.bias)
        return [keras.KerasTensor(weight.shape, self.compute_dtype) for weight in weights]


@keras.saving.register_keras_serializable("reszoo")
class InterleavedConv2D(ProductConv2D):
    """`keras.layers.Conv2D` that also computes the convolution of a `DeferredConv2D`.

    Args:
      products: whether the weight gradient is that of `ProductConv2D`.
    """

    def __init__(self, *arguments: Any, products: bool = False, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.products = products
        self.input_spec = None  # Keras's is that of a single input.

    def build(self, input_shapes: Sequence[Any]) -> None:
        super().build(input_shapes[0])
        self.input_spec = None

    def call(self, inputs: Sequence[Any]) -> Any:
        """Returns the channels of both for [x, kernel, bias], those of the other layer first.

        Their order is other, own, other, own..: twice as many as `filters`.
        """
        x, kernel, bias = inputs
        outputs = self.convolution_op(x, _interleave(kernel, self.kernel))
        return keras.ops.add(outputs, _interleave(bias, self.bias))

    def compute_output_spec(self, inputs: Sequence[Any]) -> Any:
        """Returns the shape of the convolution, with twice the channels."""
        *shape, channels = self.compute_output_shape(inputs[0].shape)
        return keras.KerasTensor((*shape, 2 * channels), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "products": self.products}

    def _supports_products(self, inputs: Any) -> bool:
        return self.products and super()._supports_products(inputs)


def _interleave(first: Any, second: Any) -> Any:
    """Returns the last axes of two tensors of one shape in turns."""
    first, second = (keras.ops.convert_to_tensor(x) for x in (first, second))
    # As rows, transposed: TensorFlow stacks along the last axis number by number, 5 times slower.
    rows = keras.ops.stack([keras.ops.reshape(x, (-1,)) for x in (first, second)])
    shape = (*first.shape[:-1], 2 * first.shape[-1])
    return keras.ops.reshape(keras.ops.transpose(rows), shape)
