"""timm's config.json beside its weights: normalisation, image size, crop and class names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reszoo.errors import UserError
from reszoo.json_text import parse_json
from reszoo.spec.image_input import Input

_INTERPOLATIONS = ("bilinear", "bicubic")
_MAX_BYTES = 1 << 24


@dataclass(frozen=True, slots=True)
class TimmConfig:
    """The fields of a config.json that a network needs."""

    architecture: str | None
    input_size: tuple[int, int] | None
    """Height and width."""
    mean: tuple[float, ...]
    """For pixels 0..255."""
    std: tuple[float, ...]
    crop: float
    interpolation: str
    classes: tuple[str, ...] | None

    def update_input(self, pixels: Input) -> Input:
        """Returns the input as these weights need it, with its shape unchanged."""
        fields = ("mean", "std", "crop", "interpolation")
        update = {name: getattr(self, name) for name in fields}
        return pixels.model_copy(update={**update, "train_size": None, "test_size": None})


def read_timm_config(path: Path) -> TimmConfig | None:
    """Returns the config, or None if the file is missing or not one of timm's.

    Raises:
      UserError: it is timm's, but has missing or unknown values.
    """
    try:
        if not path.is_file() or path.stat().st_size > _MAX_BYTES:
            return None
        document = parse_json(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict) or "architecture" not in document:
        return None
    fields = {**document, **document.get("pretrained_cfg", {})}
    try:
        return _config(fields)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} is not what timm writes beside its weights",
            expected="mean, std, crop_pct, interpolation and input_size in pretrained_cfg",
            found=f"{type(error).__name__}: {error}",
            hint="download it again from the hub, or remove it to normalise as the spec says",
        ) from error


def _config(fields: Mapping[str, Any]) -> TimmConfig:
    interpolation = fields.get("interpolation", "bilinear")
    if interpolation not in _INTERPOLATIONS:
        raise ValueError(f"interpolation {interpolation!r}")
    if fields.get("crop_mode", "center") != "center":
        raise ValueError(f"crop_mode {fields['crop_mode']!r}")
    crop = float(fields.get("crop_pct", 0.875))
    size = fields.get("input_size")
    mean, std = (tuple(_pixel(value) for value in fields[name]) for name in ("mean", "std"))
    if not 0 < crop <= 1 or not all(value > 0 for value in std) or len(mean) != len(std):
        raise ValueError("crop_pct, mean or std out of range")
    return TimmConfig(
        architecture=fields.get("architecture"),
        input_size=None if size is None else (int(size[1]), int(size[2])),
        mean=mean,
        std=std,
        crop=crop,
        interpolation=interpolation,
        classes=_classes(fields),
    )


def _pixel(value: float) -> float:
    """Scales 0..1 to 0..255, rounded: 0.485 is 123.675 and not 123.67499999999998."""
    return round(float(value) * 255.0, 6)


def _classes(fields: Mapping[str, Any]) -> tuple[str, ...] | None:
    names = fields.get("label_names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    descriptions = fields.get("label_descriptions")
    if not isinstance(descriptions, dict):
        return tuple(names)
    return tuple(str(descriptions.get(name, name)) for name in names)
