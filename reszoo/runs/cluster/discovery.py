"""Which processes train together? Read from TF_CONFIG or from Slurm's variables. No TensorFlow."""

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
"""How long workers wait for each other at the start; machines of a fleet do not start at once."""

_EXPECTED = '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}'
_OTHER_TASKS = {
    "ps": "parameter servers are another way to train; every process here is a worker",
    "evaluator": "the workers evaluate after each epoch themselves; leave the evaluator out",
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """The workers of one training, and which of them this process is."""

    addresses: tuple[str, ...]
    """`host:port` of each; the first one is the chief, which writes the run folder."""
    worker: int
    """This process's place among them."""
    source: str
    """Who said so: `TF_CONFIG` or `Slurm`."""

    @property
    def address(self) -> str:
        """This process's own."""
        return self.addresses[self.worker]

    @property
    def workers(self) -> int:
        """How many there are."""
        return len(self.addresses)


def find_cluster(environment: Mapping[str, str], port: int | None = None) -> Cluster | None:
    """The cluster that the environment describes; None where this process trains alone.

    Args:
      environment: the process's variables. TF_CONFIG, where set, goes before Slurm's.
      port: of the first worker on each of Slurm's nodes, the next for the next; chosen from the
        job's number unless given. TF_CONFIG brings its own.

    Raises:
      UserError: the variables contradict themselves; the message says what is wrong.
    """
    text = environment.get("TF_CONFIG", "").strip()
    cluster = _from_tf_config(text) if text else _from_slurm(environment, port)
    return cluster if cluster is not None and cluster.workers > 1 else None


def _from_tf_config(text: str) -> Cluster | None:
    config = _parsed(text)
    cluster = config.get("cluster") or {}
    if not cluster:
        return None
    task = config.get("task") or {}
    _require_workers_only(cluster, task)
    chief, workers = (_addresses(cluster, job) for job in ("chief", "worker"))
    if len(chief) > 1:
        raise _bad("TF_CONFIG names more than one chief", "one", ", ".join(chief))
    addresses = [*chief, *workers]
    if twice := [address for address, count in Counter(addresses).items() if count > 1]:
        raise _bad("TF_CONFIG names an address twice", "one for each worker", ", ".join(twice))
    kind, index = task.get("type"), task.get("index", 0)
    own = {"chief": chief, "worker": workers}.get(str(kind), [])
    if not isinstance(index, int) or not 0 <= index < len(own):
        raise _bad(
            "TF_CONFIG names this worker nowhere in its cluster",
            f"a task of {len(chief)} chief and {len(workers)} worker",
            f"type {kind!r}, index {index!r}",
        )
    return Cluster(tuple(addresses), index + (len(chief) if kind == "worker" else 0), "TF_CONFIG")


def _parsed(text: str) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except ValueError as error:
        raise _bad("TF_CONFIG is not JSON", _EXPECTED, f"{_short(text)} ({error})") from error
    if not isinstance(config, dict) or not all(
        isinstance(config.get(name) or {}, dict) for name in ("cluster", "task")
    ):
        raise _bad("TF_CONFIG does not describe a cluster", _EXPECTED, _short(text))
    return config


def _require_workers_only(cluster: Mapping[str, Any], task: Mapping[str, Any]) -> None:
    named = [*cluster, str(task.get("type"))]
    for kind, reason in _OTHER_TASKS.items():
        if kind in named:
            raise _bad(f"TF_CONFIG has a task '{kind}'", "chief and worker alone", kind, reason)
    if unknown := sorted(set(cluster) - {"chief", "worker"}):
        found = ", ".join(unknown)
        raise _bad("TF_CONFIG has tasks of an unknown kind", "chief and worker", found)


def _addresses(cluster: Mapping[str, Any], job: str) -> list[str]:
    """The addresses of one kind of task, in order."""
    named = cluster.get(job) or []
    if not isinstance(named, list):
        raise _bad(f"TF_CONFIG's '{job}' is not a list of addresses", _EXPECTED, repr(named))
    for address in named:
        host, _, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
        if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
            raise _bad("TF_CONFIG has an address that is none", "host:port", repr(address))
    return named


def _from_slurm(environment: Mapping[str, str], port: int | None) -> Cluster | None:
    """The tasks of a Slurm step, node by node; None outside of `srun` with several tasks."""
    try:
        task, tasks = (int(environment[f"SLURM_{name}"]) for name in ("PROCID", "NTASKS"))
    except (KeyError, ValueError):
        return None
    if tasks <= 1:
        return None
    # The step's own variables, where srun took a part of the job's nodes.
    nodes = _slurm(environment, "SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST", "SLURM_NODELIST")
    hosts = expand_hosts(nodes)
    per_node = _slurm(environment, "SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE", default="")
    counts = _counts(per_node) if per_node else _evenly(tasks, len(hosts))
    if len(counts) != len(hosts) or sum(counts) != tasks or not 0 <= task < tasks:
        raise UserError(
            "Slurm's variables contradict each other",
            expected=f"task {task} of {tasks} on one of {len(hosts)} nodes",
            found=f"nodes {nodes}, tasks per node {per_node or 'not said'}",
            hint="start the training with `srun reszoo train ...`, or set TF_CONFIG",
        )
    base = port if port is not None else 20000 + int(environment.get("SLURM_JOB_ID", 0)) % 10000
    placed = zip(hosts, counts, strict=True)
    addresses = [f"{host}:{base + local}" for host, count in placed for local in range(count)]
    return Cluster(tuple(addresses), task, "Slurm")


def expand_hosts(nodes: str) -> list[str]:
    """The hosts of a Slurm node list: `gpu[01-03,7],login` is gpu01 gpu02 gpu03 gpu7 login.

    Raises:
      UserError: it is not one.
    """
    if not re.fullmatch(r"([^\s,\[\]]+|\[[\d,-]+\])+(,([^\s,\[\]]+|\[[\d,-]+\])+)*", nodes):
        raise UserError("a Slurm node list cannot be read", expected="gpu[01-03,7]", found=nodes)
    words = re.findall(r"(?:[^,\[\]]|\[[^\]]*\])+", nodes)
    return [host for word in words for host in _expanded(word)]


def _expanded(word: str) -> list[str]:
    before, bracket, rest = word.partition("[")
    if not bracket:
        return [word]
    ranges, _, after = rest.partition("]")
    numbers: list[str] = []
    for part in ranges.split(","):
        first, _, last = part.partition("-")
        count = range(int(first), int(last or first) + 1)
        numbers += [str(number).zfill(len(first)) for number in count]
    return [f"{before}{number}{end}" for number in numbers for end in _expanded(after)]


def _counts(per_node: str) -> list[int]:
    """`2(x3),1` is 2, 2, 2, 1."""
    found = re.findall(r"(\d+)(?:\(x(\d+)\))?", per_node)
    return [int(count) for count, times in found for _ in range(int(times or 1))]


def _evenly(tasks: int, hosts: int) -> list[int]:
    """Slurm's blocks: the first nodes have one more where it does not come out even."""
    return [tasks // hosts + (node < tasks % hosts) for node in range(hosts)]


def _slurm(environment: Mapping[str, str], *names: str, default: str | None = None) -> str:
    found = next((environment[name] for name in names if environment.get(name)), default)
    if found is None:
        raise UserError(
            "Slurm says how many tasks there are and not on which nodes",
            expected=" or ".join(names),
            found="none of them",
        )
    return found


def meet(cluster: Cluster, seconds: float = PEER_SECONDS) -> None:
    """Waits until every worker of the cluster has come; all of them call it before TensorFlow's
    server takes the ports.

    TensorFlow alone would wait for an hour, and not say for whom.

    Raises:
      MachineError: this worker's own port is taken, or its address is not of this machine.
      RestartError: somebody did not come in time.
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
        absent = _absent(cluster, time.monotonic() + seconds)
    if absent:
        names = [f"{cluster.addresses[worker]} (worker {worker})" for worker in sorted(absent)]
        raise RestartError(
            f"workers did not answer within {seconds:g} seconds: {', '.join(names)}",
            expected=f"{cluster.workers} workers, as {cluster.source} says",
            found="; ".join(sorted(set(absent.values()))),
            hint="start all of them with the same command (under Slurm with srun), check names and "
            "firewalls, or wait longer with --peer-timeout",
        )


def _absent(cluster: Cluster, deadline: float) -> dict[int, str]:
    """Who has not answered by the deadline, and what went wrong last."""
    absent = {worker: "" for worker in range(cluster.workers) if worker != cluster.worker}
    while absent:
        for worker in list(absent):
            host, _, port = cluster.addresses[worker].rpartition(":")
            left = max(0.1, min(2.0, deadline - time.monotonic()))
            try:
                socket.create_connection((host.strip("[]"), int(port)), timeout=left).close()
                del absent[worker]
            except OSError as error:
                absent[worker] = error.strerror or str(error)
        if time.monotonic() >= deadline:
            break
        if absent:
            time.sleep(0.1)
    return absent


def _bad(what: str, expected: str, found: str, hint: str | None = None) -> UserError:
    return UserError(what, where="TF_CONFIG", expected=expected, found=found, hint=hint)


def _short(text: str, most: int = 80) -> str:
    return text if len(text) <= most else text[:most] + " ..."


def named_workers(cluster: Cluster, tasks: Sequence[int]) -> str:
    """Workers as a person finds them: `worker 1 (node2:20000)`."""
    return ", ".join(f"worker {task} ({cluster.addresses[task]})" for task in tasks)
