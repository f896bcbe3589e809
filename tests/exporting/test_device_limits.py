"""What is proposed in place of a network that is too large for a device."""

from __future__ import annotations

import pytest

from reszoo.errors import UserError
from reszoo.exporting.device_limits import refuse_too_large
from reszoo.planning.network import plan
from reszoo.spec import load, load_target


def refusal(network: str, target: str, *changes: str) -> str:
    with pytest.raises(UserError, match="too large") as refused:
        refuse_too_large(plan(load(network)), load_target(target, changes))
    return str(refused.value.hint)


def test_nothing_is_proposed_that_does_not_fit_itself() -> None:
    # ResNet-8 for the digits takes 8,396 bytes, most of them TFLite-Micro's own.
    macs = "limits.macs=100000000"
    small = ("limits.arena_bytes=4000", "limits.file_bytes=1000")
    hint = refusal("resnet8_digits", "microcontroller", *small, macs)
    assert "larger device: no network of the zoo with this input" in hint
    one_less = ("limits.arena_bytes=8395", "limits.macs=189247")
    assert "resnet8_digits" not in refusal("resnet8_digits", "microcontroller", *one_less)


def test_a_network_that_just_fits_is_proposed() -> None:
    # Measured: 63,488 bytes of 65,536.
    hint = refusal("resnet110", "microcontroller-64k", "limits.macs=45000000")
    assert "train resnet20" in hint or "train preact20" in hint
