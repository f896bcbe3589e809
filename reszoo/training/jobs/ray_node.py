"""What runs on the nodes of a Ray cluster: a job, and the proof that a node can do one.

TensorFlow is imported by the job's child process alone.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from pathlib import Path
from typing import Any

from reszoo.errors import MachineError, RestartError, ReszooError, UserError
from reszoo.runs.lock import hold_lock
from reszoo.system_info import versions
from reszoo.training.jobs.task import JobOutcome, TrainingTask

PACKAGES = ("tensorflow", "keras", "numpy")
"""Packages of which all nodes need the same version, beside reszoo and Python."""


def train_task(task: TrainingTask) -> JobOutcome | ReszooError:
    """Trains a task in a child process; an error that stops the search is returned."""
    from reszoo.training.jobs.job_process import perform

    # Ray sets the variable where GPUs were asked for; whether it hides the others depends on its
    # version.
    hidden = {} if os.environ.get("CUDA_VISIBLE_DEVICES") else {"CUDA_VISIBLE_DEVICES": "-1"}
    try:
        return perform(task, hidden)
    except (MachineError, RestartError, UserError) as error:
        return error


def node_facts(folder: Path, lock: str) -> dict[str, Any]:
    """Returns a node's host, versions, and what it reads of a token and a held lock in a folder."""
    token, excluded = None, False
    with contextlib.suppress(OSError):
        token = (folder / f"{lock}.token").read_text(encoding="utf-8")
        try:
            with hold_lock(folder, name=lock):
                pass
        except UserError:
            excluded = True
        except ReszooError:
            pass
    return {
        "host": f"{platform.node()} ({os.environ.get('RAY_NODE_IP', '')})".replace(" ()", ""),
        "versions": versions(PACKAGES),
        "executable": sys.executable,
        "token": token,
        "excluded": excluded,
    }
