"""Facts about this machine for the records of a run: versions, processor, host."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from functools import cache
from pathlib import Path

from reszoo.version import VERSION

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
    """Returns the CPU flags that Linux reports (`avx512_bf16`, `amx_bf16`); empty elsewhere."""
    return frozenset(_processor_field("flags").split())


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
