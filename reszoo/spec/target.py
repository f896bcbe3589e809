"""A target: where an exported network will run, a frozen value read from export/targets/*.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from reszoo.spec.base import Document, PositiveInt, Tuple, Value

Artifact = Literal["saved_model", "tflite"]
Number = Literal["uint8", "float32"]
Folded = Literal["none", "float32", "bfloat16"]


class Calibration(Value):
    """The training images whose activations set the ranges of an int8 network."""

    images: PositiveInt = 100
    """Drawn from the training split only; ten are enough and more than a hundred change nothing.
    A black and a white image are always added, so that pixels 0..255 map to themselves."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Which images are drawn."""


class ParityLimits(Value):
    """What a file may differ from the Keras model before the bundle is refused."""

    images: PositiveInt = 1000
    """Real images to compare on (fewer where the split is smaller); the report says how many."""
    max_probability_difference: Annotated[float, Field(gt=0)] = 1e-5
    """Float files: greatest difference of a probability."""
    max_log_probability_difference: Annotated[float, Field(gt=0)] = 1e-3
    """Float files: greatest difference of the logarithm of a probability above one in a million."""
    min_agreement: Annotated[float, Field(ge=0, le=1)] = 0.95
    """Int8 and bfloat16 files: smallest share of images given the same first class."""
    max_accuracy_drop: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Int8 and bfloat16 files: greatest loss of accuracy (0.01 is one point), beyond what so many
    images leave open: the report states drop and uncertainty, and only a sure excess fails."""


class Target(Document):
    """A place where a network can run: what is written for it, in which numbers, how exactly."""

    name: str
    title: str | None = None
    source: str | None = None
    writes: Annotated[Tuple[Artifact], Field(min_length=1)] = ("saved_model", "tflite")
    """Files of the bundle: `saved_model` (any batch size, uint8 and float in) and `tflite`."""
    folded: Folded = "none"
    """For servers without accelerators, the SavedModel's norms are folded into its convolutions,
    its weights are constants, and it computes in float32 or in bfloat16: twice as fast on
    processors that multiply it (avx512_bf16, amx_bf16), slower on others."""
    input: Number = "float32"
    """Numbers the .tflite takes: pixels 0..255 as uint8 or as float32."""
    output: Number = "float32"
    """Numbers the .tflite gives: probabilities as float32, or in int8 files uint8 (1/256)."""
    batch: Literal[1] = 1
    """Images per call of the .tflite. Fixed: a free batch needs operators accelerators refuse."""
    quantization: Literal["none", "int8"] = "none"
    """`int8`: weights and activations are integers inside, ranges from calibration images."""
    calibration: Calibration = Calibration()
    """Used by `int8` only."""
    gate: ParityLimits = ParityLimits()

    @model_validator(mode="after")
    def _can_be_made(self) -> Target:
        if self.quantization == "int8" and "tflite" not in self.writes:
            raise PydanticCustomError("int8_without_tflite", "int8 needs a .tflite among writes")
        if self.output == "uint8" and self.quantization != "int8":
            raise PydanticCustomError(
                "uint8_out_of_float", "uint8 probabilities need quantization: int8"
            )
        return self
