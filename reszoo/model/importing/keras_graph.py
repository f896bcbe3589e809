"""Weights of a whole Keras model whose layer names say nothing, such as `conv2d_3`.

A `.h5` file of `model.save` holds the model's graph beside its weights. Each layer with weights is
matched with the row of the plan that has the same place in the graph: the same computation before
it, and the same behind it. Names and the order of creation do not matter. Where two layers have
the same place, nothing tells which is which, and the file is refused.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from reszoo.errors import UserError, first_line
from reszoo.json_text import parse_json
from reszoo.model.importing.weight_layout import WeightLayout, weight_names
from reszoo.planning.network import plan
from reszoo.planning.padding import window_counts
from reszoo.planning.rows import Plan, Row
from reszoo.spec.architecture import Architecture
from reszoo.spec.per_axis import Sides, axes, merged, short, times

Signature = tuple[Any, ...]
"""What a layer computes, without its weights."""

_WEIGHTED = ("conv", "norm", "dense")
_PASSED_OVER = frozenset({"normalize", "dropout", "flatten", "reshape"})
"""Rows without weights that a file has in other forms, or leaves to whoever calls the model."""
_PASSED_OVER_LAYERS = frozenset({"Dropout", "Flatten", "Reshape", "SpatialDropout2D"})
_LISTED = 4  # in a message


@dataclass(frozen=True, slots=True)
class _Node:
    signature: Signature
    inputs: tuple[str, ...]


_Graph = dict[str, _Node]


class UnknownLayerError(ValueError):
    """A model has a layer, or an option of one, that no plan has."""


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
            graph = _keras_graph(parse_json(self._config))
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

    def _match(self, graph: _Graph, spec: Architecture) -> dict[str, str]:
        """Returns the layer of each row that has weights."""
        own = _plan_graph(plan(spec))
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


def _places(graph: _Graph, numbers: dict[Any, int]) -> dict[str, tuple[int, int]]:
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


def _difference(graph: _Graph, own: _Graph) -> str:
    found = Counter(node.signature for node in graph.values())
    expected = Counter(node.signature for node in own.values())
    parts = (("left over", found - expected), ("missing", expected - found))
    texts = [f"{what}: {_some(counts)}" for what, counts in parts if counts]
    return "; ".join(texts) or "the same layers, connected in another way"


def _some(counts: Counter[Signature]) -> str:
    words = [f"{count} x {' '.join(map(str, signature))}" for signature, count in counts.items()]
    more = len(words) - _LISTED
    return ", ".join(words[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _conv(
    kernel: Sides, stride: Sides, padding: str, groups: int, filters: int, bias: bool
) -> Signature:
    words = times(kernel), f"stride {short(stride)}", padding, f"groups {groups}"
    return ("conv", *words, f"filters {filters}", "with bias" if bias else "without bias")


def _dense(bias: bool) -> Signature:
    # Not the units: how many classes there are is compared with the weights.
    return ("dense", "with bias" if bias else "without bias")


def _norm(epsilon: float) -> Signature:
    return ("norm", f"epsilon {epsilon:.5g}")  # a file may have the float32 beside 0.001


def _pool(kind: str, size: Sides, stride: Sides, padding: str) -> Signature:
    return (kind, times(size), f"stride {short(stride)}", padding)


def _pad(amounts: Any) -> Signature:
    return ("pad", str([list(map(int, pair)) for pair in amounts]))


def _plan_graph(rows: Plan) -> _Graph:
    graph: _Graph = {}
    stands_for: dict[str, str] = {}
    for row in rows.rows:
        inputs = tuple(stands_for[ref.row] for ref in row.inputs)
        stands_for[row.name] = row.name
        if row.op in _PASSED_OVER:
            stands_for[row.name] = inputs[0]
        else:
            graph[row.name] = _Node(_row_signature(row), inputs)
    return graph


def _row_signature(row: Row) -> Signature:
    values = row.attributes
    match row.op:
        case "conv":
            names = ("kernel", "stride", "padding", "groups", "filters", "bias")
            return _conv(*(values[name] for name in names))
        case "dense":
            return _dense(values["bias"])
        case "norm":
            return _norm(values["epsilon"])
        case "activation":
            return ("activation", values["function"])
        case "max_pool" | "average_pool":
            return _pool(row.op, values["size"], values["stride"], values["padding"])
        case "pad" if values["value"] == 0.0:
            return _pad(values["amounts"])
        case "input" | "add" | "multiply" | "global_average_pool" | "global_max_pool":
            return (row.op,)
    return (row.op, *sorted(f"{name} {value}" for name, value in values.items()))


def _keras_graph(model: Any) -> _Graph:
    """Returns the graph of a functional model's config, as Keras 2 or Keras 3 writes it."""
    config = model["config"]
    if "input_layers" not in config:
        raise UnknownLayerError(f"a {model['class_name']} model, which has no graph")
    items = {item["config"]["name"]: item for item in config["layers"]}
    sources = {name: _sources(item) for name, item in items.items()}
    graph: _Graph = {}
    last: dict[str, str] = {}
    sizes: dict[str, tuple[int, int]] = {}
    try:
        order = list(TopologicalSorter(sources).static_order())
    except CycleError:
        raise UnknownLayerError("layers that read each other in a circle") from None
    outputs = set(items) - {source for names in sources.values() for source in names}
    for name in order:
        item, inputs = items[name], tuple(last[source] for source in sources[name])
        size = sizes[sources[name][0]] if sources[name] else _input_size(item["config"])
        signatures = list(_layer_signatures(item, size, is_output=name in outputs))
        sizes[name] = _output_size(item, size)
        last[name] = inputs[0] if inputs else name
        for number, signature in enumerate(signatures):
            # A layer's own activation is a node behind it.
            node = name if number == 0 else f"{name}/{number}"
            graph[node] = _Node(signature, inputs if number == 0 else (last[name],))
            last[name] = node
    return graph


def _sources(item: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the names of the layers that a layer reads."""
    calls = item["inbound_nodes"]
    if len(calls) > 1:
        raise UnknownLayerError(f"the layer {item['config']['name']}, which is called twice")
    return tuple(name for call in calls for name in _tensors(call))


def _tensors(value: Any) -> Iterator[str]:
    """Yields the layers of the tensors in a call: lists in Keras 2, mappings in Keras 3."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            yield value["config"]["keras_history"][0]
        else:
            for part in value.values():
                yield from _tensors(part)
    elif isinstance(value, list):
        if len(value) >= 3 and isinstance(value[0], str) and isinstance(value[1], int):
            yield value[0]
        else:
            for part in value:
                yield from _tensors(part)


def _layer_signatures(
    item: Mapping[str, Any], size: tuple[int, int], *, is_output: bool
) -> Iterator[Signature]:
    config, kind = item["config"], item["class_name"]
    if config.get("data_format", "channels_last") != "channels_last":
        raise UnknownLayerError(f"{config['name']}, which has its channels first")
    if kind in _PASSED_OVER_LAYERS:
        return
    match kind:
        case "InputLayer":
            yield ("input",)
        case "Conv2D" if _sides(config.get("dilation_rate", 1)) == 1:
            yield _conv(
                _sides(config["kernel_size"]),
                _sides(config["strides"]),
                config["padding"],
                config.get("groups", 1),
                config["filters"],
                config["use_bias"],
            )
        case "Dense":
            yield _dense(config["use_bias"])
        case "BatchNormalization" | "BatchNormalizationV1" if config["center"] and config["scale"]:
            yield _norm(config["epsilon"])
        case "Add":
            yield ("add",)
        case "Multiply":
            yield ("multiply",)
        case "ReLU" if config.get("max_value") in (None, 6, 6.0):
            yield ("activation", "relu6" if config.get("max_value") else "relu")
        case "Activation":
            pass
        case "Softmax" if is_output:
            pass
        case "GlobalAveragePooling2D" | "GlobalMaxPooling2D":
            yield ("global_average_pool" if "Average" in kind else "global_max_pool",)
        case "AveragePooling2D" | "MaxPooling2D":
            yield _keras_pool("average_pool" if "Average" in kind else "max_pool", config, size)
        case "ZeroPadding2D":
            yield _pad(config["padding"])
        case _:
            raise UnknownLayerError(f"{config['name']}, a {kind} as this network has none")
    function = config.get("activation", "linear")
    # The softmax of a classifier: our networks return its inputs, the logits.
    if function != "linear" and not (is_output and function == "softmax"):
        yield ("activation", "hard_swish" if function == "hard_silu" else function)


def _keras_pool(kind: str, config: Mapping[str, Any], size: tuple[int, int]) -> Signature:
    window = _sides(config["pool_size"])
    stride = _sides(config.get("strides") or config["pool_size"])
    if kind == "average_pool" and size == axes(window):
        return ("global_average_pool",)
    return _pool(kind, window, stride, config["padding"])


def _sides(value: Any) -> Sides:
    """Returns the sides of `[3, 3]`, `[1, 9]` or 3."""
    sides = value if isinstance(value, Sequence) else (value, value)
    if len(sides) != 2:
        raise UnknownLayerError(f"a window of {value}, which is not two-dimensional")
    return merged(int(sides[0]), int(sides[1]))


def _input_size(config: Mapping[str, Any]) -> tuple[int, int]:
    shape = config.get("batch_input_shape") or config["batch_shape"]
    return (int(shape[1] or 0), int(shape[2] or 0))


def _output_size(item: Mapping[str, Any], size: tuple[int, int]) -> tuple[int, int]:
    """Returns height and width behind a layer; 0 where the model takes any size."""
    config = item["config"]
    kernel = config.get("kernel_size") or config.get("pool_size")
    if item["class_name"] == "ZeroPadding2D":
        rows, columns = config["padding"]
        return size[0] + sum(rows), size[1] + sum(columns)
    if kernel is None or not all(size):
        return size
    stride = _sides(config.get("strides") or kernel)
    return window_counts(size, _sides(kernel), stride, config["padding"])
