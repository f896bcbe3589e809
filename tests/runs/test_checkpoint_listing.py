"""Checkpoints in the order of their steps, in the format of either version."""

from reszoo.runs.checkpoint_listing import checkpoint_step, list_checkpoints
from tests.runs.samples import new_run


def test_the_newest_checkpoint_is_that_of_the_latest_step(tmp_path):
    run = new_run(tmp_path / "run")
    assert run.newest_checkpoint() is None
    names = [
        "step-000000005.state",
        "step-000000020.state",
        "step-000000020.safetensors",
        "step-000000100.safetensors",
        "step-1000000000.state",
    ]
    for name in (*names, "best.state", "best.safetensors", "step-9.txt", "step-x.state"):
        (run.checkpoints / name).touch()
    assert [path.name for path in list_checkpoints(run.checkpoints)] == names
    assert run.newest_checkpoint().name == "step-1000000000.state"
    assert [checkpoint_step(run.checkpoints / name) for name in (names[2], "best.state")] == [
        20,
        None,
    ]
