"""Training in a run folder: fits, tests, and records how the run ended."""

from __future__ import annotations

import contextlib
import signal
from functools import partial

import numpy as np

from reszoo.counted import counted
from reszoo.data import ImageData
from reszoo.errors import MachineError, RestartError, ReszooError
from reszoo.inference.evaluate import evaluate
from reszoo.inference.metrics import Evaluation
from reszoo.inference.record_evaluation import record_evaluation
from reszoo.runs import Run
from reszoo.runs.checkpoint_policy import CheckpointPolicy
from reszoo.runs.run import RunState
from reszoo.training import run_record
from reszoo.training.assembly import Assembly
from reszoo.training.console.signals import TrainingStopped
from reszoo.training.distribution.strategy import DeviceSetup
from reszoo.training.distribution.workers import lost_workers_explained
from reszoo.training.job import TrainingJob
from reszoo.training.out_of_memory import memory_errors_explained
from reszoo.training.trainer import Trainer


def fit_run(
    job: TrainingJob,
    setup: DeviceSetup,
    assembly: Assembly,
    run: Run,
    *,
    until: int,
    policy: CheckpointPolicy,
    test: bool,
    quiet: bool,
) -> None:
    """Trains and tests in the run folder; run.json records how it ended, whatever happens."""
    trainer: Trainer | None = None
    try:
        with lost_workers_explained(setup.cluster), memory_errors_explained(job, setup):
            trainer = Trainer(job, setup, assembly, run, until=until, policy=policy, quiet=quiet)
            run_record.announce(trainer)
            run.set_state("running", **run_record.device_facts(setup))
            trainer.fit()
            # The others wait: a worker that leaves takes the job down.
            evaluation = trainer.workers.chief_first(
                lambda: _test(trainer) if test else None, lambda: None
            )
        facts = run_record.result_facts(trainer, evaluation)
        run.set_state("finished", epochs=trainer.epoch, seconds=run.seconds(), **facts)
    except BaseException as error:
        shown = _interrupted(run, error) if isinstance(error, KeyboardInterrupt) else error
        _record_end(run, shown, trainer.epoch if trainer else run.info.get("epochs", 0))
        raise shown from (None if shown is error else error)


def _test(trainer: Trainer) -> Evaluation | None:
    """Evaluates the saved network on the data's test split, if there is one."""
    data, say = trainer.job.data, trainer.progress.say
    split = next(filter(partial(_is_test_split, data), ("test", "validation")), None)
    if split is None:
        say(f"{data.name} has no test split with labels; no test accuracy is reported")
        return None
    evaluation = evaluate(trainer.run, data, split=split)
    trainer.run.append_metrics(run_record.evaluation_line(trainer, evaluation))
    record_evaluation(trainer.run, evaluation)
    low, high = evaluation.interval
    averaged = f", {evaluation.views.text}" if evaluation.views.count > 1 else ""
    say(
        f"{split} accuracy {100 * evaluation.accuracy:.2f} % "
        f"({100 * low:.2f} to {100 * high:.2f} %) on "
        f"{counted(evaluation.examples, 'image')}{averaged}; the run is {trainer.run.path}"
    )
    return evaluation


def _is_test_split(data: ImageData, name: str) -> bool:
    """Whether a split exists, did not train, and has labels: published test sets may hide them."""
    if name not in data.splits or name == data.only_split:
        return False
    return bool(np.all(np.asarray(data.split(name).labels) >= 0))


def _interrupted(run: Run, interrupt: KeyboardInterrupt) -> TrainingStopped:
    """Returns what an interrupt means where no step could be finished."""
    checkpoint = run.newest_checkpoint()
    terminated = getattr(interrupt, "exit_code", 130) != 130
    return TrainingStopped(
        f"{run.path} was stopped immediately",
        found=f"the last checkpoint is {checkpoint}" if checkpoint else "no checkpoint was saved",
        hint=f"`reszoo resume {run.path}` resumes "
        + ("there" if checkpoint else "from the beginning"),
        signal_number=signal.SIGTERM if terminated else signal.SIGINT,
    )


def _record_end(run: Run, error: BaseException, epochs: int) -> None:
    stopped = isinstance(error, RestartError)
    reason = error.what if isinstance(error, ReszooError) else repr(error)
    with contextlib.suppress(MachineError):  # A full disk takes no run.json either.
        state: RunState = "interrupted" if stopped else "failed"
        run.set_state(state, epochs=epochs, seconds=run.seconds(), reason=reason)
