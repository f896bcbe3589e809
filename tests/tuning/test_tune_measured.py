"""A search with measured limits: no trial is outside them, and nothing is measured twice."""

from __future__ import annotations

import json

import pytest

from reszoo import spec
from reszoo.errors import MachineError
from reszoo.planning.cost import cost
from reszoo.tuning import measured_limits
from reszoo.tuning.resolved_search import resolve_search
from reszoo.tuning.tune import tune
from tests.tuning.searches import HYPERBAND, Trainings, write

MOST = 14_000
LIMITS = f"limits: {{target: device.yaml, arena_bytes: [6000, {MOST}]}}\n"
TARGET = "name: device\nquantization: int8\nlimits: {file_bytes: 60000}\n"


class Worker:
    """Stands for the helper process: the arena is made up from the parameters."""

    def __init__(self, dies_after: int | None = None) -> None:
        self.networks: list[str] = []
        self._dies_after = dies_after

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        pass

    def ask(self, request):
        if len(self.networks) == self._dies_after:
            raise MachineError("the process died", hint="close other programs")
        architecture = spec.from_mapping(request["file"]["spec"])
        self.networks.append(spec.fingerprint(architecture))
        return {"file_bytes": 1, "arena_bytes": cost(architecture).parameters, "problems": []}


@pytest.fixture
def search_file(tmp_path):
    file = write(tmp_path / "page", HYPERBAND + LIMITS)
    (file.parent / "device.yaml").write_text(TARGET)
    return file


def search(file, out, worker: Worker, monkeypatch, progress=None):
    monkeypatch.setattr(measured_limits, "start_worker", lambda: worker)
    return tune(file, out=out, runner=Trainings(), progress=progress)


def files(out) -> dict[str, bytes]:
    names = ("trials.jsonl", "measured.jsonl", "best.yaml", "search.json")
    return {name: (out / name).read_bytes() for name in names}


def test_every_trial_is_within_the_measured_limits(search_file, tmp_path, monkeypatch):
    worker = Worker()
    result = search(search_file, tmp_path / "search", worker, monkeypatch)
    arenas = [record.cost["arena_bytes"] for record in result.records]
    assert 6_000 <= min(arenas) <= max(arenas) <= MOST
    assert result.rejected["arena_bytes"] == len(worker.networks) - len(result.trials)
    lines = (tmp_path / "search" / "measured.jsonl").read_text().splitlines()
    assert [json.loads(line)["network"] for line in lines] == worker.networks
    assert len(set(worker.networks)) == len(worker.networks), "each is measured once"


def test_each_measurement_is_told_before_it_begins(search_file, tmp_path, monkeypatch):
    worker, told = Worker(), []

    def progress(event):
        if event.kind == "measures":
            told.append((event.number, len(worker.networks)))

    search(search_file, tmp_path / "search", worker, monkeypatch, progress)
    measured = len(worker.networks)
    assert measured > 1
    assert told == [(number + 1, number) for number in range(measured)]


@pytest.mark.parametrize("measured", [0, 1, 4, 9])
def test_a_search_whose_helper_died_goes_on_with_what_was_measured(
    search_file, tmp_path, monkeypatch, measured
):
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "search"
    whole = Worker()
    search(search_file, undisturbed, whole, monkeypatch)
    first, second = Worker(dies_after=measured), Worker()
    with pytest.raises(MachineError):
        search(search_file, out, first, monkeypatch)
    with (out / "measured.jsonl").open("a") as log:
        log.write('{"network": "cut o')
    search(search_file, out, second, monkeypatch)
    assert first.networks + second.networks == whole.networks
    assert files(out) == files(undisturbed)


def test_a_finished_search_measures_nothing_when_it_is_asked_again(
    search_file, tmp_path, monkeypatch
):
    search(search_file, tmp_path / "search", Worker(), monkeypatch)
    again = Worker()
    search(search_file, tmp_path / "search", again, monkeypatch)
    assert again.networks == []


def test_the_folder_holds_the_target_of_the_search(search_file, tmp_path, monkeypatch):
    search(search_file, tmp_path / "search", Worker(), monkeypatch)
    (search_file.parent / "device.yaml").unlink()
    resolved = resolve_search(tmp_path / "search" / "search.yaml")
    assert resolved.target is not None
    assert resolved.target.limits.file_bytes == 60_000
