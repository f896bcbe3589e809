"""Facts about this machine for the records of a run: versions, processor, host."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from functools import cache
from pathlib import Path

from reszoo.version import VERSION

_INFERENCE_FLAGS = (
    *("sse4_2", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_vnni", "avx_vnni"),
    *("avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16"),
    # 64-bit Arm: Neon, its dot product, half precision, matrix products.
    *("asimd", "asimddp", "asimdhp", "i8mm", "bf16", "sve", "sve2"),
)
PACKAGES = ("tensorflow", "keras", "numpy", "ai-edge-litert", "keras-tuner", "tensorflow-datasets")


def version_of(package: str) -> str | None:
    """Returns a package's installed version without importing it; None if not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def versions(packages: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Returns the versions of Python, reszoo and those of `packages` that are installed."""
    own = {"python": platform.python_version(), "reszoo": VERSION}
    return own | {name: version for name in packages if (version := version_of(name))}


def machine() -> dict[str, str | int]:
    """Returns host, operating system, processor and the cores available to this process."""
    return {
        "host": platform.node(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": processor_name(),
        "cores": usable_cores(),
    }


def usable_cores() -> int:
    """Returns the number of cores available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def processor_flags() -> frozenset[str]:
    """Returns the CPU flags that Linux reports (`avx512_bf16`, `asimddp`); empty elsewhere."""
    return frozenset((_processor_field("flags") or _processor_field("Features")).split())


def inference_flags() -> tuple[str, ...]:
    """Returns the `processor_flags` that matter for the speed of inference, such as `amx_int8`."""
    return tuple(flag for flag in _INFERENCE_FLAGS if flag in processor_flags())


def peak_memory() -> int | None:
    """Returns the peak memory of this process in bytes; None on Windows."""
    # Unlike getrusage, this does not include the memory of the parent before the exec.
    if peak := peak_memory_of("self"):
        return peak
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def peak_memory_of(process: int | str) -> int | None:
    """Returns the peak memory of a running process in bytes; None where Linux does not tell it."""
    try:
        text = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
        return 1024 * int(text.split("VmHWM:")[1].split()[0])
    except (OSError, IndexError):
        return None


def physical_memory() -> int | None:
    """Returns the bytes of this machine's memory; None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows, and others
        return None


def processor_name() -> str:
    """Returns the processor's name as the operating system reports it."""
    return _processor_field("model name") or platform.processor() or platform.machine()


def _processor_field(name: str) -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""
    fields = (line.partition(":") for line in text.splitlines())
    return next((value.strip() for key, _, value in fields if key.strip() == name), "")
