"""Workers from TF_CONFIG and Slurm, and the errors in both."""

import json
import socket
import threading

import pytest

from reszoo.errors import MachineError, RestartError, UserError
from reszoo.runs.cluster.discovery import Cluster, expand_hosts, find_cluster, wait_for_workers


def tf_config(cluster, kind="worker", index=0):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


def test_workers_are_in_the_order_of_tf_config():
    found = find_cluster(tf_config({"worker": ["a:1", "b:2"]}, index=1))
    assert found == Cluster(("a:1", "b:2"), 1, "TF_CONFIG")
    assert (found.address, found.workers) == ("b:2", 2)


def test_a_chief_is_the_first_worker():
    named = {"chief": ["c:1"], "worker": ["a:1", "b:1"]}
    assert find_cluster(tf_config(named, "chief")).worker == 0
    found = find_cluster(tf_config(named, "worker", 1))
    assert (found.addresses, found.worker) == (("c:1", "a:1", "b:1"), 2)


@pytest.mark.parametrize("config", [{}, {"TF_CONFIG": "{}"}, tf_config({"worker": ["a:1"]})])
def test_who_is_alone_has_no_cluster(config):
    assert find_cluster(config) is None


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"TF_CONFIG": "{worker"}, "not JSON"),
        ({"TF_CONFIG": "[1]"}, "does not describe a cluster"),
        ({"TF_CONFIG": '{"cluster": ["a:1"]}'}, "does not describe a cluster"),
        (tf_config({"worker": ["a:1", "a:1"]}), "an address twice"),
        (tf_config({"chief": ["a:1"], "worker": ["a:1"]}), "an address twice"),
        (tf_config({"worker": ["a:1", "b:1"]}, index=2), "is not part of its cluster"),
        (tf_config({"worker": ["a:1", "b:1"]}, "chief"), "is not part of its cluster"),
        (tf_config({"worker": ["a:1", "b:1"]}, None), "is not part of its cluster"),
        (tf_config({"worker": ["a:1", "b"]}), "an invalid address"),
        (tf_config({"worker": "a:1"}), "not a list"),
        (tf_config({"worker": ["a:1"], "ps": ["p:1"]}), "a task 'ps'"),
        (tf_config({"worker": ["a:1", "b:1"]}, "evaluator"), "a task 'evaluator'"),
        (tf_config({"worker": ["a:1"], "master": ["p:1"]}), "unknown kind"),
    ],
)
def test_what_is_wrong_with_tf_config_is_said(config, words):
    with pytest.raises(UserError, match=words) as caught:
        find_cluster(config)
    assert caught.value.where == "TF_CONFIG"


@pytest.mark.parametrize(
    ("nodes", "hosts"),
    [
        ("one", ["one"]),
        ("a,b", ["a", "b"]),
        ("gpu[08-10,3],login", ["gpu08", "gpu09", "gpu10", "gpu3", "login"]),
        ("r[1-2]n[1,3]", ["r1n1", "r1n3", "r2n1", "r2n3"]),
        ("a[1-2].cluster", ["a1.cluster", "a2.cluster"]),
    ],
)
def test_slurm_node_lists_expand(nodes, hosts):
    assert expand_hosts(nodes) == hosts


@pytest.mark.parametrize("nodes", ["gpu[1-2", "gpu]", "a,,b", ""])
def test_broken_node_lists_are_refused(nodes):
    with pytest.raises(UserError, match="node list"):
        expand_hosts(nodes)


def slurm(task, tasks, nodes, **more):
    numbers = {"SLURM_PROCID": str(task), "SLURM_NTASKS": str(tasks), "SLURM_JOB_ID": "123456"}
    return {**numbers, "SLURM_JOB_NODELIST": nodes, **more}


def test_slurm_tasks_stand_node_by_node():
    found = find_cluster(slurm(4, 5, "n[1-3]", SLURM_TASKS_PER_NODE="2(x2),1"))
    ports = (23456, 23457)
    assert found.addresses == (*(f"n{n}:{port}" for n in (1, 2) for port in ports), "n3:23456")
    assert (found.worker, found.source) == (4, "Slurm")
    assert find_cluster(slurm(0, 3, "n[1-2]"), port=7000).addresses == (
        "n1:7000",
        "n1:7001",
        "n2:7000",
    )


def test_tf_config_goes_before_slurm_and_one_task_is_alone():
    both = slurm(0, 2, "n[1-2]") | tf_config({"worker": ["a:1", "b:1"]})
    assert find_cluster(both).source == "TF_CONFIG"
    assert find_cluster(slurm(0, 1, "n1")) is None


def test_slurm_variables_that_contradict_each_other_are_refused():
    with pytest.raises(UserError, match="contradict"):
        find_cluster(slurm(0, 4, "n[1-2]", SLURM_TASKS_PER_NODE="1(x3)"))
    with pytest.raises(UserError, match="but not their nodes"):
        find_cluster({"SLURM_PROCID": "0", "SLURM_NTASKS": "2"})


def free_addresses(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = tuple(f"127.0.0.1:{one.getsockname()[1]}" for one in sockets)
    for one in sockets:
        one.close()
    return addresses


def test_workers_meet_whoever_comes_first():
    addresses = free_addresses(2)
    servers = {}

    def come(worker):
        wait_for_workers(Cluster(addresses, worker, "TF_CONFIG"), 30)
        # TensorFlow's server takes the port at once, and keeps it.
        servers[worker] = socket.create_server(("", int(addresses[worker].rpartition(":")[2])))

    first = threading.Thread(target=come, args=(1,))
    first.start()
    come(0)
    first.join(30)
    assert sorted(servers) == [0, 1]
    for server in servers.values():
        server.close()


def test_who_does_not_come_is_named():
    addresses = free_addresses(2)
    with pytest.raises(RestartError, match=rf"{addresses[1]} \(worker 1\)"):
        wait_for_workers(Cluster(addresses, 0, "TF_CONFIG"), 0.5)


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("", 0)) as holder:
        address = f"127.0.0.1:{holder.getsockname()[1]}"
        with pytest.raises(MachineError, match=f"cannot listen at {address}"):
            wait_for_workers(Cluster((address, "127.0.0.1:1"), 0, "TF_CONFIG"), 0.5)
