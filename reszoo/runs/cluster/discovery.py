"""Discovery of a training's workers, from TF_CONFIG or Slurm's variables, without TensorFlow."""

from __future__ import annotations

import json
import re
import socket
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reszoo.errors import MachineError, RestartError, UserError

PEER_SECONDS = 300.0
"""How long workers wait for each other at the start: the machines of a fleet start one by one."""

# The step's own variables come first: srun may use only some of the job's nodes.
_NODE_LISTS = ("SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST", "SLURM_NODELIST")
_TASKS_PER_NODE = ("SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE")
_EXPECTED = '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}'
_WRITE_IT = "write it as expected, or `unset TF_CONFIG` to train on this machine alone"
_OTHER_TASKS = {
    "ps": "remove ps: parameter servers are not supported, and every process is a worker",
    "evaluator": "remove the evaluator: the workers evaluate after each epoch themselves",
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """The workers of a training, and this process's index among them."""

    addresses: tuple[str, ...]
    """`host:port` of each worker; the first is the chief, which writes the run folder."""
    worker: int
    """Index of this process."""
    source: str
    """Where the addresses come from: `TF_CONFIG` or `Slurm`."""

    @property
    def address(self) -> str:
        """The address of this process."""
        return self.addresses[self.worker]

    @property
    def workers(self) -> int:
        """The number of workers."""
        return len(self.addresses)


def find_cluster(environment: Mapping[str, str], port: int | None = None) -> Cluster | None:
    """Returns the cluster that the environment describes; None where this process trains alone.

    Raises UserError if the variables are malformed or contradict each other.

    Args:
      environment: the process's variables. TF_CONFIG takes precedence over Slurm's.
      port: port of the first worker on each Slurm node; further workers of the node take the next
        ones. Defaults to one derived from the job's number. TF_CONFIG has its own ports.
    """
    text = environment.get("TF_CONFIG", "").strip()
    cluster = _from_tf_config(text) if text else _from_slurm(environment, port)
    return cluster if cluster is not None and cluster.workers > 1 else None


def _from_tf_config(text: str) -> Cluster | None:
    config = _parse_config(text)
    cluster = config.get("cluster") or {}
    if not cluster:
        return None
    task = config.get("task") or {}
    _require_workers_only(cluster, task)
    chief, workers = (_task_addresses(cluster, job) for job in ("chief", "worker"))
    if len(chief) > 1:
        raise _error(
            "TF_CONFIG names more than one chief",
            "one",
            ", ".join(chief),
            "move all but the first to the workers",
        )
    addresses = [*chief, *workers]
    if repeated := [address for address, count in Counter(addresses).items() if count > 1]:
        found = ", ".join(repeated)
        raise _error(
            "TF_CONFIG names an address twice",
            "one for each worker",
            found,
            "give each worker of a machine a port of its own",
        )
    kind, index = task.get("type"), task.get("index", 0)
    own = {"chief": chief, "worker": workers}.get(str(kind), [])
    if not isinstance(index, int) or not 0 <= index < len(own):
        raise _error(
            "TF_CONFIG's task is not part of its cluster",
            f"a task of {len(chief)} chief and {len(workers)} worker",
            f"type {kind!r}, index {index!r}",
            f"set task to {_task_example(bool(chief))}",
        )
    return Cluster(tuple(addresses), index + (len(chief) if kind == "worker" else 0), "TF_CONFIG")


def _task_example(has_chief: bool) -> str:
    return json.dumps({"type": "chief" if has_chief else "worker", "index": 0})


def _parse_config(text: str) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except ValueError as error:
        raise _error(
            "TF_CONFIG is not JSON", _EXPECTED, f"{_truncate(text)} ({error})", _WRITE_IT
        ) from error
    if not isinstance(config, dict) or not all(
        isinstance(config.get(name) or {}, dict) for name in ("cluster", "task")
    ):
        raise _error("TF_CONFIG does not describe a cluster", _EXPECTED, _truncate(text), _WRITE_IT)
    return config


def _require_workers_only(cluster: Mapping[str, Any], task: Mapping[str, Any]) -> None:
    kinds = [*cluster, str(task.get("type"))]
    for kind, reason in _OTHER_TASKS.items():
        if kind in kinds:
            raise _error(f"TF_CONFIG has a task '{kind}'", "only chief and worker", kind, reason)
    if unknown := sorted(set(cluster) - {"chief", "worker"}):
        found = ", ".join(unknown)
        raise _error(
            "TF_CONFIG has tasks of an unknown kind", "chief and worker", found, "remove them"
        )


def _task_addresses(cluster: Mapping[str, Any], job: str) -> list[str]:
    """Returns the addresses of one kind of task, in order."""
    addresses = cluster.get(job) or []
    if not isinstance(addresses, list):
        raise _error(
            f"TF_CONFIG's '{job}' is not a list of addresses", _EXPECTED, repr(addresses), _WRITE_IT
        )
    for address in addresses:
        host, _, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
        if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
            hint = "write it as HOST:PORT, such as node1:2222"
            raise _error("TF_CONFIG has an invalid address", "host:port", repr(address), hint)
    return addresses


def _from_slurm(environment: Mapping[str, str], port: int | None) -> Cluster | None:
    """Returns the tasks of a Slurm step, node by node; None outside `srun` with several tasks."""
    try:
        task, tasks = (int(environment[f"SLURM_{name}"]) for name in ("PROCID", "NTASKS"))
    except (KeyError, ValueError):
        return None
    if tasks <= 1:
        return None
    nodes = _variable(environment, _NODE_LISTS)
    per_node = _variable(environment, _TASKS_PER_NODE)
    if not nodes:
        raise UserError(
            "Slurm gives the number of tasks but not their nodes",
            expected=" or ".join(_NODE_LISTS),
            found="none of them",
            hint="start the training with `srun`, which sets them, or set TF_CONFIG",
        )
    hosts = expand_hosts(nodes)
    if per_node:
        counts = _parse_task_counts(per_node)
    else:  # Slurm's blocks: the first nodes have one task more where they do not divide.
        counts = [tasks // len(hosts) + (node < tasks % len(hosts)) for node in range(len(hosts))]
    if len(counts) != len(hosts) or sum(counts) != tasks or not 0 <= task < tasks:
        raise UserError(
            "Slurm's variables contradict each other",
            expected=f"task {task} of {tasks} on one of {len(hosts)} nodes",
            found=f"nodes {nodes}, tasks per node {per_node or 'not set'}",
            hint="start the training with `srun reszoo train ...`, or set TF_CONFIG",
        )
    base = port if port is not None else 20000 + int(environment.get("SLURM_JOB_ID", 0)) % 10000
    tasks_of = zip(hosts, counts, strict=True)
    addresses = [f"{host}:{base + local}" for host, count in tasks_of for local in range(count)]
    return Cluster(tuple(addresses), task, "Slurm")


def expand_hosts(nodes: str) -> list[str]:
    """Expands a Slurm node list: `gpu[01-03,7],login` is gpu01 gpu02 gpu03 gpu7 login."""
    if not re.fullmatch(r"([^\s,\[\]]+|\[[\d,-]+\])+(,([^\s,\[\]]+|\[[\d,-]+\])+)*", nodes):
        raise UserError(
            "a Slurm node list cannot be read",
            expected="gpu[01-03,7]",
            found=nodes,
            hint="set SLURM_STEP_NODELIST as Slurm writes it, without spaces: node[01-03]",
        )
    words = re.findall(r"(?:[^,\[\]]|\[[^\]]*\])+", nodes)
    return [host for word in words for host in _expand_word(word)]


def _expand_word(word: str) -> list[str]:
    before, bracket, rest = word.partition("[")
    if not bracket:
        return [word]
    ranges, _, after = rest.partition("]")
    numbers: list[str] = []
    for item in ranges.split(","):
        first, _, last = item.partition("-")
        span = range(int(first), int(last or first) + 1)
        numbers += [str(number).zfill(len(first)) for number in span]
    return [f"{before}{number}{end}" for number in numbers for end in _expand_word(after)]


def _parse_task_counts(per_node: str) -> list[int]:
    """Parses Slurm's tasks per node: `2(x3),1` is 2, 2, 2, 1."""
    items = re.findall(r"(\d+)(?:\(x(\d+)\))?", per_node)
    return [int(count) for count, times in items for _ in range(int(times or 1))]


def _variable(environment: Mapping[str, str], names: Sequence[str]) -> str:
    """Returns the first of these variables that is set; empty where none is."""
    return next((environment[name] for name in names if environment.get(name)), "")


def wait_for_workers(cluster: Cluster, seconds: float = PEER_SECONDS) -> None:
    """Waits until every worker of the cluster is reachable.

    All workers call it before TensorFlow's server takes the ports. TensorFlow alone would wait for
    an hour without naming the absent worker.

    Raises:
      MachineError: this worker's own port is taken, or its address is not of this machine.
      RestartError: a worker was not reachable in time.
    """
    port = int(cluster.address.rpartition(":")[2])
    try:
        listener = socket.create_server(("", port), backlog=cluster.workers)
    except OSError as error:
        raise MachineError(
            f"worker {cluster.worker} cannot listen at {cluster.address}",
            found=error.strerror,
            hint="another process holds the port: stop it, or choose other ports",
        ) from error
    with listener:
        absent = _find_absent(cluster, time.monotonic() + seconds)
    if absent:
        names = [f"{cluster.addresses[worker]} (worker {worker})" for worker in sorted(absent)]
        raise RestartError(
            f"workers did not answer within {seconds:g} seconds: {', '.join(names)}",
            expected=f"{cluster.workers} workers, as {cluster.source} says",
            found="; ".join(sorted(set(absent.values()))),
            hint="start all of them with the same command (under Slurm with srun), check names and "
            "firewalls, or wait longer with --peer-timeout",
        )


def _find_absent(cluster: Cluster, deadline: float) -> dict[int, str]:
    """Returns the workers that have not answered by the deadline, with the last error of each."""
    absent = {worker: "" for worker in range(cluster.workers) if worker != cluster.worker}
    while absent:
        for worker in list(absent):
            host, _, port = cluster.addresses[worker].rpartition(":")
            timeout = max(0.1, min(2.0, deadline - time.monotonic()))
            try:
                socket.create_connection((host.strip("[]"), int(port)), timeout=timeout).close()
                del absent[worker]
            except OSError as error:
                absent[worker] = error.strerror or str(error)
        if time.monotonic() >= deadline:
            break
        if absent:
            time.sleep(0.1)
    return absent


def _error(what: str, expected: str, found: str, hint: str) -> UserError:
    return UserError(what, where="TF_CONFIG", expected=expected, found=found, hint=hint)


def _truncate(text: str, most: int = 80) -> str:
    return text if len(text) <= most else text[:most] + " ..."


def describe_workers(cluster: Cluster, tasks: Sequence[int]) -> str:
    """Names workers for a message: `worker 1 (node2:20000)`."""
    return ", ".join(f"worker {task} ({cluster.addresses[task]})" for task in tasks)
