"""A Ray cluster is checked before anything is submitted; here without Ray, by its answers."""

from __future__ import annotations

import socket
import sys
from types import SimpleNamespace

import pytest

from reszoo.errors import MachineError, UserError
from reszoo.runs.lock import hold_lock
from reszoo.system_info import versions
from reszoo.training.jobs import ray_cluster, ray_node
from reszoo.training.jobs.job_resources import JobResources

GIB = 1024.0**3


def _node(number: int = 1, **resources: float) -> dict:
    return {
        "NodeManagerHostname": f"host{number}",
        "NodeManagerAddress": f"10.0.0.{number}",
        "NodeID": str(number),
        "Resources": {"CPU": 4.0, "memory": 8 * GIB, **resources},
    }


def test_ray_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match="Ray is not installed") as caught:
        ray_cluster.require_ray()
    assert "pip install 'reszoo[ray]'" in (caught.value.hint or "")


def test_an_address_at_which_nobody_listens_has_no_cluster(monkeypatch):
    """Ray itself is not asked: it would end this process after a minute."""
    fake = SimpleNamespace(is_initialized=lambda: False)
    monkeypatch.setitem(sys.modules, "ray", fake)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(UserError, match=f"there is no Ray cluster at 127.0.0.1:{port}") as caught:
        ray_cluster.connect(f"127.0.0.1:{port}")
    assert caught.value.found == "Connection refused"


def test_a_cluster_with_another_python_is_no_missing_one(monkeypatch):
    """Ray compares the versions itself when it connects."""
    message = (
        "Version mismatch: The cluster was started with:\n    Ray: 2.60.0\n    Python: 3.12.1\n"
        "This process on node 10.0.0.1 was started with:\n    Ray: 2.59.0\n    Python: 3.11.7\n"
    )

    def init(**options):
        raise RuntimeError(message)

    fake = SimpleNamespace(is_initialized=lambda: False, init=init)
    monkeypatch.setitem(sys.modules, "ray", fake)
    with pytest.raises(UserError, match="has other versions of Ray or Python") as caught:
        ray_cluster.connect("auto")
    assert caught.value.expected == "those of the cluster: Ray 2.60.0, Python 3.12.1"
    assert caught.value.found == "Ray 2.59.0, Python 3.11.7"
    message = "Could not find any running Ray instance."
    with pytest.raises(UserError, match="there is no Ray cluster at auto"):
        ray_cluster.connect("auto")


@pytest.mark.parametrize(
    ("resources", "tasks"),
    [
        (JobResources(), 8),
        (JobResources(cpus=3), 2),
        (JobResources(cpus=1, gpus=1), 2),
        (JobResources(memory_gb=5), 2),
    ],
)
def test_the_tasks_that_fit_are_counted(resources, tasks):
    assert ray_cluster.fitting_tasks([_node(1, GPU=2.0), _node(2)], resources) == tasks


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (JobResources(cpus=5), "cpus=5"),
        (JobResources(gpus=1), "cpus=1,gpus=1"),
        (JobResources(memory_gb=9), "cpus=1,memory_gb=9"),
    ],
)
def test_resources_that_no_node_has_are_refused_with_what_there_is(resources, expected):
    with pytest.raises(UserError, match="no node of the Ray cluster") as caught:
        ray_cluster.fitting_tasks([_node(1), _node(2, CPU=2.0)], resources)
    assert caught.value.expected == expected
    assert caught.value.found == (
        "host1 (10.0.0.1): cpus=4,memory_gb=8; host2 (10.0.0.2): cpus=2,memory_gb=8"
    )


def _check(monkeypatch, tmp_path, answer) -> None:
    monkeypatch.setattr(ray_cluster, "_ask", lambda ray, nodes, folder: [answer(folder)])
    ray_cluster.check_nodes(None, [_node()], tmp_path)


def _here(folder, **changes):
    return {**ray_node.node_facts(folder, ray_cluster._CHECK_LOCK), **changes}


def test_a_node_that_shares_everything_passes_and_nothing_stays_behind(monkeypatch, tmp_path):
    _check(monkeypatch, tmp_path, _here)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["reszoo", "tensorflow", "python"])
def test_a_node_with_another_version_is_named(monkeypatch, tmp_path, name):
    others = {**versions(ray_node.PACKAGES), name: "0.0.1"}
    with pytest.raises(
        UserError, match=r"host1 \(10.0.0.1\) of the Ray cluster has other"
    ) as caught:
        _check(monkeypatch, tmp_path, lambda folder: _here(folder, versions=others))
    assert caught.value.found == f"{name} 0.0.1"


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"token": None}, "no such folder"),
        ({"token": "other"}, "another folder of that name"),
        ({"excluded": False}, "a file system whose locks end at the node"),
    ],
)
def test_a_node_that_does_not_share_the_folder_is_named(monkeypatch, tmp_path, changes, found):
    with pytest.raises(UserError, match="does not share the folder") as caught:
        _check(monkeypatch, tmp_path, lambda folder: _here(folder, **changes))
    assert caught.value.found == found


def test_a_node_reads_the_token_and_cannot_take_a_held_lock(tmp_path):
    (tmp_path / ".x.token").write_text("abc")
    assert not ray_node.node_facts(tmp_path, ".x")["excluded"]
    with hold_lock(tmp_path, name=".x"):
        facts = ray_node.node_facts(tmp_path, ".x")
    assert (facts["token"], facts["excluded"]) == ("abc", True)
    assert ray_node.node_facts(tmp_path / "missing", ".x")["token"] is None


def test_an_answer_that_fails_is_explained():
    missing = ray_cluster._cannot_answer(_node(), Exception("x\nModuleNotFoundError: no reszoo"))
    assert isinstance(missing, UserError)
    assert missing.found == "ModuleNotFoundError: no reszoo"
    assert isinstance(ray_cluster._cannot_answer(_node(), Exception("timeout")), MachineError)
