"""Running the programs of export/clients as where reszoo is not installed."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

CLIENTS = Path(__file__).resolve().parents[2] / "export" / "clients"

_RUN = """
import runpy, sys
absent, program = sys.argv[1].split(","), sys.argv[2]
sys.modules.update(dict.fromkeys(absent))  # an import of one of them fails
sys.argv = sys.argv[2:]
runpy.run_path(program, run_name="__main__")
"""


def run_client(
    name: str, *arguments: Any, absent: tuple[str, ...] = ("reszoo", "keras", "tensorflow")
) -> subprocess.CompletedProcess[str]:
    """Runs a client's program where the packages `absent` cannot be imported."""
    command = [sys.executable, "-c", _RUN, ",".join(absent), str(CLIENTS / name), *arguments]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True)


def load_client(name: str) -> ModuleType:
    """Imports a client's program as a module."""
    path = CLIENTS / name
    spec = importlib.util.spec_from_file_location(f"client_{path.parent.name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def imports_of(name: str) -> set[str]:
    """The packages outside the standard library that a client imports."""
    nodes = list(ast.walk(ast.parse((CLIENTS / name).read_text(encoding="utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names


def rewrite_contract(bundle: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Changes the contract of a bundle in place."""
    path = bundle / "contract.json"
    contract = json.loads(path.read_text(encoding="utf-8"))
    change(contract)
    path.write_text(json.dumps(contract), encoding="utf-8")
