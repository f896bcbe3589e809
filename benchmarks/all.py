"""The table of benchmarks/README.md, repeated on the machine at hand.

    python benchmarks/all.py --torch-python PYTHON
    python benchmarks/all.py --rows train-resnet20 inference --out build/benchmarks

Runs the rows of `rows.py` one after the other, each in a process of its own. After every row,
OUT/benchmarks.md and OUT/benchmarks.json have what was measured so far, and on which processor;
OUT/rows has the output of each script. Stopped at any moment, the same command keeps the rows that
were measured on this processor and goes on with the others; after a change of reszoo, choose
another OUT. All rows take an estimated 70 minutes on 2 quiet cores. A row names what is not
installed.

Exit status: 0 if every row was measured, 1 if one failed, 130 after ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from machine import busy_elsewhere, machine_facts, processor_of
from rows import ROWS, Peer, Row

from reszoo.atomic_files import write_json, write_text
from reszoo.errors import MachineError

HERE = Path(__file__).resolve().parent
MOST_MINUTES = 30.0
"""Of one row; it then counts as failed."""
QUIET = 0.1
"""Cores that other programs may keep busy beside a measurement."""


def main(words: Sequence[str] | None = None, rows: Sequence[Row] = ROWS) -> int:
    """Measures what is missing and writes the table."""
    options = _options(words, [row.name for row in rows])
    folder, torch_python = options.out / "rows", options.torch_python
    chosen = [row for row in rows if row.name in options.rows]
    records = {row.name: record for row in rows if (record := recorded(row, folder, torch_python))}
    shown = [row for row in rows if row in chosen or row.name in records]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, row in enumerate(chosen, 1):
            print(f"[{number}/{len(chosen)}] {row.name}: ", end="", flush=True)
            if "figures" not in records.get(row.name, {}):
                records[row.name] = measured(row, folder, torch_python)
            print(summary(records[row.name]), flush=True)
            write_tables(options.out, shown, records)
    except KeyboardInterrupt:
        print(f"\nstopped; {options.out} has what was measured, the same command continues")
        return 130
    except (OSError, MachineError) as error:
        print(f"error: {options.out} cannot be written: {error}", file=sys.stderr)
        return 1
    print(options.out / "benchmarks.md")
    return int(any("error" in records[row.name] for row in chosen))


def recorded(row: Row, folder: Path, torch_python: str | None) -> dict[str, Any] | None:
    """Returns the record of a row if it was measured like this and on this processor."""
    with suppress(OSError, ValueError):
        record = json.loads((folder / f"{row.name}.json").read_text(encoding="utf-8"))
        if identity(row, torch_python).items() <= record.items():
            return record
    return None


def identity(row: Row, torch_python: str | None) -> dict[str, Any]:
    """Returns what a record must agree in to be kept."""
    absent = {peer.name: why for peer in row.peers if (why := missing(peer, torch_python))}
    sides = [peer.side for peer in row.peers if peer.side and peer.name not in absent]
    command = [*shlex.split(row.command), *sides]
    processor = processor_of(machine_facts())
    return {"row": row.name, "command": command, "processor": processor, "absent": absent}


def measured(row: Row, folder: Path, torch_python: str | None) -> dict[str, Any]:
    """Measures a row and returns its record, which is also written to `folder`."""
    record = identity(row, torch_python) | {"machine": machine_facts()}
    peers = [peer for peer in row.peers if peer.name not in record["absent"]]
    command = list(record["command"])
    if any("torch" in peer.modules for peer in peers):
        command += ["--torch-python", str(torch_python)]
    begun, others = time.perf_counter(), busy_elsewhere()
    record |= run(command, folder / f"{row.name}.log")
    seconds = time.perf_counter() - begun
    record["seconds"] = round(seconds)
    if others is not None:
        record["busy_elsewhere"] = round(max(0.0, busy_elsewhere() - others) / seconds, 2)
    if "result" in record:
        record |= figures_of(row, peers, record["result"])
    write_json(folder / f"{row.name}.json", record)
    return record


@cache
def missing(peer: Peer, torch_python: str | None) -> str | None:
    """Returns what a peer lacks on this machine; None if it can be measured."""
    in_torch = "torch" in peer.modules
    if in_torch and torch_python is None:
        return "not measured without --torch-python"
    python = torch_python if in_torch else sys.executable
    code = (
        "import sys; from importlib.util import find_spec; "
        "print(*(name for name in sys.argv[1:] if find_spec(name) is None))"
    )
    done = subprocess.run([python, "-c", code, *peer.modules], capture_output=True, text=True)
    if done.returncode:
        return f"{python} does not run Python code"
    lacking = done.stdout.split()
    if peer.program and not shutil.which(peer.program):
        lacking.append(peer.program)
    return f"{', '.join(lacking)} not installed" if lacking else None


def run(command: Sequence[str], log: Path) -> dict[str, Any]:
    """Returns the `result` that a script prints last, or the `error` by which it failed."""
    with log.open("wb") as output:
        # In a session of its own, so that ctrl-C comes here first, and all its processes can end.
        child = subprocess.Popen(
            [sys.executable, str(HERE / command[0]), *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = child.wait(timeout=60 * MOST_MINUTES)
        except subprocess.TimeoutExpired:
            stop(child)
            return {"error": f"took more than {MOST_MINUTES:.0f} minutes; see {log}"}
        except BaseException:
            stop(child)
            raise
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    results = [line for line in lines if line.startswith('{"benchmark": ')]
    if status == 0 and results:
        with suppress(ValueError):
            return {"result": json.loads(results[-1])}
    words = next((line.strip() for line in reversed(lines) if line.strip()), "no output")
    return {"error": f"exit status {status}: {words[:400]}; see {log}"}


def stop(child: subprocess.Popen[bytes]) -> None:
    """Ends a script and the processes that it started."""
    for number, patience in ((signal.SIGINT, 10.0), (signal.SIGKILL, None)):
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(patience)


def figures_of(row: Row, peers: Sequence[Peer], result: dict[str, Any]) -> dict[str, Any]:
    """Returns the `figures` of a result, or the `error` that one of them is not in it."""
    text = "; ".join([row.figures, *(peer.figures for peer in peers)])
    try:
        return {"figures": text.format(**result)}
    except (LookupError, TypeError, ValueError) as error:
        return {"error": f"its result has another form: {error!r}"}


def summary(record: dict[str, Any]) -> str:
    """Returns the figures of a row, or why there are none, and what is not installed."""
    if "error" in record:
        return f"failed: {record['error']}"
    absent = [f"{name}: {why}" for name, why in record["absent"].items()]
    return "; ".join([record["figures"], *absent])


def write_tables(out: Path, rows: Sequence[Row], records: dict[str, dict[str, Any]]) -> None:
    """Writes the records as Markdown and as JSON."""
    facts = machine_facts()
    done = [records[row.name] for row in rows if row.name in records]
    write_json(out / "benchmarks.json", {"machine": facts, "rows": done})
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    dates = sorted({record["machine"]["date"] for record in done})
    lines = [
        "# Benchmarks",
        "",
        f"On {processor_of(facts)}; {facts['memory_gib']} GiB, {facts['system']}, {versions}; on "
        f"{' to '.join(dict.fromkeys((dates[0], dates[-1])))}. The last column has the cores that "
        f"other programs kept busy meanwhile; above {QUIET}, speeds say little.",
        "",
        "| row | what | goal | measured | minutes | busy elsewhere |",
        "|---|---|---|---|---:|---:|",
    ]
    for row in rows:
        record = records.get(row.name)
        words = summary(record) if record else "not measured yet"
        minutes = f"{record['seconds'] / 60:.1f}" if record else ""
        busy = f"{record['busy_elsewhere']:.2f}" if record and "busy_elsewhere" in record else ""
        cells = (f"`{row.name}`", row.what, row.goal, words, minutes, busy)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    write_text(out / "benchmarks.md", "\n".join(lines) + "\n")


def _options(words: Sequence[str] | None, names: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    out = Path("build/benchmarks")
    parser.add_argument("--out", type=Path, default=out, help=f"folder of results (default: {out})")
    parser.add_argument("--torch-python", help="a Python that has torch, torchvision and timm")
    known = f"rows to measure (default: all): {', '.join(names)}"
    parser.add_argument(
        "--rows", nargs="+", choices=names, default=names, metavar="NAME", help=known
    )
    options = parser.parse_args(words)
    if options.torch_python and not shutil.which(options.torch_python):
        parser.error(f"there is no program {options.torch_python}: give the path of a Python")
    return options


if __name__ == "__main__":
    sys.exit(main())
