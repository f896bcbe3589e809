"""Checks of the layers that an int8 file shall keep in float, before anything is computed."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from reszoo.errors import UserError, did_you_mean
from reszoo.spec.target import Target

AUTO = ("auto",)
"""In place of names: as few layers as it takes to pass the gate."""


def parse_float_layers(text: str) -> tuple[str, ...]:
    """Returns the names in `stem_conv,head_logits`, or `AUTO`; none for an empty text.

    Raises:
      UserError: a name is empty.
    """
    names = tuple(name.strip() for name in text.split(","))
    if text and not all(names):
        raise UserError(
            f"keep_float cannot be {text!r}",
            expected="auto, or names of layers with commas between them",
            found="a name that is empty",
            hint="write --keep-float auto, or such as --keep-float stem_conv,head_logits",
        )
    return names if text else ()


def require_layers(names: Sequence[str], layers: Collection[str]) -> None:
    """Checks that a network has the layers with these names; `AUTO` passes.

    Raises:
      UserError: it does not.
    """
    if tuple(names) == AUTO:
        return
    for name in names:
        if name not in layers:
            raise UserError(
                f"the network has no layer {name} to keep in float",
                expected="auto, or names of layers as `reszoo show NAME --plan` prints them",
                found=name,
                hint=did_you_mean(name, layers) or "write --keep-float auto",
            )


def require_float_allowed(target: Target) -> None:
    """Raises if a target does not allow float operators in an int8 file.

    Raises:
      UserError: the target is not int8, or its device computes in integers only.
    """
    if target.quantization != "int8":
        raise UserError(
            f"the target {target.name} is not int8, so there is nothing to keep in float",
            expected="a target with quantization: int8",
            found=f"quantization: {target.quantization}",
            hint="leave out --keep-float, or export with --target mobile-int8",
        )
    if target.is_integer_only:
        raise UserError(
            f"the target {target.name} computes in integers only: no layer can stay in float",
            expected="a target that allows float, such as mobile-int8",
            found="int8 input and output",
            hint="leave out --keep-float; if int8 loses accuracy, calibrate on more images (--set "
            "calibration.images=500) or train with `reszoo train --from RUN --quantize int8`",
        )
