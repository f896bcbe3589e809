"""A Ray cluster: connecting to it, and checking all its nodes before anything is submitted."""

from __future__ import annotations

import logging
import re
import secrets
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reszoo.errors import MachineError, UserError, first_line
from reszoo.runs.lock import hold_lock
from reszoo.system_info import versions
from reszoo.training.jobs import ray_node
from reszoo.training.jobs.job_resources import JobResources

RUNTIME_ENVIRONMENT = {"env_vars": {"RAY_kill_child_processes_on_worker_exit": "false"}}
"""Lets trainings save their checkpoints when the search is gone: by default a worker that exits
kills its children at once (docs.ray.io, "Lifetimes of a User-Spawn Process")."""

_CONNECT_SECONDS = 10.0
_CHECK_SECONDS = 120.0
"""Seconds that the nodes get to answer; a worker's first imports take some."""
_CHECK_LOCK = ".cluster-check"


def require_ray() -> None:
    """Raises UserError unless Ray is installed."""
    try:
        import ray  # noqa: F401
    except ImportError as error:
        raise UserError(
            "Ray is not installed",
            where="--ray",
            expected="ray>=2.55,<3",
            found=first_line(error),
            hint="pip install 'reszoo[ray]', on every node; on one machine --jobs needs no Ray",
        ) from None


def connect(address: str) -> Any:
    """Connects to a running cluster and returns the module `ray`.

    Raises:
      UserError: Ray is not installed, there is no such cluster, or it has other versions.
    """
    require_ray()
    import ray

    if ray.is_initialized():
        return ray
    try:
        _require_listening(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
    except (OSError, ValueError, RuntimeError) as error:  # a ConnectionError is an OSError
        if versions_found := _ray_versions(str(error)):
            theirs, ours = versions_found
            raise UserError(
                f"the Ray cluster at {address} has other versions of Ray or Python",
                where="--ray",
                expected=f"those of the cluster: {theirs}",
                found=ours,
                hint="install the same versions here, or restart Ray on all nodes with these",
            ) from error
        raise UserError(
            f"there is no Ray cluster at {address}",
            where="--ray",
            expected="the address of a head (HOST:6379), or auto on a node of the cluster",
            found=getattr(error, "strerror", None) or first_line(error),
            hint="start one with `ray start --head`, then `ray start --address HOST:6379` on "
            "every other node; not on 127.0.0.1, which Ray replaces by the outer address",
        ) from error
    return ray


def _require_listening(address: str) -> None:
    """Raises OSError where nobody listens at HOST:PORT: Ray would end this process after a minute.

    Other addresses, such as `auto`, are Ray's to find.
    """
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "://" not in host:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()


def _ray_versions(message: str) -> list[str] | None:
    """Returns the versions of a cluster and of this process, of Ray's error where they differ."""
    pairs = re.findall(r"Ray: (\S+)\s+Python: (\S+)", message)
    found = [f"Ray {ray}, Python {python}" for ray, python in pairs]
    return found if len(found) == 2 else None


def alive_nodes(ray: Any) -> list[Mapping[str, Any]]:
    """Returns the nodes of a connected cluster that are alive, as `ray.nodes()` describes them."""
    return [node for node in ray.nodes() if node["Alive"]]


def wanted(resources: JobResources) -> dict[str, float]:
    """Returns what a task takes from a node, by Ray's names."""
    amounts = {"CPU": float(resources.cpus or 1), "GPU": float(resources.gpus or 0)}
    return amounts | {"memory": (resources.memory_gb or 0) * 1024**3}


def fitting_tasks(nodes: Sequence[Mapping[str, Any]], resources: JobResources) -> int:
    """Returns how many tasks the nodes can perform at a time.

    Args:
      nodes: those of `alive_nodes`.
      resources: what each task takes.

    Raises:
      UserError: no node has what a single task takes.
    """
    amounts = {name: amount for name, amount in wanted(resources).items() if amount}
    fitting = sum(
        min(int(node["Resources"].get(name, 0) // amount) for name, amount in amounts.items())
        for node in nodes
    )
    if not fitting:
        raise UserError(
            "no node of the Ray cluster has what each trial asks for",
            where="--per-trial",
            expected=_amounts_text(amounts),
            found="; ".join(f"{_host(node)}: {_amounts_text(node['Resources'])}" for node in nodes),
            hint="ask for less with --per-trial, or add a node with `ray start --address`",
        )
    return fitting


def check_nodes(ray: Any, nodes: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Checks that every node has these versions and shares the folder.

    Each node proves the latter with a token that it reads and a lock that it cannot take.

    Raises:
      UserError: one has others, or sees another folder; the message names it.
      MachineError: a node does not answer.
    """
    token, folder = secrets.token_hex(16), folder.resolve()
    file = folder / f"{_CHECK_LOCK}.token"
    file.write_text(token, encoding="utf-8")
    try:
        with hold_lock(folder, name=_CHECK_LOCK):
            for node, facts in zip(nodes, _ask(ray, nodes, folder), strict=True):
                _require_same_versions(_host(node), facts["versions"])
                _require_same_folder(_host(node), folder, facts, token)
    finally:
        for name in (file.name, _CHECK_LOCK):
            (folder / name).unlink(missing_ok=True)


def _ask(ray: Any, nodes: Sequence[Mapping[str, Any]], folder: Path) -> list[dict[str, Any]]:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    facts = ray.remote(num_cpus=0, max_retries=0, runtime_env=RUNTIME_ENVIRONMENT)(
        ray_node.node_facts
    )
    answers = [
        facts.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote(folder, _CHECK_LOCK)
        for node in nodes
    ]
    values = []
    for node, answer in zip(nodes, answers, strict=True):
        try:
            values.append(ray.get(answer, timeout=_CHECK_SECONDS))
        except Exception as error:  # Ray raises many kinds: of Python, of pickle, of its own.
            raise _cannot_answer(node, error) from error
    return values


def _cannot_answer(node: Mapping[str, Any], error: Exception) -> UserError | MachineError:
    text = str(error)
    if "ModuleNotFoundError" in text or "AttributeError" in text:
        return UserError(
            f"the node {_host(node)} of the Ray cluster has no reszoo of this version",
            where="--ray",
            expected=f"reszoo {versions(())['reszoo']}",
            found=first_line(Exception(text.strip().splitlines()[-1])),
            hint="install the same reszoo for the Python of every node, then restart Ray there",
        )
    return MachineError(
        f"the node {_host(node)} of the Ray cluster does not answer",
        found=first_line(error),
        hint="look into Ray's log on that node (/tmp/ray/session_latest/logs), or stop it there",
    )


def _require_same_versions(host: str, theirs: Mapping[str, str]) -> None:
    ours = versions(ray_node.PACKAGES)
    other = [name for name in ours if theirs.get(name) != ours[name]]
    if other:
        raise UserError(
            f"the node {host} of the Ray cluster has other versions",
            where="--ray",
            expected=", ".join(f"{name} {ours[name]}" for name in other),
            found=", ".join(f"{name} {theirs.get(name, 'missing')}" for name in other),
            hint="install the same versions on every node: equal trainings need them",
        )


def _require_same_folder(host: str, folder: Path, facts: Mapping[str, Any], token: str) -> None:
    if facts["token"] == token and facts["excluded"]:
        return
    sees = "no such folder" if facts["token"] is None else "another folder of that name"
    raise UserError(
        f"the node {host} of the Ray cluster does not share the folder {folder}",
        where="-o",
        expected="a folder on a file system that all nodes mount at the same path, with locks",
        found=sees if facts["token"] != token else "a file system whose locks end at the node",
        hint="choose a shared folder with -o",
    )


def _host(node: Mapping[str, Any]) -> str:
    return f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"


def _amounts_text(amounts: Mapping[str, float]) -> str:
    units = {"CPU": 1.0, "GPU": 1.0, "memory": 1024.0**3}
    names = {"CPU": "cpus", "GPU": "gpus", "memory": "memory_gb"}
    shown = {names[name]: amounts.get(name, 0) / unit for name, unit in units.items()}
    return ",".join(f"{name}={round(amount, 1):g}" for name, amount in shown.items() if amount)
