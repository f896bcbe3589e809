"""Sources of weights: `keras:imagenet`, `timm:TAG` or a file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reszoo.errors import UserError, did_you_mean
from reszoo.regular_files import require_regular_file

SUFFIXES = (".h5", ".keras", ".safetensors")
_PICKLES = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt", ".tar")
_TAG = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, slots=True)
class WeightSource:
    """A parsed source of weights, not yet downloaded."""

    text: str
    """The source as the user wrote it."""
    kind: Literal["keras", "timm", "file"]
    name: str
    """The part after the colon, or the file."""


def parse_weight_source(text: str) -> WeightSource:
    """Parses a source, and refuses a malformed one, a missing file and a pickle."""
    kind, colon, name = text.partition(":")
    if kind == "keras" and colon:
        return _parse_keras(text, name)
    if kind == "timm" and colon:
        return _parse_timm(text, name)
    path = Path(text)
    if path.suffix in _PICKLES:
        raise pickle_refusal(text)
    require_regular_file(path)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no file of this name"
        raise UserError(
            f"there are no weights '{text}'",
            expected="keras:imagenet, timm:TAG such as timm:resnet50.a1_in1k, or a file",
            found=found,
            hint=did_you_mean(text, ["keras:imagenet", "timm:resnet50.a1_in1k"])
            or "name a file that is there, or take keras:imagenet",
        )
    if path.suffix not in SUFFIXES:
        raise UserError(
            f"{text} is not a supported weights file",
            expected="a .h5, .weights.h5, .keras or .safetensors file",
            found=path.name,
            hint="save the weights as .safetensors or .weights.h5; PyTorch's: "
            "safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')",
        )
    return WeightSource(text, "file", text)


def pickle_refusal(text: str) -> UserError:
    """Returns the error for a file that torch.save or pickle wrote."""
    return UserError(
        f"{text} is a pickle and was not opened: loading one runs whatever code is in it",
        expected="a .safetensors, .h5, .weights.h5 or .keras file",
        found="a file of torch.save or pickle",
        hint="take the model.safetensors of the same weights, or write one with "
        "`safetensors.torch.save_file(model.state_dict(), ...)` where you trust the file",
    )


def _parse_keras(text: str, name: str) -> WeightSource:
    if name != "imagenet":
        raise UserError(
            f"keras.applications has no weights '{name}'",
            expected="keras:imagenet",
            found=text,
            hint="write `--weights keras:imagenet`",
        )
    return WeightSource(text, "keras", name)


def _parse_timm(text: str, tag: str) -> WeightSource:
    if not _TAG.fullmatch(tag) or ".." in tag or "--" in tag:
        raise UserError(
            f"'{tag}' is not a tag of timm",
            expected="a model and its weights, such as timm:resnet50.a1_in1k",
            found=text,
            hint="write the tag as timm's page on the hub spells it, such as timm:resnet50.a1_in1k",
        )
    return WeightSource(text, "timm", tag)
