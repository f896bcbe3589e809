"""Weights of a whole Keras model whose layer names say nothing, such as `conv2d_3`.

A `.h5` file of `model.save` holds the model's graph beside its weights. Each layer with weights is
matched with the row of the plan that has the same place in the graph: the same computation before
it, and the same behind it. Names and the order of creation do not matter. Where two layers have
the same place, nothing tells which is which, and the file is refused.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from reszoo.errors import UserError, first_line
from reszoo.json_text import parse_json
from reszoo.model.importing.keras_config_graph import UnknownLayerError, read_keras_graph
from reszoo.model.importing.layer_graph import Graph, Signature, plan_graph
from reszoo.model.importing.weight_layout import WeightLayout, weight_names
from reszoo.planning.network import plan
from reszoo.planning.rows import Row
from reszoo.spec.architecture import Architecture

_WEIGHTED = ("conv", "norm", "dense")
_LISTED = 4  # in a message


class GraphLayout(WeightLayout):
    """A whole Keras model, matched by its graph."""

    title = "Keras"

    def __init__(self, path: Path, model_config: str | bytes) -> None:
        self._path = path
        self._config = model_config
        self._layers: dict[str, str] = {}

    def adapt_spec(self, spec: Architecture) -> Architecture:
        """Returns the spec itself, of which every row with weights was matched.

        Raises:
          UserError: the file's graph is unreadable or another one, or the match is not unique.
        """
        try:
            graph = read_keras_graph(parse_json(self._config))
        except UnknownLayerError as error:
            raise self._refusal(spec, str(error)) from None
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise UserError(
                f"{self._path} describes its model in a way that is not read here",
                expected="a functional model saved by `model.save`",
                found=f"{type(error).__name__}: {first_line(error)}",
                hint="load it in Keras and save it again with `model.save`",
            ) from error
        self._layers = self._match(graph, spec)
        return spec

    def tensor_names(self, row: Row, spec: Architecture) -> dict[str, str]:
        return {name: f"{self._layers[row.name]}/{name}" for name in weight_names(row)}

    def _match(self, graph: Graph, spec: Architecture) -> dict[str, str]:
        """Returns the layer of each row that has weights."""
        own = plan_graph(plan(spec))
        numbers: dict[Any, int] = {}
        layers, rows = _places(graph, numbers), _places(own, numbers)
        if Counter(layers.values()) != Counter(rows.values()):
            raise self._refusal(spec, _difference(graph, own))
        by_place: dict[tuple[int, int], list[str]] = defaultdict(list)
        for layer, place in layers.items():
            if graph[layer].signature[0] in _WEIGHTED:
                by_place[place].append(layer)
        if alike := next((names for names in by_place.values() if len(names) > 1), None):
            raise UserError(
                f"the layers of {self._path} cannot be told apart",
                expected="one layer for each place in the network",
                found=f"{' and '.join(alike[:2])}, which could be exchanged",
                hint="name its layers as reszoo does, and save it again: `reszoo build "
                f"{spec.name} -o NAME.keras` writes a model with these names",
            )
        return {name: by_place[rows[name]][0] for name in own if rows[name] in by_place}

    def _refusal(self, spec: Architecture, found: str) -> UserError:
        return UserError(
            f"the model in {self._path} is not {spec.name}",
            expected=f"the layers of {spec.name}, connected in the same way",
            found=found,
            hint="build the network they were made for, or change this one with --set "
            f"(`reszoo show {spec.name}` lists its layers)",
        )


def _places(graph: Graph, numbers: dict[Any, int]) -> dict[str, tuple[int, int]]:
    """Numbers what precedes and what follows each node, equally in all graphs of `numbers`."""

    def number(value: Any) -> int:
        return numbers.setdefault(value, len(numbers))

    order = list(
        TopologicalSorter({name: node.inputs for name, node in graph.items()}).static_order()
    )
    before: dict[str, int] = {}
    for name in order:
        node = graph[name]
        before[name] = number((node.signature, *sorted(before[source] for source in node.inputs)))
    readers: dict[str, list[int]] = defaultdict(list)
    after: dict[str, int] = {}
    for name in reversed(order):
        after[name] = number(("after", graph[name].signature, *sorted(readers[name])))
        for source in graph[name].inputs:
            readers[source].append(after[name])
    return {name: (before[name], after[name]) for name in graph}


def _difference(graph: Graph, own: Graph) -> str:
    found = Counter(node.signature for node in graph.values())
    expected = Counter(node.signature for node in own.values())
    parts = (("left over", found - expected), ("missing", expected - found))
    texts = [f"{what}: {_some(counts)}" for what, counts in parts if counts]
    return "; ".join(texts) or "the same layers, connected in another way"


def _some(counts: Counter[Signature]) -> str:
    words = [f"{count} x {' '.join(map(str, signature))}" for signature, count in counts.items()]
    more = len(words) - _LISTED
    return ", ".join(words[:_LISTED]) + (f" and {more} more" if more > 0 else "")
