"""keras-tuner's side of `tune_microcontroller.py`: its own loop over the space of a search.

    python benchmarks/tune_keras_tuner.py random|hyperband PAGE DATA OUT

keras-tuner draws, refuses networks with more than `limits.parameters` weights when they are built,
and trains the others in its own process, as reszoo trains its candidates. OUT/best.yaml is its best
network within all limits of the page. Stopped, it continues from its own files.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import keras
import keras_tuner

import reszoo
from reszoo import spec
from reszoo.tuning.constraints import bounds
from reszoo.tuning.measured_limits import measured_limits
from reszoo.tuning.resolved_search import ResolvedSearch, resolve_search


def main(kind: str, page: str, data: str, out: str) -> None:
    """Searches until it is done or interrupted."""
    resolved, folder = resolve_search(page), Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    with measured_limits(resolved.search, resolved.target, folder / "measured.jsonl") as measured:
        resolved = dataclasses.replace(resolved, measured=measured)
        tuner = _Tuner(
            _oracle(kind, resolved),
            _network(resolved),
            directory=str(folder),
            project_name="keras",
            max_model_size=int(bounds(resolved.search.limits.parameters)[1]),
        )
        tuner.prepare(resolved, data, folder)
        tuner.search()


def _oracle(kind: str, resolved: ResolvedSearch) -> Any:
    """Returns what chooses candidates in keras-tuner's Hyperband or RandomSearch."""
    options: dict[str, Any] = {
        "objective": keras_tuner.Objective("val_accuracy", "max"),
        "seed": resolved.search.seed,
        # keras-tuner ends a search after three failed trials in a row, such as oversized nets.
        "max_consecutive_failed_trials": 1_000,
    }
    if kind == "random":
        return keras_tuner.oracles.RandomSearchOracle(max_trials=1_000, **options)
    return keras_tuner.oracles.HyperbandOracle(
        max_epochs=resolved.max_epochs,
        factor=resolved.search.strategy.factor,
        # As many as the time allows: oversized nets count as trials.
        hyperband_iterations=1_000,
        **options,
    )


def _network(resolved: ResolvedSearch) -> Any:
    """Returns the function by which keras-tuner builds a network."""

    def build(values: keras_tuner.HyperParameters) -> keras.Model:
        return reszoo.build(resolved.space.spec(_candidate(resolved, values)))

    return build


def _candidate(resolved: ResolvedSearch, values: keras_tuner.HyperParameters) -> tuple[int, ...]:
    """Returns what keras-tuner drew, the widths sorted: it knows no order between values."""
    dimensions = resolved.space.dimensions
    drawn = [values.Choice(each.name, list(range(len(each.choices)))) for each in dimensions]
    places = [place for place, each in enumerate(dimensions) if each.name.endswith(".width")]
    for place, width in zip(places, sorted(drawn[place] for place in places), strict=True):
        drawn[place] = width
    return tuple(drawn)


class _Tuner(keras_tuner.Tuner):  # type: ignore[misc]
    """keras-tuner's loop, which trains with reszoo in place of `fit`."""

    def prepare(self, resolved: ResolvedSearch, data: str, folder: Path) -> None:
        """Takes what trainings need."""
        self.resolved, self.data, self.folder = resolved, data, folder

    def run_trial(self, trial: Any, *_: Any, **__: Any) -> dict[str, float]:
        """Builds a network, which checks its size, and trains it with reszoo."""
        values = trial.hyperparameters
        self._try_build(values)
        candidate = _candidate(self.resolved, values)
        epochs = values.values.get("tuner/epochs") or self.resolved.max_epochs
        # By its values: Hyperband gives a promoted network a new trial.
        run = self.folder / "runs" / "-".join(map(str, candidate))
        if (run / "run.json").exists():
            reszoo.resume(run, epochs=epochs, quiet=True)
        else:
            architecture = self.resolved.space.spec(candidate)
            reszoo.train(
                architecture.model_copy(update={"name": f"trial-{trial.trial_id}"}),
                self.data,
                self.resolved.recipe,
                stop_after=epochs,
                seed=self.resolved.search.seed,
                out=run,
                test=False,
                quiet=True,
            )
        accuracy = _val_accuracy(run)
        self._keep_best(candidate, epochs, accuracy)
        return {"val_accuracy": accuracy}

    def _keep_best(self, candidate: tuple[int, ...], epochs: int, accuracy: float) -> None:
        """Writes best.yaml if a network within all limits is better, or trained longer."""
        file = self.folder / "best.json"
        best = json.loads(file.read_text()) if file.exists() else [0, 0.0]
        if [epochs, accuracy] > best and not self.resolved.violations(candidate):
            architecture = self.resolved.space.spec(candidate)
            text = spec.to_yaml(architecture.model_copy(update={"name": "keras-best"}))
            (self.folder / "best.yaml").write_text(text)
            file.write_text(json.dumps([epochs, accuracy]))

    def _configure_tensorboard_dir(self, *_: Any, **__: Any) -> None:
        """Does nothing: the base class imports tensorboard."""


def _val_accuracy(run: Path) -> float:
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [float(line["val_accuracy"]) for line in lines if "val_accuracy" in line][-1]


if __name__ == "__main__":
    main(*sys.argv[1:])
