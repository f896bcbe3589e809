"""The machine at hand, as figures name it: processor, what it can multiply, cores, versions."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from reszoo import system_info
from reszoo.counted import counted

PACKAGES = ("tensorflow", "keras", "numpy", "ai-edge-litert")
X86_FEATURES = {
    "AVX-512": ("avx512f",),
    "VNNI": ("avx512_vnni", "avx_vnni"),
    "bfloat16": ("avx512_bf16",),
    "AMX": ("amx_tile",),
}
"""Instructions on which the speed of convolutions depends, and the flags of Linux for them."""


def machine_facts() -> dict[str, Any]:
    """Returns processor, flags, cores, memory, versions and date."""
    facts = system_info.machine()
    memory = system_info.physical_memory()
    return {
        "processor": facts["processor"],
        "flags": list(system_info.inference_flags()),
        "cores": facts["cores"],
        "memory_gib": round(memory / 2**30) if memory else None,
        "system": facts["system"],
        "versions": system_info.versions(PACKAGES),
        "date": date.today().isoformat(),
    }


def processor_of(facts: Mapping[str, Any]) -> str:
    """Returns the words by which a figure names its processor: "2 cores of ..., without AMX"."""
    flags = set(facts["flags"])
    words = f"{counted(facts['cores'], 'core')} of {facts['processor']}"
    if any(flag.startswith("asimd") for flag in flags):  # 64-bit Arm
        return f"{words} with {_listed(facts['flags'])}"
    present = [name for name, names in X86_FEATURES.items() if flags.intersection(names)]
    absent = [name for name in X86_FEATURES if name not in present]
    words += f" with {_listed(present)}" if present else ""
    return words + (f", without {_listed(absent)}" if absent else "")


def busy_elsewhere(stat: Path = Path("/proc/stat")) -> float | None:
    """Returns the CPU seconds so far of all that is neither this process nor an ended child of it.

    Time that the host of a virtual machine took for others counts, too. None where the system does
    not tell.
    """
    try:
        fields = stat.read_text(encoding="utf-8").splitlines()[0].split()[1:]
    except OSError:
        return None
    user, nice, system, _, _, interrupts, soft_interrupts, steal = map(int, fields[:8])
    busy = user + nice + system + interrupts + soft_interrupts + steal
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    own = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    return busy / os.sysconf("SC_CLK_TCK") - own


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
