"""Registry of transform and connection names, built-in and registered by users."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from reszoo.errors import did_you_mean

TRANSFORMS = {
    "basic": "two 3x3 convolutions (He 2015)",
    "bottleneck": "1x1, 3x3, 1x1 convolutions (He 2015)",
    "conv": "one convolution and its activation, as in the convolutional highway nets",
    "dense": "one fully connected layer and its activation, as in the first highway nets",
}

CONNECTIONS = {
    "plain": "y = H(x)",
    "residual": "y = x + H(x) (He 2015)",
    "highway": "y = (1 - T) x + T H, T = sigmoid(W x + b) (Srivastava 2015)",
    "shortcut_gate": "y = (1 - g) x + H (He 2016, Table 1)",
    "constant": "y = c x + t H with two numbers (He 2016, Table 1)",
    "stochastic": "a residual block that training drops with probability 1 - p (Huang 2016)",
    "scaled": "y = x + a H with a learned a, 0 at the start (ReZero, SkipInit, LayerScale)",
}

registered_transforms: dict[str, str] = {}
registered_connections: dict[str, str] = {}


def transform_names() -> list[str]:
    """Returns the built-in and registered transforms."""
    return [*TRANSFORMS, *registered_transforms]


def connection_names() -> list[str]:
    """Returns the built-in and registered connections."""
    return [*CONNECTIONS, *registered_connections]


class _RegisteredName:
    """Validates a name against the registry when a spec is read, not when this is imported."""

    def __init__(self, kind: str, choices: Callable[[], list[str]]) -> None:
        self._kind = kind
        self._choices = choices

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> JsonSchemaValue:
        return {**handler(core), "enum": self._choices()}

    def _check(self, name: str) -> str:
        choices = self._choices()
        if name in choices:
            return name
        hint = did_you_mean(name, choices) or f"register your own with reszoo.register_{self._kind}"
        raise PydanticCustomError(
            "unknown_name",
            "Input should be one of {choices}",
            {"choices": ", ".join(choices), "hint": hint},
        )


TransformName = Annotated[str, _RegisteredName("transform", transform_names)]
ConnectionName = Annotated[str, _RegisteredName("connection", connection_names)]
