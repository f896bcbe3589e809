"""Searching depth, width and any other field of a spec, within limits, by keras-tuner.

`preview` needs no TensorFlow; `tune` imports keras-tuner, and with it TensorFlow, when called.
"""

from reszoo.tune.outlook import Example, Preview, preview
from reszoo.tune.rows import Job, Outcome, Row
from reszoo.tune.rungs import Rung
from reszoo.tune.session import Event
from reszoo.tune.space import Choice, Dimension
from reszoo.tune.tuning import SearchResult, tune

__all__ = [
    "Choice",
    "Dimension",
    "Event",
    "Example",
    "Job",
    "Outcome",
    "Preview",
    "Row",
    "Rung",
    "SearchResult",
    "preview",
    "tune",
]
