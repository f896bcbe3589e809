"""What would a graph compute, and keep, before a tensor is there that all its results wait for?

TensorFlow runs each operation as soon as its inputs are there.
"""

from __future__ import annotations

from typing import Any


def computed_before(graph: Any, awaited: Any, size: int) -> set[str]:
    """Kinds of operations that put out so many numbers, or more, and do not wait for another one.

    What only hands on what is in memory already does not count, nor what no result needs.

    Args:
      graph: of a concrete function.
      awaited: the operation of the tensor.
      size: so many numbers.
    """
    todo = [*(tensor.op for tensor in graph.outputs), *graph.control_outputs]
    waiting: dict[Any, bool] = {}
    while todo:
        operation = todo[-1]
        before = _before(operation)
        if unknown := [one for one in before if one not in waiting]:
            todo.extend(unknown)
            continue
        waiting[operation] = operation is awaited or any(waiting[one] for one in before)
        todo.pop()
    handed_on = {"Placeholder", "ReadVariableOp", "Const", "Identity", "IdentityN", "Reshape"}
    return {
        operation.type
        for operation, waits in waiting.items()
        if not waits
        and operation.type not in handed_on
        and any((tensor.shape.num_elements() or 0) >= size for tensor in operation.outputs)
    }


def _before(operation: Any) -> list[Any]:
    return [*operation.control_inputs, *(tensor.op for tensor in operation.inputs)]
