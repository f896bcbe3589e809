"""The child process of a job: it checks data, or trains one task as an ordinary run.

A separate process returns all its memory when it ends, keeps its precision to itself, and cannot
crash what started it. It watches its standard input, which closes when its parent is gone, however
it ended: the training then stops as on Ctrl-C and saves a checkpoint.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from reszoo import spec
from reszoo.errors import MachineError, RestartError, ReszooError, UserError, first_line
from reszoo.keras_import import import_lean_keras
from reszoo.parent_watch import stop_without_parent
from reszoo.runs.lock import hold_lock
from reszoo.training.jobs.job_process import MACHINE_FAULT, lock_name

LOCK_SECONDS = 60.0
"""Seconds to wait for another training of the same run, which may be saving its checkpoint."""


def main(arguments: Sequence[str]) -> int:
    """Runs `check`, which prints the data's classes as JSON, or `train`; returns the exit code."""
    _unblock_signals()
    options = _parser().parse_args(arguments)
    if options.task == "check":
        print(json.dumps(_check(options)))  # noqa: T201 - the answer to the parent.
        return 0
    try:
        _train(options)
    except (MachineError, OSError, MemoryError) as error:
        said = error.what if isinstance(error, MachineError) else first_line(error)
        with contextlib.suppress(OSError):  # the log may be on the full disk
            print(f"error: {said}", file=sys.stderr)  # noqa: T201 - into the log.
        return MACHINE_FAULT
    except ReszooError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - into the log.
        return error.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def _unblock_signals() -> None:
    """Lets this process be stopped: Ray's workers block signals, and children inherit that.

    See https://github.com/ray-project/ray/issues/31805.
    """
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    # What a shell starts in the background ignores Ctrl-C, and its children inherit that too.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _check(options: argparse.Namespace) -> dict[str, Any]:
    """Checks that a network can train on the data, and returns their classes or the error."""
    request = json.loads(sys.stdin.read())
    import_lean_keras()
    try:
        from reszoo.data.open_data import open_data
        from reszoo.training.fit_to_data import fit_to_data
        from reszoo.training.job import prepare
        from reszoo.training.teachers import load_teachers

        opened = open_data(
            options.data, skip_bad_images=options.skip_bad_images, data_dir=options.data_dir
        )
        recipe = spec.from_mapping(request["recipe"], "recipe")
        architecture = fit_to_data(spec.from_mapping(request["architecture"]), recipe, opened)
        teachers = load_teachers(options.teacher, "float32")
        prepare(architecture, recipe, opened, seed=options.seed, teachers=teachers)
    except ReszooError as error:
        fields = ("what", "where", "expected", "found", "hint")
        details = {name: str(value) for name in fields if (value := getattr(error, name))}
        return {"error": details, "kind": type(error).__name__}
    return {"classes": list(opened.classes)}


def _train(options: argparse.Namespace) -> None:
    stop_without_parent(0, signal.SIGINT)
    run: Path = options.out
    with _only_training_of(run):
        import_lean_keras()
        from reszoo.training.train import resume, train

        if (run / "run.json").is_file():
            resume(run, epochs=options.until, teacher=options.teacher)
            return
        train(
            options.architecture,
            options.data,
            options.recipe,
            stop_after=options.until,
            seed=options.seed,
            out=run,
            skip_bad_images=options.skip_bad_images,
            data_dir=options.data_dir,
            teacher=options.teacher,
            test=options.test,
            command=_equivalent_command(options),
        )


@contextlib.contextmanager
def _only_training_of(run: Path) -> Iterator[None]:
    """Holds a lock beside the run, from before TensorFlow starts to the end of the training.

    A training that lost its parent, or its node of a cluster, still saves its checkpoint: this one
    waits for it, and asks to be started again if that takes longer.
    """
    run.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + LOCK_SECONDS
    with contextlib.ExitStack() as held:
        while True:
            try:
                held.enter_context(hold_lock(run.parent, name=lock_name(run)))
                break
            except UserError as error:
                if time.monotonic() > deadline:
                    raise RestartError(
                        f"another process still trains {run}", found=error.found, hint=error.hint
                    ) from None
            time.sleep(0.2)
        yield


def _equivalent_command(options: argparse.Namespace) -> list[str]:
    """Returns the command that trains the same network from the beginning, for all its epochs."""
    command = ["reszoo", "train", str(options.architecture), "--data", options.data]
    command += ["--recipe", str(options.recipe), "--seed", str(options.seed)]
    command += ["--skip-bad-images"] if options.skip_bad_images else []
    for teacher in options.teacher or ():
        command += ["--teacher", str(teacher)]
    return command


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reszoo.training.jobs.child")
    tasks = parser.add_subparsers(dest="task", required=True)
    check, train = tasks.add_parser("check"), tasks.add_parser("train")
    for task in (check, train):
        task.add_argument("--data", required=True)
        task.add_argument("--data-dir", type=Path)
        task.add_argument("--teacher", action="append")
        task.add_argument("--seed", type=int, required=True)
        task.add_argument("--skip-bad-images", action="store_true")
    train.add_argument("--architecture", type=Path, required=True)
    train.add_argument("--recipe", type=Path, required=True)
    train.add_argument("--until", type=int, required=True)
    train.add_argument("--out", type=Path, required=True)
    train.add_argument("--test", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
