"""A Ray cluster of two nodes on this machine: real trainings, killed workers, nodes and searches.

`make test-ray` runs these, one after the other: 2 GB, 6 minutes. Ray replaces 127.0.0.1 by the
machine's outer address and could then not reach the head: the nodes have 127.0.0.2 and 127.0.0.3.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reszoo import spec
from reszoo.errors import UserError
from reszoo.runs import Run
from reszoo.runs.checkpoint_listing import newest_checkpoint
from reszoo.training.checkpoint.checkpoint_file import Checkpoint, read_checkpoint
from reszoo.training.jobs import ray_cluster
from reszoo.training.jobs.engines import EngineOptions
from reszoo.training.jobs.job_process import perform
from reszoo.training.jobs.job_resources import JobResources
from reszoo.training.jobs.ray_engine import RayEngine
from reszoo.training.jobs.task import DataArguments, JobOutcome, TrainingTask
from reszoo.tuning.tune import tune
from tests.tuning.searches import BASE, SEARCH, write

pytestmark = pytest.mark.ray

ROOT = Path(__file__).parents[2]
NODE = {"num_cpus": 1, "object_store_memory": 75 * 2**20, "include_dashboard": False}
EPOCHS = 4


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one CPU each."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    cluster = Cluster(initialize_head=True, head_node_args={"node_ip_address": "127.0.0.2", **NODE})
    cluster.add_node(node_ip_address="127.0.0.3", **NODE)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="module")
def task(tmp_path_factory) -> TrainingTask:
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "net.yaml").write_text(BASE)
    (folder / "recipe.yaml").write_text(spec.to_yaml(spec.load_recipe("short8")))
    return TrainingTask(
        folder / "net.yaml",
        folder / "recipe.yaml",
        DataArguments("digits"),
        seed=0,
        epochs=EPOCHS,
        run=folder / "0001",
        log=folder / "0001.txt",
        threads=1,
    )


@pytest.fixture(scope="module")
def undisturbed(task) -> JobOutcome:
    """The outcome of the same training here, in a plain child process."""
    return perform(_in(task, "undisturbed"))


def _in(task: TrainingTask, name: str) -> TrainingTask:
    folder = task.run.parent
    return dataclasses.replace(task, run=folder / name, log=folder / f"{name}.txt")


def _pids(words: str) -> list[int]:
    """The processes of this machine whose command, at full length, holds some words."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True).stdout
    rows = [line.split(None, 1) for line in listed.splitlines()[1:]]
    return [int(pid) for pid, command in rows if words in command and "ps -ww" not in command]


def _wait_until(condition: Callable[[], object], seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.1)


def _train_with(engine: RayEngine, task: TrainingTask, disturb: Callable[[], None]) -> JobOutcome:
    """The outcome of a task that is disturbed once it has trained an epoch."""
    engine.submit(7, task)
    _wait_until(lambda: engine.progress())
    disturb()
    ended = engine.wait()
    assert ended is not None
    key, outcome = ended
    assert key == 7
    return outcome


def _require_same(task: TrainingTask, outcome: JobOutcome, undisturbed: JobOutcome) -> None:
    assert outcome.message is None
    assert outcome.history == undisturbed.history
    other = task.run.with_name("undisturbed")
    assert (task.run / "metrics.jsonl").read_bytes() == (other / "metrics.jsonl").read_bytes()
    ours, theirs = (_last_checkpoint(run) for run in (task.run, other))
    assert ours.arrays.keys() == theirs.arrays.keys()
    assert all((ours.arrays[name] == theirs.arrays[name]).all() for name in ours.arrays)


def _last_checkpoint(run: Path) -> Checkpoint:
    path = newest_checkpoint(run / "checkpoints")
    assert path is not None
    return read_checkpoint(path)


def test_no_cluster_on_this_machine_is_a_clear_error(task):
    """Before the cluster of the other tests exists, which `auto` would find by its processes."""
    if _pids("gcs_server"):
        pytest.skip("there is a Ray cluster")
    program = (
        "import sys; from pathlib import Path; from reszoo.errors import UserError\n"
        "from reszoo.training.jobs.ray_engine import RayEngine\n"
        "try: RayEngine('auto', Path(sys.argv[1]))\n"
        "except UserError as error: print(error.what)"
    )
    environment = {**os.environ, "RAY_TMPDIR": str(task.run.parent / "none")}
    environment.pop("RAY_ADDRESS", None)
    (task.run.parent / "none").mkdir()
    words = [sys.executable, "-c", program, str(task.run.parent)]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=300)
    assert done.stdout.strip() == "there is no Ray cluster at auto", done.stderr


def test_a_killed_worker_is_lost_work_that_goes_on_from_its_checkpoint(cluster, task, undisturbed):
    engine = RayEngine(cluster.address, task.run.parent)
    assert (engine.workers, engine.threads) == (2, 1)
    task = _in(task, "worker")

    def kill() -> None:
        (worker,) = _pids("ray::train_task")
        os.kill(worker, signal.SIGKILL)

    outcome = _train_with(engine, task, kill)
    _require_same(task, outcome, undisturbed)
    assert outcome.attempts == 2
    assert "training stopped" in task.log.read_text()  # the orphan saved its checkpoint


def test_a_killed_raylet_is_lost_work_or_ends_by_itself(cluster, task, undisturbed):
    """The training of a node whose raylet alone died goes on, or stops and is retried elsewhere."""
    engine = RayEngine(cluster.address, task.run.parent)
    task = _in(task, "raylet")
    others = [node for node in cluster.list_all_nodes() if node is not cluster.head_node]
    # A training of the head's keeps its only CPU busy.
    engine.submit(1, _in(task, "first"))
    _wait_until(lambda: 1 in engine.progress())
    engine.submit(2, task)
    _wait_until(lambda: 2 in engine.progress())
    for node in others:
        cluster.remove_node(node, allow_graceful=False)
    ended = dict(filter(None, (engine.wait(), engine.wait())))
    assert sorted(ended) == [1, 2]
    for key, one in ((1, _in(task, "first")), (2, task)):
        _require_same(one, ended[key], undisturbed)
    cluster.add_node(node_ip_address="127.0.0.3", **NODE)


def test_a_search_on_two_nodes_is_the_serial_one_byte_for_byte_even_if_it_was_killed(
    cluster, tmp_path
):
    """The killed search leaves nothing running, and the same command resumes it."""
    # A grid, because the process of its search imports no TensorFlow.
    text = SEARCH.replace("random, trials: 6, max_epochs: 4", "grid, trials: 3, max_epochs: 3")
    file, out = write(tmp_path, text), tmp_path / "ray"
    program = (
        "import sys; from reszoo.tuning.tune import tune; "
        "tune(sys.argv[1], out=sys.argv[2], ray=sys.argv[3], per_trial='cpus=1')"
    )
    words = [sys.executable, "-c", program, str(file), str(out), cluster.address]
    with subprocess.Popen(words) as process:
        _wait_until(lambda: any(out.glob("trials/*/metrics.jsonl")) or process.poll() is not None)
        process.kill()
    _wait_until(lambda: not _pids(f"--out {out}/trials"), 90)
    # Ray would kill the trainings, unless RUNTIME_ENVIRONMENT lets them save their checkpoints.
    assert not [path for path in out.glob("trials/*") if path.is_dir() and _is_running(path)]
    tune(file, out=out, ray=cluster.address, per_trial="cpus=1")
    serial = tune(file, out=tmp_path / "serial", per_trial="cpus=1").path
    for name in ("trials.jsonl", "best.yaml", "search.json"):
        assert (out / name).read_bytes() == (serial / name).read_bytes(), name
    for trial in ("0001", "0002", "0003"):
        metrics = [folder / "trials" / trial / "metrics.jsonl" for folder in (out, serial)]
        assert metrics[0].read_bytes() == metrics[1].read_bytes()


def _is_running(run: Path) -> bool:
    return (run / "run.json").exists() and Run.open(run).state == "running"


def test_the_capacity_of_a_cluster_is_known_without_a_folder(cluster):
    capacity = EngineOptions(ray=cluster.address).capacity()
    assert (capacity.workers, capacity.threads, capacity.on_cluster) == (2, 1, True)


def test_resources_that_nobody_has_are_refused_with_what_there_is(cluster, task):
    with pytest.raises(UserError, match="no node of the Ray cluster") as caught:
        RayEngine(cluster.address, task.run.parent, JobResources(cpus=1, gpus=1))
    assert (caught.value.found or "").count("cpus=1,") == 2


def test_a_cluster_with_other_versions_is_refused(cluster, task, monkeypatch):
    ours = {**ray_cluster.versions(()), "tensorflow": "9.9.9"}
    monkeypatch.setattr(ray_cluster, "versions", lambda packages=(): ours)
    with pytest.raises(UserError, match="has other versions") as caught:
        RayEngine(cluster.address, task.run.parent)
    assert caught.value.expected == "tensorflow 9.9.9"


def test_a_node_that_sees_another_folder_is_named(cluster, task):
    """A third node, in whose mount namespace another folder lies at the same path."""
    folder = task.run.parent / "shared"
    folder.mkdir()
    start = (
        f"mount -t tmpfs tmpfs {folder} && {Path(sys.executable).parent}/ray start "
        f"--address {cluster.address} --node-ip-address 127.0.0.4 --num-cpus 1 "
        f"--object-store-memory {75 * 2**20} --block"
    )
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("mount namespaces are not permitted")
    engine = RayEngine(cluster.address, folder)
    with subprocess.Popen(
        ["unshare", "-m", "sh", "-c", start],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as node:
        try:
            _wait_until(lambda: sum(one["Alive"] for one in engine._ray.nodes()) == 3, 120)
            with pytest.raises(UserError, match=r"127\.0\.0\.4.* does not share") as caught:
                RayEngine(cluster.address, folder)
            assert caught.value.found == "no such folder"  # the token is not there
        finally:
            os.killpg(node.pid, signal.SIGTERM)
    _wait_until(lambda: sum(one["Alive"] for one in engine._ray.nodes()) == 2, 120)
