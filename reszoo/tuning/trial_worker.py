"""The child process of a search: it checks the data, or trains one trial as an ordinary run.

A separate process returns all its memory when it ends, keeps its precision to itself, and cannot
crash the search. It watches its standard input, which closes when the search is gone, however it
ended: the training then stops as on Ctrl-C and saves a checkpoint.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reszoo import spec
from reszoo.errors import MachineError, ReszooError, first_line
from reszoo.runs.lock import hold_lock
from reszoo.runs.parent_watch import stop_without_parent
from reszoo.tuning.trial_process import MACHINE_FAULT


def main(arguments: Sequence[str]) -> int:
    """Runs `check`, which prints the data's classes as JSON, or `train`; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.task == "check":
        print(json.dumps(_check(options)))  # noqa: T201 - the answer to the search.
        return 0
    try:
        _train(options)
    except (MachineError, OSError, MemoryError) as error:
        said = error.what if isinstance(error, MachineError) else first_line(error)
        with contextlib.suppress(OSError):  # the log may be on the full disk
            print(f"error: {said}", file=sys.stderr)  # noqa: T201 - into the trial's log.
        return MACHINE_FAULT
    except ReszooError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - into the trial's log.
        return error.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def _check(options: argparse.Namespace) -> dict[str, Any]:
    """Checks that the base can train on the data, and returns their classes or the error."""
    request = json.loads(sys.stdin.read())
    try:
        from reszoo.data.open_data import open_data
        from reszoo.training.fit_to_data import fit_to_data
        from reszoo.training.job import prepare

        opened = open_data(
            options.data, skip_bad_images=options.skip_bad_images, data_dir=options.data_dir
        )
        recipe = spec.from_mapping(request["recipe"], "recipe")
        base = fit_to_data(spec.from_mapping(request["base"]), recipe, opened)
        prepare(base, recipe, opened, seed=options.seed)
    except ReszooError as error:
        fields = ("what", "where", "expected", "found", "hint")
        details = {name: str(value) for name in fields if (value := getattr(error, name))}
        return {"error": details, "kind": type(error).__name__}
    return {"classes": list(opened.classes)}


def _train(options: argparse.Namespace) -> None:
    # A search in the background of a shell ignores Ctrl-C, and its children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    stop_without_parent(0, signal.SIGINT)
    run: Path = options.out
    with hold_lock(run.parent):
        from reszoo.training.train import resume, train

        if (run / "run.json").is_file():
            resume(run, epochs=options.until)
            return
        # A kill while the run folder was created leaves one without run.json, which is no run yet.
        shutil.rmtree(run, ignore_errors=True)
        train(
            options.candidate,
            options.data,
            options.recipe,
            stop_after=options.until,
            seed=options.seed,
            out=run,
            skip_bad_images=options.skip_bad_images,
            data_dir=options.data_dir,
            test=False,
            command=_equivalent_command(options),
        )


def _equivalent_command(options: argparse.Namespace) -> list[str]:
    """Returns the command that trains the same network from the beginning, for all its epochs."""
    command = ["reszoo", "train", str(options.candidate), "--data", options.data]
    command += ["--recipe", str(options.recipe), "--seed", str(options.seed)]
    return command + (["--skip-bad-images"] if options.skip_bad_images else [])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reszoo.tuning.trial_worker")
    tasks = parser.add_subparsers(dest="task", required=True)
    check, train = tasks.add_parser("check"), tasks.add_parser("train")
    for task in (check, train):
        task.add_argument("--data", required=True)
        task.add_argument("--data-dir", type=Path)
        task.add_argument("--seed", type=int, required=True)
        task.add_argument("--skip-bad-images", action="store_true")
    train.add_argument("--candidate", type=Path, required=True)
    train.add_argument("--recipe", type=Path, required=True)
    train.add_argument("--until", type=int, required=True)
    train.add_argument("--out", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
