"""On which devices, and with whom, does a training run? In which precision?"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, replace
from typing import Any, TypedDict

import tensorflow as tf

from reszoo.errors import MachineError, UserError, first_line
from reszoo.runs.cluster.devices import (
    Devices,
    StrategyWord,
    choose_precision,
    choose_strategy,
    parse_devices,
)
from reszoo.runs.cluster.discovery import PEER_SECONDS, Cluster, find_cluster, meet
from reszoo.spec.recipe import Precision

TPU_STEPS_PER_EXECUTION = 32
"""A TPU's host cannot keep up step by step; on CPUs and GPUs it makes no difference."""


class DistributionOptions(TypedDict, total=False):
    """Where a training runs: arguments of `train` and `resume`, recorded in run.json."""

    strategy: StrategyWord
    """`auto`: the workers of TF_CONFIG or Slurm, or a TPU, or all GPUs, or the one device."""
    devices: str | None
    """`cpu:4` (logical ones), `gpu:0,1`, `tpu`, `tpu:NAME`; all GPUs, or the CPU, unless given."""
    sync_norm: bool
    """Normalise over the whole batch and not over each replica's part."""
    accumulate: int
    """Parts of a step's batch that are computed one after the other, to save memory."""
    xla: bool | None
    """Whether XLA compiles the step; on GPUs unless given, where it can."""
    port: int | None
    """Of the first worker on each node, under Slurm."""
    peer_timeout: float
    """Seconds to wait for the other workers at the start."""
    data_service: str | None
    """Dispatcher of a tf.data service, `grpc://host:port`, that decodes images that stream."""


@dataclass(frozen=True, slots=True)
class DeviceSetup:
    """Where a model is built and trained: strategy, devices, workers, precision."""

    strategy: tf.distribute.Strategy
    strategy_name: str
    device_kind: str
    """`cpu`, `gpu` or `tpu`: which fast layers the model is built with."""
    devices: tuple[str, ...]
    """Of this worker."""
    precision: str = "float32"
    """The Keras dtype policy."""
    cluster: Cluster | None = None
    sync_norm: bool = False
    accumulate: int = 1
    xla: bool = False
    steps_per_execution: int = 1
    data_service: str | None = None

    @property
    def replicas(self) -> int:
        """Over all workers."""
        return int(self.strategy.num_replicas_in_sync)

    @property
    def workers(self) -> int:
        """Processes that train together."""
        return self.cluster.workers if self.cluster else 1

    @property
    def worker(self) -> int:
        """Which of them this one is."""
        return self.cluster.worker if self.cluster else 0

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run folder."""
        return self.worker == 0

    @property
    def share(self) -> tuple[int, int]:
        """This worker's part of every batch: the k-th of n."""
        return self.worker, self.workers

    @property
    def pads(self) -> bool:
        """Whether evaluation needs full batches: all replicas take the same number of steps."""
        return self.replicas > 1 or self.device_kind == "tpu"

    def in_precision(self, precision: Precision) -> DeviceSetup:
        """The same in a recipe's precision; `auto` is what the device computes in hardware."""
        if precision == "auto":
            return replace(self, precision=_precision(self.device_kind))
        return replace(self, precision=precision)


def place(
    *,
    strategy: StrategyWord = "auto",
    devices: str | None = None,
    sync_norm: bool = False,
    accumulate: int = 1,
    xla: bool | None = None,
    port: int | None = None,
    peer_timeout: float = PEER_SECONDS,
    data_service: str | None = None,
) -> DeviceSetup:
    """Chooses and starts a strategy; the arguments are those of `DistributionOptions`.

    It comes before anything else of TensorFlow: devices cannot be divided, nor workers connected,
    once it has begun to compute.

    Raises:
      UserError: the devices do not exist, or the environment's words about workers are wrong.
      MachineError: the TPU or the own port cannot be used.
      RestartError: other workers did not answer.
    """
    alone = strategy not in ("auto", "multiworker")
    cluster = None if alone else find_cluster(os.environ, port)
    wanted = parse_devices(devices) if devices else None
    if strategy == "tpu" and wanted is None:
        wanted = Devices("tpu")
    kind, count = _available(wanted)
    name = choose_strategy(
        1 if strategy == "one" and wanted is None else count,
        strategy,
        workers=cluster.workers if cluster else 1,
        tpu=kind == "tpu",
    )
    if cluster and kind == "cpu" and count > 1:
        raise UserError(
            "a worker trains on one CPU device", where="--devices", expected="cpu", found=devices
        )
    if name == "one device":
        count = 1
    if cluster:
        meet(cluster, peer_timeout)
    made = _strategy(name, kind, count, cluster, wanted.name if wanted else None)
    several = made.num_replicas_in_sync > 1
    if xla and sync_norm and several:
        raise UserError(
            "XLA cannot compile a step in which replicas share their normalisation",
            expected="--xla off, or no --sync-norm",
            found="both",
        )
    return DeviceSetup(
        strategy=made,
        strategy_name=name,
        device_kind=kind,
        devices=tuple(f"{kind}:{index}" for index in _indices(wanted, count)),
        cluster=cluster,
        sync_norm=sync_norm,
        accumulate=accumulate,
        xla=(kind == "gpu" and not (sync_norm and several)) if xla is None else xla,
        steps_per_execution=TPU_STEPS_PER_EXECUTION if name == "tpu" else 1,
        data_service=data_service,
    )


def _available(wanted: Devices | None) -> tuple[str, int]:
    """Makes what is wanted, and nothing else, visible to TensorFlow: the kind, and how many."""
    gpus = tf.config.list_physical_devices("GPU")
    if wanted is None:
        if tf.config.list_physical_devices("TPU"):
            return "tpu", 1
        return ("gpu", len(gpus)) if gpus else ("cpu", 1)
    if wanted.kind == "cpu":
        count = 1 + max(wanted.indices or (0,))
        _make_logical(count)
        if gpus:
            _show([])
        return "cpu", count
    if wanted.kind == "gpu":
        indices = wanted.indices if wanted.indices is not None else tuple(range(len(gpus)))
        if not indices or max(indices) >= len(gpus):
            raise UserError(
                "a GPU that is asked for does not exist",
                where="--devices",
                expected=_offered(len(gpus)),
                found=", ".join(f"gpu:{index}" for index in indices) or "gpu",
                hint="`reszoo doctor` says what this machine offers; cpu:4 makes four logical CPUs",
            )
        _show([gpus[index] for index in indices])
        return "gpu", len(indices)
    return "tpu", 1


def _offered(gpus: int) -> str:
    if not gpus:
        return "cpu: TensorFlow finds no GPU on this machine"
    return "gpu:0" if gpus == 1 else f"gpu:0 to gpu:{gpus - 1}"


def _indices(wanted: Devices | None, count: int) -> tuple[int, ...]:
    return (wanted.indices if wanted and wanted.indices else tuple(range(count)))[:count]


def _make_logical(count: int) -> None:
    """Divides the CPU, unless it is already."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    there = tf.config.get_logical_device_configuration(cpu) or [None]
    if len(there) >= count:
        return
    logical = [tf.config.LogicalDeviceConfiguration()] * count
    try:
        tf.config.set_logical_device_configuration(cpu, logical)
    except RuntimeError as error:
        raise _too_late(
            f"cpu:{count}", "cpu" if len(there) == 1 else f"cpu:{len(there)}"
        ) from error


def _show(gpus: list[Any]) -> None:
    if tf.config.get_visible_devices("GPU") == gpus:
        return
    try:
        tf.config.set_visible_devices(gpus, "GPU")
    except RuntimeError as error:
        raise _too_late("other GPUs", "those it began with") from error


def _too_late(wanted: str, there: str) -> UserError:
    return UserError(
        "TensorFlow has begun to compute: its devices can no longer be changed",
        where="devices",
        expected=f"{wanted} before anything is built or computed",
        found=there,
        hint="say so in a fresh process, in the first call",
    )


def _strategy(
    name: str, kind: str, count: int, cluster: Cluster | None, tpu: str | None
) -> tf.distribute.Strategy:
    if name == "tpu":
        return _tpu(tpu)
    if cluster is not None:
        return _multi_worker(cluster, kind, count)
    return _mirrored(kind, count) if name == "mirrored" else tf.distribute.get_strategy()


@functools.cache
def _mirrored(kind: str, count: int) -> tf.distribute.Strategy:
    """Once in a process: a second one takes the first one's collective keys, and both fail."""
    # Collectives between the CPUs of one process gain nothing, and one key serves one number.
    operations = tf.distribute.ReductionToOneDevice() if kind == "cpu" else None
    devices = [f"{kind.upper()}:{index}" for index in range(count)]
    return tf.distribute.MirroredStrategy(devices, cross_device_ops=operations)


@functools.cache
def _multi_worker(cluster: Cluster, kind: str, count: int) -> tf.distribute.Strategy:
    """Once in a process: its server cannot be started twice."""
    # TF_CONFIG's chief is worker 0 here, so that every source of a cluster reads alike.
    return tf.distribute.MultiWorkerMirroredStrategy(
        cluster_resolver=tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec({"worker": list(cluster.addresses)}),
            task_type="worker",
            task_id=cluster.worker,
            num_accelerators={"GPU": count} if kind == "gpu" else {},
            rpc_layer="grpc",
        )
    )


@functools.cache
def _tpu(name: str | None) -> tf.distribute.Strategy:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name or "local")
        if name:
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        raise MachineError(
            f"the TPU {name} cannot be used" if name else "this machine has no TPU to use",
            found=first_line(error),
            hint="on a TPU VM, install TensorFlow with libtpu (tensorflow-tpu); elsewhere say "
            "--devices tpu:NAME",
        ) from error


def _precision(kind: str) -> str:
    if kind == "tpu":
        return "mixed_bfloat16"
    gpus = tf.config.get_visible_devices("GPU") if kind == "gpu" else []
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return choose_precision([detail.get("compute_capability", (0, 0)) for detail in details])
