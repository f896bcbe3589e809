"""The export target: a device and its formats, read from export/targets/*.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from reszoo.spec.base import Document, Name, PositiveInt, Tuple, Value

Artifact = Literal["saved_model", "tflite", "onnx"]
Number = Literal["uint8", "int8", "float32"]
Precision = Literal["none", "float16", "dynamic", "int8", "int16x8"]
Folded = Literal["none", "float32", "bfloat16"]
Accelerator = Literal[
    "ethos-u55-32",
    "ethos-u55-64",
    "ethos-u55-128",
    "ethos-u55-256",
    "ethos-u65-256",
    "ethos-u65-512",
    "ethos-u85-128",
    "ethos-u85-256",
    "ethos-u85-512",
    "ethos-u85-1024",
    "ethos-u85-2048",
]
Operator = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]


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
    """Number of real images to compare on, spread evenly over the test split; a smaller split is
    used whole, and the report states the number. `all`: the whole split, up to 10,000 images."""
    max_probability_difference: Annotated[float, Field(gt=0)] = 1e-5
    """Float files: largest difference of a probability."""
    max_log_probability_difference: Annotated[float, Field(gt=0)] = 1e-3
    """Float files: largest difference of the logarithm of a probability above one in a million."""
    min_agreement: Annotated[float, Field(ge=0, le=1)] = 0.95
    """Int8 and bfloat16 files: smallest fraction of images with the same top-1 class."""
    max_accuracy_drop: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Int8 and bfloat16 files: largest drop of accuracy (0.01 is one point), beyond the statistical
    uncertainty of the images: the report states both, and only a significant excess fails."""


class SizeLimits(Value):
    """Limits of a device on the `.tflite`; the export fails if they are exceeded."""

    file_bytes: PositiveInt | None = None
    """Size of the file, including labels, metadata and memory plan."""
    arena_bytes: PositiveInt | None = None
    """Size of the arena in TFLite-Micro: the feature maps, and its own data."""
    macs: PositiveInt | None = None
    """Multiply-adds for one image."""


class Vela(Value):
    """Options of Arm's compiler Vela, which compiles a `.tflite` for an Ethos-U NPU."""

    accelerator: Accelerator
    """NPU and its multiply-adds per cycle, such as `ethos-u55-128`."""
    memory_mode: Literal["Sram_Only", "Shared_Sram", "Dedicated_Sram"]
    """Memories in which weights and feature maps are placed."""
    system_config: str
    """Name of the system configuration in Vela's `Arm/vela.ini`, which describes the memories."""


class Target(Document):
    """An export target: files, dtypes, quantization, limits of the device and of parity."""

    name: Name
    """Name of the target, as used in commands."""
    title: str | None = None
    """One line that describes it."""
    source: str | None = None
    """Origin and references."""
    writes: Annotated[Tuple[Artifact], Field(min_length=1)] = ("saved_model", "tflite")
    """Files of the bundle: `saved_model` (any batch size, uint8 and float input), `tflite`, and
    `onnx` (float32, any batch size; needs `reszoo[onnx]`)."""
    folded: Folded = "none"
    """For servers without accelerators: folds the SavedModel's normalisations into convolutions,
    makes weights constants, and computes in float32 or bfloat16, which is twice as fast on
    processors with bfloat16 products (avx512_bf16, amx_bf16) and slower on others."""
    input: Number = "float32"
    """Input dtype of the .tflite: pixels 0..255 as uint8 or float32, or pixels - 128 as int8."""
    output: Number = "float32"
    """Output dtype of the .tflite: probabilities as float32 or, in int8 files, as uint8 or int8 in
    steps of 1/256."""
    batch: Literal[1] = 1
    """Batch size of the .tflite. Fixed: a dynamic batch needs operators accelerators refuse."""
    quantization: Precision = "none"
    """Arithmetic of the .tflite. `float16`: float16 weights, computed in float32 on CPUs.
    `dynamic`: int8 weights, activations quantized at run time (dynamic range quantization).
    `int8`: integer weights and activations, with ranges from calibration images (full integer).
    `int16x8`: the same with 16-bit activations, more than ten times slower on the CPUs of phones
    and PCs."""
    calibration: Calibration = Calibration()
    """Used by `int8` and `int16x8` only."""
    operators: Annotated[Tuple[Operator], Field(min_length=1)] | None = None
    """Operators that the runtime supports, by their TFLite names such as `CONV_2D`. Defaults to all
    built-in operators."""
    limits: SizeLimits = SizeLimits()
    """Limits of the device."""
    metadata: bool = False
    """Whether the .tflite contains class names and input normalisation, for MediaPipe Tasks."""
    memory_plan: bool = False
    """Whether the .tflite contains an offline memory plan for TFLite-Micro's arena, if the plan
    saves memory."""
    vela: Vela | None = None
    """Options of the NPU compiler, for the command in CARD.md."""
    gate: ParityLimits = ParityLimits()
    """Parity limits of the exported files."""

    @property
    def calibrates(self) -> bool:
        """Whether the ranges of activations come from calibration images."""
        return self.quantization in ("int8", "int16x8")

    @property
    def is_integer_only(self) -> bool:
        """Whether it is for microcontrollers or NPUs, which compute in integers only."""
        ends: set[str] = {self.input, self.output}
        return ends == {"int8"} or self.memory_plan

    @model_validator(mode="after")
    def _check_tflite_fields(self) -> Target:
        if "tflite" in self.writes:
            return self
        if self.quantization != "none":
            raise PydanticCustomError(
                "quantization_without_tflite",
                f"tflite among writes, which quantization: {self.quantization} needs",
                {"fields": ("quantization", "writes"), "hint": self._with_tflite},
            )
        for field in ("operators", "metadata", "memory_plan", "limits", "vela"):
            if getattr(self, field) not in (None, False, SizeLimits()):
                raise PydanticCustomError(
                    "tflite_field",
                    f"tflite among writes, which {field} applies to",
                    {"fields": (field, "writes"), "hint": self._with_tflite},
                )
        return self

    @property
    def _with_tflite(self) -> str:
        return f"write `writes: [{', '.join((*self.writes, 'tflite'))}]`"

    @model_validator(mode="after")
    def _check_vela(self) -> Target:
        if self.vela is not None and not self.calibrates:
            raise PydanticCustomError(
                "vela_of_float",
                "quantization: int8, as an NPU computes in integers alone",
                {
                    "fields": ("vela", "quantization"),
                    "hint": "write `quantization: int8`, or remove `vela`",
                },
            )
        return self

    @model_validator(mode="after")
    def _check_ends(self) -> Target:
        for field in ("input", "output"):
            dtype = getattr(self, field)
            if dtype == "int8" and self.quantization != "int8":
                raise PydanticCustomError(
                    "int8_end",
                    f"quantization: int8, which {field}: int8 needs",
                    {
                        "fields": (field, "quantization"),
                        "hint": f"write `{field}: float32`, or `quantization: int8`",
                    },
                )
            if dtype == "uint8" and self.quantization == "int16x8":
                raise PydanticCustomError(
                    "uint8_end_of_int16x8",
                    f"{field}: float32, the only dtype that int16x8 supports",
                    {
                        "fields": (field, "quantization"),
                        "hint": f"write `{field}: float32`, or `quantization: int8`",
                    },
                )
        if self.output == "uint8" and self.quantization != "int8":
            raise PydanticCustomError(
                "uint8_out_of_float",
                "quantization: int8, which uint8 probabilities need",
                {
                    "fields": ("output", "quantization"),
                    "hint": "write `output: float32`, or `quantization: int8`",
                },
            )
        return self

    @model_validator(mode="after")
    def _check_operators(self) -> Target:
        """Checks that `operators` allows the conversions that other fields need."""
        is_int8 = self.quantization == "int8"
        for operator, field, is_needed, other in (
            ("QUANTIZE", "input", self.calibrates and self.input != "int8", "int8"),
            ("DEQUANTIZE", "output", self.calibrates and self.output == "float32", "int8"),
            ("DEQUANTIZE", "quantization", self.quantization == "float16", "none"),
            ("CAST", "input", not self.calibrates and self.input == "uint8", "float32"),
        ):
            if is_needed and self.operators is not None and operator not in self.operators:
                instead = f", or write `{field}: {other}`" if other != "int8" or is_int8 else ""
                raise PydanticCustomError(
                    "operator_needed",
                    f"{operator} among operators, which {field}: {getattr(self, field)} needs",
                    {
                        "fields": ("operators", field),
                        "hint": f"add {operator} to operators{instead}",
                    },
                )
        return self
