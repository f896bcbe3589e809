"""The config of a .keras file: the objects it names, and the size of their weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any


def serialized_objects(config: Any) -> Iterator[dict[str, Any]]:
    """Yields every serialized object in Keras's config, at any depth."""
    waiting = [config]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if isinstance(item.get("class_name"), str):
                yield item
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def least_weight_bytes(item: dict[str, Any]) -> int:
    """Returns the size of a layer's kernel in 4 bits, from its config; 0 if it is not known."""
    config, build = item.get("config"), item.get("build_config")
    shape = build.get("input_shape") if isinstance(build, dict) else None
    if item["class_name"] not in ("Conv2D", "Dense") or not isinstance(config, dict):
        return 0
    if not isinstance(shape, list):
        return 0
    channels, groups = _integers(shape[-1:]), _integers([config.get("groups")])
    outputs = _integers([config.get("filters", config.get("units"))])
    size = config.get("kernel_size")
    kernel = math.prod(_integers(size if isinstance(size, list) else []))
    return kernel * math.prod(channels) * math.prod(outputs) // (groups or [1])[0] // 2


def weight_bytes(item: dict[str, Any]) -> int:
    """Returns an upper bound of the size of a layer's weights in float64, from its config."""
    config, build = item.get("config"), item.get("build_config")
    shape = build.get("input_shape") if isinstance(build, dict) else None
    if not isinstance(config, dict) or not isinstance(shape, list):
        return 0
    channels = max(_integers(shape[-1:]), default=0)
    outputs = max(_integers([config.get("filters"), config.get("units")]), default=1)
    size = config.get("kernel_size")
    kernel = math.prod(_integers(size if isinstance(size, list) else [size]))
    return 8 * (channels * outputs * kernel + 4 * (channels + outputs))


def _integers(values: Iterable[Any]) -> list[int]:
    return [value for value in values if isinstance(value, int) and value > 0]
