"""Finite outputs: NaN is an error that names where in the network it begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from reszoo.errors import UserError


def finite_outputs(
    network: Callable[[Any], Any], locate: Callable[[np.ndarray], str | None]
) -> Callable[[Any], np.ndarray]:
    """Returns a network that raises a `UserError` where an output is NaN or infinite.

    `network` maps images to outputs `(images, classes)`. `locate` gets the first image
    `(height, width, channels)` with such outputs, and returns where in the network they begin.
    """

    def checked(images: Any) -> np.ndarray:
        outputs = np.asarray(network(images))
        finite = np.isfinite(outputs).all(-1)
        if not finite.all():
            begins = locate(np.asarray(images[int(finite.argmin())]))
            raise UserError(
                "the network's outputs are not numbers",
                where=begins,
                expected="finite weights and outputs",
                found="NaN or infinity" + (", first there" if begins else " in the outputs alone"),
                hint="use another copy of the file, as this one may be damaged; train the network "
                "again with a smaller schedule.peak if its training diverged",
            )
        return outputs

    return checked
