"""Studies: the papers' experiments on trained runs and on any spec, with figures and tables.

    >>> from reszoo import studies
    >>> result = studies.gates("runs/highway8_digits-digits-1")  # doctest: +SKIP
    >>> result.table.to_frame()  # doctest: +SKIP

Each study is a function here, a file `<name>_study.py`, and a command `reszoo study <name>`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reszoo.lazy import lazy_exports

if TYPE_CHECKING:
    from reszoo.studies.boosting_study import boosting
    from reszoo.studies.deepen_study import deepen
    from reszoo.studies.degradation_study import degradation
    from reszoo.studies.flow_study import flow
    from reszoo.studies.gates_study import gates
    from reszoo.studies.gating_study import gating
    from reszoo.studies.lesion_study import lesion
    from reszoo.studies.responses_study import responses
    from reszoo.studies.study_folder import StudyResult

__all__ = [
    "StudyResult",
    "boosting",
    "deepen",
    "degradation",
    "flow",
    "gates",
    "gating",
    "lesion",
    "responses",
]

_MODULES = {
    "StudyResult": "reszoo.studies.study_folder",
    "boosting": "reszoo.studies.boosting_study",
    "deepen": "reszoo.studies.deepen_study",
    "degradation": "reszoo.studies.degradation_study",
    "flow": "reszoo.studies.flow_study",
    "gates": "reszoo.studies.gates_study",
    "gating": "reszoo.studies.gating_study",
    "lesion": "reszoo.studies.lesion_study",
    "responses": "reszoo.studies.responses_study",
}

__getattr__ = lazy_exports(__name__, _MODULES)
