"""Refusal of .keras files that would run code, or read other files, when they are loaded."""

from __future__ import annotations

import functools
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
from keras.src.models.functional import Functional

from reszoo.errors import UserError
from reszoo.model.keras_config import serialized_objects

_CODE_LAYERS = ("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")
"""Layers that run code, or load a program, when they are loaded or called."""
_READING_LAYERS = ("StringLookup", "IntegerLookup", "TextVectorization")
"""Layers whose config may name any file, which they read."""
_FUNCTION_MODULES = (keras.activations, keras.losses, keras.metrics)
_EXPORTED: tuple[ModuleType, ...] = (
    *(keras.layers, keras.initializers, keras.regularizers, keras.constraints, keras.models),
    *(keras.dtype_policies, keras.optimizers, keras.optimizers.schedules, *_FUNCTION_MODULES),
)
"""Modules whose classes a file may name."""
_DATA_CLASSES = frozenset(
    {"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"}
)
"""Keras's class names of plain values."""


def refuse_code(config: dict[str, Any], path: Path) -> None:
    """Refuses classes that run code, and classes that nobody exported or registered.

    Args:
      config: Keras's config of the network.
      path: its file, for messages.

    Raises:
      UserError: there is such a class.
    """
    allowed, code = _exported()
    for item in serialized_objects({**config, "compile_config": None}):  # It is not loaded.
        name, module = item["class_name"], item.get("module")
        registered, value = _resolve(item)
        if name in _DATA_CLASSES or registered or value in allowed:
            continue
        if value in code or name == "__lambda__":
            reads = getattr(value, "__name__", name) in _READING_LAYERS
            raise UserError(
                f"{path} {'reads other files' if reads else 'carries Python code'} and was not "
                "opened",
                expected="layers that neither run code nor read files",
                found=f"a {name} layer",
                hint="ask its author to save it without such layers",
            )
        is_keras = str(module).partition(".")[0] in ("keras", "builtins", "None")
        raise UserError(
            f"{path} needs an unknown layer",
            expected="layers of Keras and of reszoo",
            found=f"{item.get('config') if name == 'function' else name} of {module}",
            hint="save the network with layers of keras.layers, or register the class first"
            if is_keras
            else f"import the package that registers {str(item.get('registered_name'))!r} first",
        )


def _resolve(item: dict[str, Any]) -> tuple[bool, object]:
    """Returns whether a serialized class or function is registered, and what Keras makes of it."""
    name, module = item["class_name"], item.get("module")
    registered_name = str(item.get("registered_name", name))
    if name == "function":
        name = registered_name = str(item.get("config"))
    registered = keras.saving.get_registered_object(registered_name)
    if registered is not None:
        return True, registered
    if module is None or module == "builtins":  # Keras looks in all modules.
        return False, next(
            (vars(exported)[name] for exported in _EXPORTED if name in vars(exported)), None
        )
    value: Any = keras if str(module).partition(".")[0] == "keras" else None
    for part in f"{module}.{name}".split(".")[1:]:
        value = getattr(value, part, None) if isinstance(value, ModuleType) else None
    return False, value if callable(value) else None


@functools.cache
def _exported() -> tuple[frozenset[object], frozenset[object]]:
    """Returns the classes and functions that a file may name, and those that run code."""
    code = frozenset(getattr(keras.layers, name) for name in _CODE_LAYERS + _READING_LAYERS)
    values: set[object] = {Functional}
    for module in _EXPORTED:
        values.update(value for value in vars(module).values() if isinstance(value, type))
    for module in _FUNCTION_MODULES:
        functions = {name: value for name, value in vars(module).items() if callable(value)}
        values.update(functions[name] for name in functions.keys() - {"deserialize", "get"})
    return frozenset(values - code), code
