"""Option --supervise: a training in a child process that is restarted after a failure.

Nothing here imports TensorFlow.
"""

from __future__ import annotations

import contextlib
import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from reszoo.cli.failures import say
from reszoo.cli.options import default_texts, positive_int
from reszoo.errors import UserError
from reszoo.runs import Run
from reszoo.runs.checkpoint_policy import Interval
from reszoo.runs.cluster.discovery import find_cluster
from reszoo.runs.run_dir import claim, default_name, no_shared_folder
from reszoo.runs.supervise import Supervisor

_FLAG = "--supervise"


def add_checkpointing(parser: ArgumentParser, *, defaults: bool = True) -> None:
    """Adds --checkpoint-every, --keep-checkpoints and --supervise, with or without defaults."""
    default = default_texts(defaults)
    add = parser.add_argument_group("checkpoints (docs/resume.md)").add_argument
    add(
        "--checkpoint-every",
        type=_interval,
        metavar="N|TIME",
        help="save a checkpoint every N steps, or every 90s, 10min or 2h, and at the end of every "
        f"epoch{default('5min')}",
    )
    add(
        "--keep-checkpoints",
        type=positive_int,
        metavar="K",
        help=f"number of checkpoints to keep{default('2')}",
    )
    add(
        _FLAG,
        action="store_true",
        help="train in a child process, and resume from the last checkpoint whenever it dies",
    )


def supervise_train(options: Namespace, network: str | None) -> int:
    """Starts a supervised run, or resumes one that the same command started."""
    words = _command_words(options)
    if options.out is not None:
        run = Path(options.out)
        if (run / "run.json").is_file():
            _require_same(Run.open(run), words)
        return _supervise(run, words, options)
    if find_cluster(os.environ) is not None:
        raise no_shared_folder()
    run, _ = claim(None, default_name(network or Path(str(options.start)).stem, options.data))
    try:
        return _supervise(run, [*words, "-o", str(run)], options)
    finally:
        with contextlib.suppress(OSError):  # it stays if it has contents
            run.rmdir()


def supervise_resume(options: Namespace) -> int:
    """Resumes a run under supervision."""
    Run.open(options.run_folder)
    return _supervise(Path(options.run_folder), None, options)


def _supervise(run: Path, train: list[str] | None, options: Namespace) -> int:
    debug = ["--debug"] if options.debug else []
    resume = ["resume", str(run)] if train is not None else _command_words(options)
    return Supervisor(run, [*(train or resume), *debug], [*resume, *debug], say=_say).supervise()


def _require_same(run: Run, words: list[str]) -> None:
    """Refuses to resume a run that another command started."""
    command = run.info.get("command", [])
    if command[1:] != words:
        raise UserError(
            f"{run.path} already exists, and another command started it",
            expected=" ".join(command),
            found=" ".join(["reszoo", *words]),
            hint=f"choose another name with -o, or `reszoo resume {run.path} --supervise`",
        )


def _command_words(options: Namespace) -> list[str]:
    return [word for word in options.command_line[1:] if word != _FLAG]


def _interval(word: str) -> str:
    try:
        Interval.parse(word)
    except UserError as error:
        raise ArgumentTypeError(f"expected {error.expected}, found '{word}'") from None
    return word


def _say(text: str) -> None:
    say(f"supervisor: {text}")
