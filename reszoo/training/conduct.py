"""What surrounds the steps of a training: what run.json hears of it, and the test at the end."""

from __future__ import annotations

import contextlib
import signal

from reszoo.errors import MachineError, RestartError, ReszooError
from reszoo.inference.evaluate import evaluate
from reszoo.inference.metrics import Evaluation
from reszoo.runs import Run
from reszoo.training.console.signals import TrainingStopped
from reszoo.training.distribution.workers import lost_workers_named
from reszoo.training.out_of_memory import enough_memory
from reszoo.training.run_record import announce, circumstances, results
from reszoo.training.trainer import Trainer


def conduct(session: Trainer, run: Run, *, until: int, test: bool, quiet: bool) -> None:
    """Trains in the run, whatever happens says in run.json how it ended, and tests at the end."""
    placement = session.placement
    try:
        with lost_workers_named(placement.cluster), enough_memory(session.job, placement):
            state = session.attach(run, until=until, quiet=quiet)
            announce(session, state, run.info.get("start"))
            run.set_state("running", **circumstances(session))
            session.train()
            # The others wait: a worker that leaves takes the job down.
            evaluation = session.together.chief_first(
                lambda: _test(session, run) if test else None, lambda: None
            )
        run.set_state("finished", epochs=session.epoch, **results(session, evaluation))
    except BaseException as error:
        told = _at_once(run, error) if isinstance(error, KeyboardInterrupt) else error
        _record_end(run, told, session.epoch)
        raise told from (None if told is error else error)


def _at_once(run: Run, interrupt: KeyboardInterrupt) -> TrainingStopped:
    """What an interrupt means where no step could be finished: the run goes on from a state."""
    state = run.newest_state()
    terminated = getattr(interrupt, "exit_code", 130) != 130
    return TrainingStopped(
        f"{run.path} was stopped at once",
        found=f"the last state is {state}" if state else "no state was saved yet",
        hint=f"`reszoo resume {run.path}` goes on from " + ("there" if state else "the beginning"),
        signal_number=signal.SIGTERM if terminated else signal.SIGINT,
    )


def _record_end(run: Run, error: BaseException, epochs: int) -> None:
    stopped = isinstance(error, RestartError)
    reason = error.what if isinstance(error, ReszooError) else repr(error)
    with contextlib.suppress(MachineError):  # A full disk takes no run.json either.
        run.set_state("interrupted" if stopped else "failed", epochs=epochs, reason=reason)


def _test(session: Trainer, run: Run) -> Evaluation | None:
    """Evaluates the saved network on the data's own test images, where it has some."""
    name = next((one for one in ("test", "validation") if one in session.job.data.splits), None)
    if name is None:
        session.progress.say(f"{session.job.data.name} has no test split; nothing is reported")
        return None
    evaluation = evaluate(run, session.job.data, split=name)
    line = {
        "kind": "evaluation",
        "split": name,
        "epoch": session.epoch,
        "step": session.position.steps,
        "loss": evaluation.loss,
        "accuracy": evaluation.accuracy,
        "top5": evaluation.top5,
        "examples": evaluation.examples,
        "views": evaluation.views.count,
    }
    run.append_metrics(line)
    low, high = evaluation.interval
    averaged = f", {evaluation.views.text}" if evaluation.views.count > 1 else ""
    session.progress.say(
        f"{name} accuracy {evaluation.accuracy:.2%} ({low:.2%} to {high:.2%}) on "
        f"{evaluation.examples:,} images{averaged}; the run is {run.path}"
    )
    return evaluation
