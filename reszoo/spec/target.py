"""The export target: a device and its formats, read from export/targets/*.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from reszoo.spec.base import Document, Name, PositiveInt, Tuple, Value

Artifact = Literal["saved_model", "tflite"]
Number = Literal["uint8", "float32"]
Folded = Literal["none", "float32", "bfloat16"]


class Calibration(Value):
    """The training images whose activations set the ranges of an int8 network."""

    images: PositiveInt = 100
    """Number of images, drawn from the training split only; ten are enough and more than a hundred
    change nothing. A black and a white image are always added, so that pixels 0..255 map to
    themselves."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the draw."""


class ParityLimits(Value):
    """Limits on the difference between a file and the Keras model; beyond them export fails."""

    images: PositiveInt | Literal["all"] = 1000
    """Number of real images to compare on, spread evenly over the test split; at most the split,
    and the report states how many. `all`: the whole split, up to 10,000 images."""
    max_probability_difference: Annotated[float, Field(gt=0)] = 1e-5
    """Float files: largest difference of a probability."""
    max_log_probability_difference: Annotated[float, Field(gt=0)] = 1e-3
    """Float files: largest difference of the logarithm of a probability above one in a million."""
    min_agreement: Annotated[float, Field(ge=0, le=1)] = 0.95
    """Int8 and bfloat16 files: smallest fraction of images with the same top-1 class."""
    max_accuracy_drop: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Int8 and bfloat16 files: largest drop of accuracy (0.01 is one point), beyond the statistical
    uncertainty of the images: the report states both, and only a significant excess fails."""


class Target(Document):
    """An export target: files, dtypes, quantization and parity limits."""

    name: Name
    """Name of the target, as used in commands."""
    title: str | None = None
    """One line that describes it."""
    source: str | None = None
    """Origin and references."""
    writes: Annotated[Tuple[Artifact], Field(min_length=1)] = ("saved_model", "tflite")
    """Files of the bundle: `saved_model` (any batch size, uint8 and float input) and `tflite`."""
    folded: Folded = "none"
    """For servers without accelerators: folds the SavedModel's normalisations into convolutions,
    makes weights constants, and computes in float32 or bfloat16, which is twice as fast on
    processors with bfloat16 products (avx512_bf16, amx_bf16) and slower on others."""
    input: Number = "float32"
    """Input dtype of the .tflite: pixels 0..255 as uint8 or float32."""
    output: Number = "float32"
    """Output dtype of the .tflite: probabilities as float32, or uint8 (1/256) in int8 files."""
    batch: Literal[1] = 1
    """Batch size of the .tflite. Fixed: a dynamic batch needs operators accelerators refuse."""
    quantization: Literal["none", "int8"] = "none"
    """`int8`: integer weights and activations, with ranges from calibration images."""
    calibration: Calibration = Calibration()
    """Used by `int8` only."""
    gate: ParityLimits = ParityLimits()
    """Parity limits of the exported files."""

    @model_validator(mode="after")
    def _check_dtypes(self) -> Target:
        if self.quantization == "int8" and "tflite" not in self.writes:
            raise PydanticCustomError(
                "int8_without_tflite",
                "a .tflite among writes, which int8 needs",
                {"hint": f"write `writes: {[*self.writes, 'tflite']}`".replace("'", "")},
            )
        if self.output == "uint8" and self.quantization != "int8":
            raise PydanticCustomError(
                "uint8_out_of_float",
                "quantization: int8, which uint8 probabilities need",
                {"hint": "write `output: float32`, or `quantization: int8`"},
            )
        return self
