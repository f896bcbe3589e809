"""The graph in the config of a functional Keras model, as Keras 2 or Keras 3 writes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from reszoo.model.importing.layer_graph import (
    Graph,
    LayerNode,
    Signature,
    conv_signature,
    dense_signature,
    norm_signature,
    pad_signature,
    pool_signature,
)
from reszoo.planning.padding import window_counts
from reszoo.spec.per_axis import Sides, axes, merged

_PASSED_OVER_LAYERS = frozenset({"Dropout", "Flatten", "Reshape", "SpatialDropout2D"})


class UnknownLayerError(ValueError):
    """A model has a layer, or an option of one, that no plan has."""


def read_keras_graph(model: Any) -> Graph:
    """Returns the graph of a functional model's config, as Keras 2 or Keras 3 writes it."""
    config = model["config"]
    if "input_layers" not in config:
        raise UnknownLayerError(f"a {model['class_name']} model, which has no graph")
    items = {item["config"]["name"]: item for item in config["layers"]}
    sources = {name: _sources(item) for name, item in items.items()}
    graph: Graph = {}
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
            graph[node] = LayerNode(signature, inputs if number == 0 else (last[name],))
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
            yield conv_signature(
                _sides(config["kernel_size"]),
                _sides(config["strides"]),
                config["padding"],
                config.get("groups", 1),
                config["filters"],
                config["use_bias"],
            )
        case "Dense":
            yield dense_signature(config["use_bias"])
        case "BatchNormalization" | "BatchNormalizationV1" if config["center"] and config["scale"]:
            yield norm_signature(config["epsilon"])
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
            yield pad_signature(config["padding"])
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
    return pool_signature(kind, window, stride, config["padding"])


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
