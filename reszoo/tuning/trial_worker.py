"""The child process of a search: checks the data once, or trains one trial as an ordinary run.

A process of its own gives all memory back when it ends, keeps its precision to itself, and when it
crashes takes no search with it. It watches its standard input: when the search is gone, however it
ended, the input closes and the training stops as on Ctrl-C, with its state saved.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reszoo import spec
from reszoo.errors import ReszooError
from reszoo.runs.lock import hold_lock


def main(arguments: Sequence[str]) -> int:
    """`check`: prints what is known of the data as JSON. `train`: trains; returns an exit code."""
    options = _parser().parse_args(arguments)
    if options.task == "check":
        print(json.dumps(_check(options)))  # noqa: T201 - the answer to the search.
        return 0
    try:
        _train(options)
    except ReszooError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - into the trial's log.
        return error.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def _check(options: argparse.Namespace) -> dict[str, Any]:
    """Whether the base can train on the data, and how many classes these have."""
    asked = json.loads(sys.stdin.read())
    try:
        from reszoo.data.open_data import open_data
        from reszoo.training.job import prepare

        opened = open_data(
            options.data,
            skip_bad_images=options.skip_bad_images,
            data_dir=options.data_dir,
        )
        base = spec.from_mapping(asked["base"])
        prepare(base, spec.from_mapping(asked["recipe"], "recipe"), opened, seed=options.seed)
    except ReszooError as error:
        told = ("what", "where", "expected", "found", "hint")
        details = {name: value and str(value) for name in told if (value := getattr(error, name))}
        return {"error": details, "kind": type(error).__name__}
    return {"classes": list(opened.classes)}


def _train(options: argparse.Namespace) -> None:
    _stop_with_the_search()
    run: Path = options.out
    with hold_lock(run.parent):
        from reszoo.training.train import resume, train

        if (run / "run.json").is_file():
            resume(run, epochs=options.until)
            return
        # A kill while the run folder was made leaves one without run.json, which is no run yet.
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
            command=_repeats(options),
        )


def _stop_with_the_search() -> None:
    """Sends this process a Ctrl-C when its standard input closes."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    # Started by a search that ignores Ctrl-C (in the background of a shell), so would be this one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=watch, daemon=True).start()


def _repeats(options: argparse.Namespace) -> list[str]:
    """The command that trains the same network fully and anew."""
    words = ["reszoo", "train", str(options.candidate), "--data", options.data]
    words += ["--recipe", str(options.recipe), "--seed", str(options.seed)]
    return words + (["--skip-bad-images"] if options.skip_bad_images else [])


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
