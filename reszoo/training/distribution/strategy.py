"""Device setup: the `tf.distribute` strategy, devices, workers and precision of a training."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, replace
from typing import Any

import tensorflow as tf

from reszoo.errors import MachineError, UserError, first_line
from reszoo.runs.cluster.devices import (
    Devices,
    choose_precision,
    choose_strategy,
    parse_devices,
)
from reszoo.runs.cluster.discovery import Cluster, find_cluster, wait_for_workers
from reszoo.spec.recipe import Precision
from reszoo.training.options import DistributionOptions

TPU_STEPS_PER_EXECUTION = 32
"""A TPU's host cannot keep up with single steps; on CPUs and GPUs this makes no difference."""


@dataclass(frozen=True, slots=True)
class DeviceSetup:
    """Where a model is built and trained: strategy, devices, workers, precision."""

    strategy: tf.distribute.Strategy
    strategy_name: str
    device_kind: str
    """`cpu`, `gpu` or `tpu`; the model is built with the fast layers of that kind."""
    devices: tuple[str, ...]
    """This worker's devices, such as `cpu:0`."""
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
        """Replicas of all workers."""
        return int(self.strategy.num_replicas_in_sync)

    @property
    def workers(self) -> int:
        """Number of processes that train together."""
        return self.cluster.workers if self.cluster else 1

    @property
    def worker(self) -> int:
        """Index of this process among them."""
        return self.cluster.worker if self.cluster else 0

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run folder."""
        return self.worker == 0

    @property
    def share(self) -> tuple[int, int]:
        """This worker's part of every batch as (k, n): the k-th of n."""
        return self.worker, self.workers

    @property
    def pads(self) -> bool:
        """Whether evaluation needs full batches: all replicas take the same number of steps."""
        return self.replicas > 1 or self.device_kind == "tpu"

    def in_precision(self, precision: Precision) -> DeviceSetup:
        """Returns this setup in a recipe's precision; `auto` is the hardware's fastest."""
        if precision == "auto":
            return replace(self, precision=_fastest_precision(self.device_kind))
        return replace(self, precision=precision)


def device_setup(options: DistributionOptions) -> DeviceSetup:
    """Chooses and starts a strategy.

    Call it before anything else of TensorFlow: devices cannot be divided, nor workers connected,
    once TensorFlow has begun to compute.

    Raises:
      UserError: the devices do not exist, or the environment's words about workers are wrong.
      MachineError: the TPU or this worker's own port cannot be used.
      RestartError: other workers did not answer.
    """
    joins_cluster = options.strategy in ("auto", "multiworker")
    cluster = find_cluster(os.environ, options.port) if joins_cluster else None
    devices = parse_devices(options.devices) if options.devices else None
    if options.strategy == "tpu" and devices is None:
        devices = Devices("tpu")
    kind, count = _make_available(devices, one=options.strategy == "one")
    name = choose_strategy(
        count,
        options.strategy,
        workers=cluster.workers if cluster else 1,
        tpu=kind == "tpu",
    )
    if cluster and kind == "cpu" and count > 1:
        raise UserError(
            "a worker trains on one CPU device",
            where="--devices",
            expected="cpu",
            found=options.devices,
            hint="--devices cpu",
        )
    if name == "one device":
        count = 1
    if cluster:
        wait_for_workers(cluster, options.peer_timeout)
    strategy = _strategy(name, kind, count, cluster, devices.name if devices else None)
    # XLA cannot compile a step in which replicas share their normalisation.
    shares_norm = options.sync_norm and strategy.num_replicas_in_sync > 1
    if options.xla and shares_norm:
        raise UserError(
            "XLA cannot compile a step in which replicas share their normalisation",
            expected="--xla off, or no --sync-norm",
            found="both",
            hint="--xla off",
        )
    return DeviceSetup(
        strategy=strategy,
        strategy_name=name,
        device_kind=kind,
        devices=tuple(f"{kind}:{index}" for index in _indices(devices, count)),
        cluster=cluster,
        sync_norm=options.sync_norm,
        accumulate=options.accumulate,
        xla=kind == "gpu" and not shares_norm if options.xla is None else options.xla,
        steps_per_execution=TPU_STEPS_PER_EXECUTION if name == "tpu" else 1,
        data_service=options.data_service,
    )


def _make_available(devices: Devices | None, *, one: bool) -> tuple[str, int]:
    """Makes these devices alone visible to TensorFlow; returns their kind and number."""
    gpus = tf.config.list_physical_devices("GPU")
    if devices is None:
        if tf.config.list_physical_devices("TPU"):
            return "tpu", 1
        if one and gpus:  # TensorFlow takes memory on every visible one.
            _set_visible(gpus[:1])
            return "gpu", 1
        return ("gpu", len(gpus)) if gpus else ("cpu", 1)
    if devices.kind == "cpu":
        count = len(devices.indices or (0,))
        _make_logical(count)
        if gpus:
            _set_visible([])
        return "cpu", count
    if devices.kind == "gpu":
        indices = devices.indices if devices.indices is not None else tuple(range(len(gpus)))
        if not indices or max(indices) >= len(gpus):
            raise UserError(
                "a requested GPU does not exist",
                where="--devices",
                expected=_gpu_range(len(gpus)),
                found=", ".join(f"gpu:{index}" for index in indices) or "gpu",
                hint="choose devices that `reszoo doctor` lists; cpu:4 makes four logical CPUs",
            )
        _set_visible([gpus[index] for index in indices])
        return "gpu", len(indices)
    return "tpu", 1


def _gpu_range(gpus: int) -> str:
    if not gpus:
        return "cpu: TensorFlow finds no GPU on this machine"
    return "gpu:0" if gpus == 1 else f"gpu:0 to gpu:{gpus - 1}"


def _indices(devices: Devices | None, count: int) -> tuple[int, ...]:
    return (devices.indices if devices and devices.indices else tuple(range(count)))[:count]


def _make_logical(count: int) -> None:
    """Divides the CPU into logical devices, unless it is already."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    present = len(tf.config.get_logical_device_configuration(cpu) or [None])
    if present >= count:
        return
    logical = [tf.config.LogicalDeviceConfiguration()] * count
    try:
        tf.config.set_logical_device_configuration(cpu, logical)
    except RuntimeError as error:
        raise _too_late(f"cpu:{count}", "cpu" if present == 1 else f"cpu:{present}") from error


def _set_visible(gpus: list[Any]) -> None:
    if tf.config.get_visible_devices("GPU") == gpus:
        return
    try:
        tf.config.set_visible_devices(gpus, "GPU")
    except RuntimeError as error:
        raise _too_late("other GPUs", "those it began with") from error


def _too_late(expected: str, present: str) -> UserError:
    return UserError(
        "TensorFlow has begun to compute: its devices can no longer be changed",
        where="devices",
        expected=f"{expected} before anything is built or computed",
        found=present,
        hint="set the devices in a fresh process, in the first call",
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
    """Returns the strategy of one process's devices, the same one every time.

    A second one would reuse the first one's collective keys, and both would fail.
    """
    # Collectives between the CPUs of one process gain nothing, and one key serves one number.
    operations = tf.distribute.ReductionToOneDevice() if kind == "cpu" else None
    devices = [f"{kind.upper()}:{index}" for index in range(count)]
    return tf.distribute.MirroredStrategy(devices, cross_device_ops=operations)


@functools.cache
def _multi_worker(cluster: Cluster, kind: str, count: int) -> tf.distribute.Strategy:
    """Returns the strategy of a cluster, the same one every time: a server starts only once."""
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
            hint="on a TPU VM, install TensorFlow with libtpu (tensorflow-tpu); elsewhere use "
            "--devices tpu:NAME",
        ) from error


def _fastest_precision(kind: str) -> str:
    if kind == "tpu":
        return "mixed_bfloat16"
    gpus = tf.config.get_visible_devices("GPU") if kind == "gpu" else []
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return choose_precision([detail.get("compute_capability", (0, 0)) for detail in details])
