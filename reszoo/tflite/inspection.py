"""Inspection of a `.tflite` file: all that can be said of it without running it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reszoo.spec.target import Target
from reszoo.tflite.arena import Arena, arena_of
from reszoo.tflite.contents import TFLiteModel
from reszoo.tflite.image_metadata import ModelNote, read_metadata
from reszoo.tflite.lifetimes import live_bytes
from reszoo.tflite.memory_plan import MemoryPlan, plan_memory, plannable_maps, stored_plan
from reszoo.tflite.model_file import find_model_file, load_model_file
from reszoo.tflite.operators import (
    OperatorUse,
    UnfusedOperator,
    dynamic_tensors,
    missing_in_micro,
    operator_uses,
    unfused_operators,
)
from reszoo.tflite.verdict import Verdict, judge

_RUNTIME = "min_runtime_version"


@dataclass(frozen=True)
class TFLiteInspection:
    """What a `.tflite` file holds, and what it needs.

    Operators and arena are those of its first graph.
    """

    path: Path
    model: TFLiteModel
    operators: tuple[OperatorUse, ...]
    missing_in_micro: tuple[str, ...]
    """Names of the operators that TFLite-Micro has no kernel for."""
    dynamic: tuple[str, ...]
    """Names of tensors with a dimension that is not fixed."""
    unfused: tuple[UnfusedOperator, ...]
    arena: Arena | None
    """None where its size is not known before the network runs."""
    plan: MemoryPlan | None
    """The best memory plan found, whether or not the file has one; None as for the arena."""
    has_plan: bool
    """Whether the file brings a memory plan."""
    live_bytes: tuple[int, ...]
    """Bytes of feature maps before the first operator, and while each one runs."""
    metadata: ModelNote | None
    verdicts: tuple[Verdict, ...]

    @property
    def minimum_runtime(self) -> str | None:
        """The oldest TensorFlow Lite that runs the file, as its converter noted."""
        data = self.model.metadata.get(_RUNTIME, memoryview(b""))
        return bytes(data).rstrip(b"\0").decode(errors="replace") or None


def inspect_file(path: Path | str, targets: Sequence[Target] = ()) -> TFLiteInspection:
    """Inspects a `.tflite` file, or that of a bundle, and judges it for targets.

    Raises:
      UserError: there is no file, or it is damaged, or it is wrong about itself.
      MachineError: it cannot be read.
    """
    file = find_model_file(path)
    model = load_model_file(file)
    maps = plannable_maps(model)
    arena = arena_of(model)
    return TFLiteInspection(
        path=file,
        model=model,
        operators=operator_uses(model.main),
        missing_in_micro=tuple(missing_in_micro(model)),
        dynamic=tuple(dynamic_tensors(model)),
        unfused=unfused_operators(model.main),
        arena=arena,
        plan=plan_memory(model),
        has_plan=stored_plan(model) is not None,
        live_bytes=live_bytes(maps, len(model.main.operators)) if maps is not None else (),
        metadata=read_metadata(model),
        verdicts=tuple(judge(model, target, arena) for target in targets),
    )
