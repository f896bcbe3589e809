"""The degradation study on trainings that a stub performs: what it states, and what it resumes."""

from __future__ import annotations

from typing import ClassVar

import pytest

from reszoo import spec
from reszoo.errors import UserError
from reszoo.runs import Run
from reszoo.studies import degradation, degradation_study, gating, training_grid
from reszoo.studies.degradation_study import choose_networks
from reszoo.training.jobs.task import JobOutcome


class StubEngine:
    """Writes runs whose loss rises with depth in plain nets."""

    workers = 1
    performed: ClassVar[list[str]] = []

    def __init__(self, *_):
        self.tasks = []

    def submit(self, key, task):
        self.tasks.append((key, task))

    def wait(self, seconds=None):
        key, task = self.tasks.pop(0)
        self.performed.append(task.run.name)
        network = spec.load(task.architecture)
        deep = sum(stage.depth for stage in network.stages)
        if network.block.connection == "residual" and deep > 40:
            return key, JobOutcome(message="the loss is no longer a finite number")
        worse = deep if network.block.connection == "plain" else 1 / deep
        run = Run.create(
            task.run,
            architecture=network,
            recipe=spec.load_recipe(task.recipe),
            data={"name": "digits", "classes": list("0123456789")},
            command=[],
            seed=task.seed,
            default_name="x",
        )
        for epoch in range(1, task.epochs + 1):
            numbers = {"loss": worse / epoch + 0.001 * task.seed, "accuracy": 0.5}
            line = {"kind": "epoch", "epoch": epoch, **numbers, "val_accuracy": 0.25}
            run.append_metrics(line)
        run.set_state("finished", epochs=task.epochs)
        return key, JobOutcome(0.25)

    def progress(self):
        return {}

    def stop(self):
        self.tasks.clear()


@pytest.fixture(autouse=True)
def stub(monkeypatch):
    StubEngine.performed = []
    monkeypatch.setattr(training_grid, "make_engine", StubEngine)
    monkeypatch.setattr(training_grid, "_test_accuracy", lambda run, images: 0.75)
    return StubEngine


def test_digits_alone_are_six_runs_of_fully_connected_nets(tmp_path, stub):
    result = degradation(epochs=2, out=tmp_path / "d")
    rows = result.table.rows
    assert [(row.connection, row.depth) for row in rows] == [
        (connection, depth) for connection in ("plain", "residual", "highway") for depth in (10, 50)
    ]
    plain, residual, highway = result.findings
    assert "plain: the net of 50 layers trains worse than the net of 10" in plain
    assert "residual: the net of 50 layers trains worse than" in residual
    assert "1 of 1 trainings failed" in residual
    assert "highway: the net of 50 layers trains better than" in highway
    assert rows[0].test_error == 25.0 and rows[0].train_error == 50.0
    assert rows[3].message == "the loss is no longer a finite number"


def test_finished_runs_are_not_trained_again(tmp_path, stub, capsys):
    degradation(epochs=2, out=tmp_path / "d", connections=["plain"], depths=[10, 20])
    assert len(stub.performed) == 2
    names = "plain10_highway_dense10_digits, plain20_highway_dense10_digits"
    assert f"2 trainings of 2 epochs: {names}\n" in capsys.readouterr().err
    degradation(epochs=2, out=tmp_path / "d", connections=["plain"], depths=[10, 20], seeds=2)
    assert len(stub.performed) == 4
    degradation(epochs=2, out=tmp_path / "d", connections=["plain"], depths=[10, 20], seeds=2)
    assert capsys.readouterr().err.count("2 trainings") == 1


def test_runs_of_another_recipe_are_not_mixed_in(tmp_path):
    degradation(["resnet8_digits"], epochs=2, out=tmp_path / "d")
    before = (tmp_path / "d" / "study.json").read_bytes()
    with pytest.raises(UserError, match="trained with other inputs") as error:
        degradation(["resnet8_digits"], epochs=3, out=tmp_path / "d")
    assert error.value.hint.startswith("--epochs 2 goes on with them")
    assert (tmp_path / "d" / "study.json").read_bytes() == before


def test_networks_are_added_but_none_is_left_out(tmp_path, stub):
    degradation(["resnet8_digits"], epochs=2, out=tmp_path / "d")
    both = degradation(["resnet14_digits", "resnet8_digits"], epochs=2, out=tmp_path / "d")
    assert len(stub.performed) == len(both.table) == 2
    with pytest.raises(UserError, match="would be left out") as error:
        degradation(["resnet14_digits"], epochs=2, out=tmp_path / "d")
    assert "resnet8_digits" in error.value.expected
    assert "resnet8_digits" in (tmp_path / "d" / "table.csv").read_text()


def test_gating_keeps_to_its_base(tmp_path):
    gating("resnet14_digits", epochs=1, out=tmp_path / "g")
    with pytest.raises(UserError, match="trained with other inputs") as error:
        gating("resnet8_digits", epochs=1, out=tmp_path / "g")
    assert "base.name resnet14_digits" in error.value.expected


def test_several_seeds_give_a_spread(tmp_path):
    result = degradation(
        ["resnet8_digits", "resnet14_digits"], epochs=1, seeds=3, out=tmp_path / "d"
    )
    (finding,) = result.findings
    assert "training loss 0.168 (0.167 to 0.169)" in finding
    assert [row.seed for row in result.table] == [0, 1, 2, 0, 1, 2]


def test_the_axis_of_losses_ends_where_they_do_unless_they_explode(monkeypatch, tmp_path):
    ends = []

    def record(panels, **_):
        ends.append(panels[0].y_range[1])
        return figure(panels)

    figure = degradation_study.line_panels
    monkeypatch.setattr(degradation_study, "line_panels", record)
    for depths in ([10], [50]):  # The stub's plain nets have losses of 8 and 48.
        out = tmp_path / str(depths[0])
        degradation(epochs=1, out=out, connections=["plain"], depths=depths)
    assert ends == [None, 20.0]


def test_names_and_a_base_exclude_each_other(tmp_path):
    with pytest.raises(UserError, match="named, and cannot be made"):
        degradation(["resnet8_digits"], base="resnet20", out=tmp_path / "d")
    with pytest.raises(UserError, match="needs networks"):
        degradation(data="folder:nowhere", out=tmp_path / "d")
    with pytest.raises(UserError, match="needs data that have a name"):
        degradation(["resnet8_digits"], data=([], []), out=tmp_path / "d")


def test_gating_has_a_row_for_each_shortcut_with_its_published_error(tmp_path):
    result = gating(epochs=1, out=tmp_path / "g")
    published = dict(zip(*(result.table.column(c) for c in ("shortcut", "published")), strict=True))
    assert published["identity"] == 6.61
    assert published["exclusive_gate_b6"] == 8.70
    assert published["half_shortcut"] is None
    assert len(result.table) == 11
    assert result.findings[0] == (
        "With the identity as shortcut the test error is 25.00 %; in He 2016 it is 6.61 %."
    )
    assert "With no shortcut the test error is 25.00 %; in He 2016 it fails." in result.findings
    first = spec.load(tmp_path / "g" / "networks" / "dropout_shortcut-seed0.yaml")
    assert (first.block.shortcut.kind, first.block.shortcut.dropout) == ("zero_pad", 0.5)


def test_gating_compares_the_order_with_the_papers(tmp_path, monkeypatch):
    accuracies = {"identity": 0.9, "shortcut_gate_b6": 0.95, "no_shortcut": 0.1}

    def accuracy(run, images):
        return accuracies.get(run.path.name.partition("-seed")[0], 0.5)

    monkeypatch.setattr(training_grid, "_test_accuracy", accuracy)
    *errors, order, exchanged = gating(epochs=1, out=tmp_path / "g").findings
    assert errors[0].startswith("With a shortcut gate from -6 the test error is 5.00 %")
    assert "90.00 %, no better than guessing" in errors[-1]
    # Of the identity all pairs but one, of the gate nine; and five others with no shortcut.
    assert "Of the 49 pairs" in order and "23 have the same order" in order
    assert exchanged == (
        "Exchanged: with the identity as shortcut the error is smaller in He 2016, but larger "
        "here, than with a shortcut gate from -6."
    )


def test_gating_says_which_trainings_fail(tmp_path, monkeypatch, stub):
    wait = stub.wait

    def fail_once(self, seconds=None):
        key, task = self.tasks[0]
        if task.run.name == "half_both-seed1" or task.run.name.startswith("conv_shortcut"):
            del self.tasks[0]
            return key, JobOutcome(message="it diverged\nat step 3")
        return wait(self)

    monkeypatch.setattr(stub, "wait", fail_once)
    findings = "\n".join(gating(epochs=1, seeds=2, out=tmp_path / "g").findings)
    assert "H halved the test error is 25.00 %, and 1 of 2 trainings fail (it diverged)" in findings
    assert "With a 1x1 convolution as shortcut the training fails (it diverged)" in findings


def test_the_command_for_missing_depths_keeps_base_and_data():
    with pytest.raises(UserError, match="needs networks") as caught:
        choose_networks((), "plain20", None, ("plain",), "tfds:cifar10")
    assert "--base plain20 --depths 20,56 --data tfds:cifar10`" in caught.value.hint
