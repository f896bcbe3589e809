"""How does `--supervise` become a training in a child process? Nothing here imports TensorFlow."""

from __future__ import annotations

import contextlib
import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from reszoo.cli.options import positive
from reszoo.errors import UserError
from reszoo.runs import Run
from reszoo.runs.checkpoint_policy import Interval
from reszoo.runs.cluster.discovery import find_cluster
from reszoo.runs.run_dir import claim, default_name, no_shared_folder
from reszoo.runs.supervise import Supervisor

_OWN = "--supervise"


def add_running(parser: ArgumentParser) -> None:
    """--checkpoint-every, --keep-checkpoints, --supervise."""
    parser.add_argument(
        "--checkpoint-every",
        type=_cadence,
        metavar="N|TIME",
        help="save a state every N steps, or every 90s, 10min, 2h (default: 5min); at the end of "
        "an epoch one is saved anyway",
    )
    parser.add_argument(
        "--keep-checkpoints", type=positive, metavar="K", help="keep the last K states (default: 2)"
    )
    parser.add_argument(
        _OWN,
        action="store_true",
        help="train in a child process and go on from the last state whenever it dies",
    )


def supervise_train(options: Namespace, network: str | None) -> int:
    """`reszoo train --supervise`: begins the run, or goes on if this very command began it."""
    words = _words(options)
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
        with contextlib.suppress(OSError):  # It stays where there is something in it.
            run.rmdir()


def supervise_resume(options: Namespace) -> int:
    """`reszoo resume --supervise`."""
    Run.open(options.run_folder)
    return _supervise(Path(options.run_folder), None, options)


def _supervise(run: Path, begin: list[str] | None, options: Namespace) -> int:
    debug = ["--debug"] if options.debug else []
    go_on = ["resume", str(run)] if begin is not None else _words(options)
    return Supervisor(run, [*(begin or go_on), *debug], [*go_on, *debug], say=_say).supervise()


def _require_same(run: Run, words: list[str]) -> None:
    """Refuses to go on with a run that another command began."""
    began = run.info.get("command", [])
    if began[1:] != words:
        raise UserError(
            f"{run.path} exists already, and another command began it",
            expected=" ".join(began),
            found=" ".join(["reszoo", *words]),
            hint=f"choose another name with -o, or `reszoo resume {run.path} --supervise`",
        )


def _words(options: Namespace) -> list[str]:
    return [word for word in options.command_line[1:] if word != _OWN]


def _cadence(word: str) -> str:
    try:
        Interval.parse(word)
    except UserError as error:
        raise ArgumentTypeError(f"expected {error.expected}, found '{word}'") from None
    return word


def _say(text: str) -> None:
    print(f"supervisor: {text}", file=sys.stderr, flush=True)
