"""Run folders: created as a whole, numbered, opened with clear errors."""

import json
import os
import sys
from types import SimpleNamespace

import pytest

from reszoo.errors import MachineError, UserError
from reszoo.planning.cost import cost
from reszoo.runs import Run
from reszoo.runs.run_dir import default_name
from tests.runs.samples import SHORT, TINY, new_run


def test_a_new_run_opens_again_with_equal_values(tmp_path):
    new_run(tmp_path / "run")
    run = Run.open(tmp_path / "run")
    assert run.architecture() == TINY
    assert run.recipe() == SHORT
    assert run.data()["classes"] == ["a", "b", "c"]
    assert (run.seed, run.state, run.name) == (7, "running", "run")
    assert run.info["command"] == ["reszoo", "train", "tiny"]
    assert run.info["versions"]["reszoo"]
    assert run.metrics() == []


def test_run_json_alone_says_what_a_table_of_runs_shows(tmp_path):
    info = new_run(tmp_path / "run").info
    shown = [info[key] for key in ("network", "data", "recipe", "parameters", "macs")]
    network = cost(TINY)
    assert shown == ["tiny", "digits", "short", network.parameters, network.macs]


def test_the_epochs_are_a_data_frame(tmp_path, monkeypatch):
    run = new_run(tmp_path / "run")
    run.append_metrics({"kind": "epoch", "epoch": 1, "loss": 2.0})
    run.append_metrics({"kind": "epoch", "epoch": 2, "loss": 1.0, "val_loss": 1.5})
    run.append_metrics({"kind": "evaluation", "epoch": 2, "accuracy": 0.9})
    monkeypatch.setitem(
        sys.modules, "pandas", SimpleNamespace(DataFrame=lambda data, columns: data)
    )
    assert run.to_frame() == {"epoch": [1, 2], "loss": [2.0, 1.0], "val_loss": [None, 1.5]}
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match="pandas is not installed"):
        run.to_frame()


def test_runs_without_a_path_are_numbered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [new_run().path.as_posix() for _ in range(3)]
    assert names == [f"runs/tiny-digits-{number}" for number in (1, 2, 3)]


def test_a_name_with_a_slash_is_one_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert new_run(default_name="mine/tiny-digits").path.as_posix() == "runs/mine-tiny-digits-1"


def test_a_file_where_runs_go_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").write_text("")
    with pytest.raises(UserError, match="runs already exists"):
        new_run()


def test_a_taken_path_is_refused_and_untouched(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="already exists"):
        new_run(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]


def test_an_empty_folder_may_become_a_run(tmp_path):
    assert new_run(tmp_path).path == tmp_path


def test_a_failure_while_creating_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        new_run(tmp_path / "run", data={"name": object()})
    assert not (tmp_path / "run").exists()


def test_a_path_below_a_file_is_the_machines_fault(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="cannot write"):
        new_run(tmp_path / "file" / "run")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is not a run folder"),
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"format": "something"}', "does not describe a run"),
        ('{"format": "reszoo run", "format_version": 99}', "newer reszoo"),
        ('{"format": "reszoo run"}', "does not know"),
    ],
)
def test_what_is_not_a_run_is_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(UserError, match=message):
        Run.open(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="there is no run folder"):
        Run.open(tmp_path / "nowhere")


def test_a_file_is_told_what_makes_a_run_of_it(tmp_path):
    run = new_run(tmp_path / "run")
    for file, hint in ((run.model_path, "name its folder: "), (tmp_path / "a.keras", "--from ")):
        file.touch()
        with pytest.raises(UserError) as caught:
            Run.open(file)
        assert caught.value.found == "a file"
        assert f"{hint}{run.path if hint.endswith(': ') else file}" in caught.value.hint


def test_a_run_without_its_recipe_is_damaged(tmp_path):
    run = new_run(tmp_path / "run")
    (run.path / "recipe.yaml").unlink()
    with pytest.raises(UserError, match="is damaged"):
        run.recipe()


def test_metrics_grow_by_whole_lines_and_hold_no_clock(tmp_path):
    run = new_run(tmp_path / "run")
    run.append_metrics({"epoch": 1, "loss": 0.5})
    run.append_timing({"epoch": 1, "seconds": 2.5})
    assert (run.path / "metrics.jsonl").read_text() == '{"epoch": 1, "loss": 0.5}\n'
    assert run.timing()[0]["seconds"] == 2.5
    assert "at" in run.timing()[0]


def test_a_line_cut_by_a_power_loss_is_not_read(tmp_path):
    run = new_run(tmp_path / "run")
    run.append_metrics({"epoch": 1})
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 2, "lo')
    assert run.metrics() == [{"epoch": 1}]
    run.truncate_logs(1, 1)
    run.append_metrics({"epoch": 2})
    assert run.metrics() == [{"epoch": 1}, {"epoch": 2}]


def test_what_was_logged_after_a_checkpoint_is_removed(tmp_path):
    run = new_run(tmp_path / "run")
    for epoch in (1, 2, 3):
        run.append_metrics({"epoch": epoch})
        run.append_timing({"epoch": epoch, "seconds": 1.0})
    (run.checkpoints / ".step-000000009.77.partial.state").write_bytes(b"half")
    (run.checkpoints / "step-000000006.state").touch()
    run.truncate_logs(2, 2)
    assert run.metrics() == [{"epoch": 1}, {"epoch": 2}]
    assert [line["epoch"] for line in run.timing()] == [1, 2]
    assert [path.name for path in run.checkpoints.iterdir()] == ["step-000000006.state"]


def test_what_a_killed_creation_left_is_taken_over(tmp_path):
    (folder := tmp_path / "run").mkdir()
    (folder / "recipe.yaml").touch()
    (folder / ".data.77.partial.json").touch()
    (folder / ".lock").touch()
    (folder / ".lock.json").touch()
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "step-000000000.state").touch()
    run = new_run(folder)
    assert run.newest_checkpoint() is None
    (folder / "run.json").unlink()
    (folder / "notes.txt").touch()
    with pytest.raises(UserError, match="already exists"):
        new_run(folder)


def test_a_damaged_line_is_named(tmp_path):
    run = new_run(tmp_path / "run")
    (run.path / "metrics.jsonl").write_text('{"epoch": 1}\nnonsense\n')
    with pytest.raises(UserError, match=r"metrics.jsonl:2"):
        run.metrics()


def test_numbers_that_are_none_are_refused_in_metrics(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        new_run(tmp_path / "run").append_metrics({"loss": float("nan")})


def test_the_state_and_facts_stand_in_run_json(tmp_path):
    run = new_run(tmp_path / "run")
    run.set_state("finished", test_accuracy=0.9)
    info = json.loads((run.path / "run.json").read_text())
    assert (info["state"], info["test_accuracy"]) == ("finished", 0.9)
    assert Run.open(run.path).state == "finished"


@pytest.mark.parametrize(
    ("state", "facts", "text"),
    [
        ("finished", {"test_accuracy": 0.91234, "test_split": "test"}, ", test accuracy 91.23 %"),
        (
            "finished",
            {"test_accuracy": 1, "test_split": "validation"},
            ", validation accuracy 100.00 %",
        ),
        ("finished", {"best": {"val_accuracy": 0.5}}, ", validation accuracy 50.00 %"),
        ("interrupted", {"best": None}, ""),
        ("running", {}, ""),
        ("failed", {"test_accuracy": "none", "best": []}, ""),
    ],
)
def test_a_run_tells_its_name_state_and_accuracy(tmp_path, state, facts, text):
    run = new_run(tmp_path / "resnet20-cifar10-2")
    run.set_state(state, **facts)
    assert repr(run) == f"<Run resnet20-cifar10-2: {state}{text}>"


def test_a_run_whose_folder_is_gone_or_damaged_has_a_repr(tmp_path):
    assert repr(Run(tmp_path / "gone", {})) == "<Run gone: None>"
    (tmp_path / "loop").symlink_to("loop")
    assert repr(Run(tmp_path / "loop", {"state": "failed"})) == "<Run loop: failed>"


def test_a_run_opened_from_inside_has_its_folders_name(tmp_path, monkeypatch):
    monkeypatch.chdir(new_run(tmp_path / "run").path)
    assert repr(Run.open(".")) == "<Run run: running>"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("digits", "net-digits"),
        ("tfds:cifar10", "net-cifar10"),
        ("folder:photos/cats", "net-cats"),
        ("folder:photos/cats/", "net-cats"),
        ("folder:my  photos (new)", "net-my-photos-new"),
        ("folder:Fotos_größer.v2", "net-Fotos_größer.v2"),
        ("folder:..", "net-data"),
    ],
)
def test_a_folder_is_named_after_network_and_data(data, name):
    assert default_name("net", data) == name


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_in_place_of_a_log_is_never_waited_for(tmp_path):
    run = new_run(tmp_path / "run")
    for name in ("metrics.jsonl", "timing.jsonl", "data_files.jsonl"):
        os.mkfifo(run.path / name)
    with pytest.raises(UserError, match="is a named pipe"):
        run.metrics()
    assert run.timing() == run.data_files() == []  # nothing depends on these
