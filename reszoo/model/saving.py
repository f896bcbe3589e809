"""Saved networks: one .keras file of canonical float32 layers.

Beside Keras's own members the archive has `reszoo/architecture.yaml`, the spec that the network was
built from, and `reszoo/classes.json`, its class names. Keras ignores them: a plain, residual or
highway net opens with `keras.models.load_model` where reszoo is not installed. Keras 3.15 imports
only its own modules to find a layer's class, so nets with reszoo's layers open with
`reszoo.load_model`, or with Keras if `import keras` came before `import reszoo`.
"""

from __future__ import annotations

import errno
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from reszoo.atomic_files import atomic_file
from reszoo.errors import MachineError, UserError, first_line
from reszoo.gc_pause import pause_gc
from reszoo.model.build import build_canonical, deep_recursion
from reszoo.model.copy_weights import copy_weights
from reszoo.model.layer_factories import DEVICE_LAYERS
from reszoo.planning import Plan
from reszoo.planning.network import plan
from reszoo.regular_files import require_regular_file
from reszoo.spec import Architecture, from_mapping, to_yaml
from reszoo.spec.document.yaml_source import parse_document

SPEC_MEMBER = "reszoo/architecture.yaml"
CLASSES_MEMBER = "reszoo/classes.json"
FORMAT_VERSION = 1
"""Of `reszoo/classes.json`."""

_CONFIG_MEMBER = "config.json"
_WEIGHTS_MEMBER = "model.weights.h5"
_CODE_CLASSES = frozenset(
    {"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
)
"""Classes that run code, or load other files, when they are loaded or called."""
_MAX_MEMBER_BYTES = 1 << 28
_MACHINE_ERRNOS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOMEM}
)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A network from a file, with its spec and class names."""

    model: keras.Model
    spec: Architecture | None
    """None if the file was not written by `save_model`."""
    classes: tuple[str, ...] | None


def save_model(
    model: keras.Model,
    path: Path | str,
    *,
    spec: Architecture,
    classes: Sequence[str] | None = None,
) -> None:
    """Writes the network atomically, always as canonical layers in float32.

    A model that was compiled, or built for a device or in lower precision, is rebuilt from the spec
    and receives the weights by layer name; `model` itself is not changed. The file has no optimizer
    state.

    Args:
      model: built from `spec`, with or without its head.
      path: a path that ends in .keras.
      spec: the model's architecture, saved in the file.
      classes: class names in the order of the logits, saved in the file. Defaults to none.

    Raises:
      UserError: the path does not end in .keras, or the model was not built from `spec`.
      MachineError: the disk is full, or the folder is not writable.
    """
    path = _check_suffix(path)
    network = model
    if not _is_canonical(model):
        network = build_canonical(_plan_of(model, spec))
        copy_weights(model, network)
    with atomic_file(path) as temporary, pause_gc():
        keras.saving.save_model(network, temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(SPEC_MEMBER, to_yaml(spec))
            if classes is not None:
                document = {"format_version": FORMAT_VERSION, "classes": list(classes)}
                text = json.dumps(document, indent=2, ensure_ascii=False)
                archive.writestr(CLASSES_MEMBER, text + "\n")


def load_model(path: Path | str) -> LoadedModel:
    """Loads the network in a .keras file, not compiled. Code in the file is never run.

    Deep networks load too: Python's recursion limit is raised while Keras loads them.

    Raises:
      UserError: the file is missing, not a .keras file, truncated or damaged, contains Python code,
        or needs a layer that is not registered.
      MachineError: the file is not readable, or there is no space to unpack it.
    """
    path = _check_suffix(path)
    config, spec, classes = _read_members(path)
    _refuse_code(config, path)
    _refuse_unknown_layers(config, path)
    try:
        with pause_gc(), deep_recursion(len(list(_serialized_objects(config)))):
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        raise _readable_error(error, path) from error
    if spec is not None:
        model.reszoo_plan = _plan_of(model, spec)
    return LoadedModel(model, spec, classes)


def read_description(
    path: Path | str,
) -> tuple[Architecture | None, tuple[str, ...] | None]:
    """Returns the spec and the class names in a .keras file, without loading the network.

    Raises:
      UserError: the file is missing or damaged.
      MachineError: the file is not readable.
    """
    _, spec, classes = _read_members(_check_suffix(path))
    return spec, classes


def _check_suffix(path: Path | str) -> Path:
    path = Path(path)
    if path.suffix != ".keras":
        raise UserError(
            f"{path} is not the name of a Keras model",
            expected="a name that ends in .keras",
            found=path.name,
        )
    return path


def _is_canonical(model: keras.Model) -> bool:
    return not model.compiled and all(
        layer.dtype_policy.name == "float32" and not isinstance(layer, DEVICE_LAYERS)
        for layer in model.layers
    )


def _plan_of(model: keras.Model, spec: Architecture) -> Plan:
    """Returns the canonical plan of a model of that spec, with or without its head."""
    rows = plan(spec)
    logits = rows.outputs[0].row
    has_head = any(layer.name == logits for layer in model.layers)
    return rows if has_head else plan(spec, head=False)


def _read_members(path: Path) -> tuple[dict[str, Any], Architecture | None, tuple[str, ...] | None]:
    """Returns Keras's config, the spec and the class names."""
    require_regular_file(path)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing of this name"
        raise UserError(f"there is no file {path}", expected="a .keras file", found=found)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
            for member in (_CONFIG_MEMBER, _WEIGHTS_MEMBER):
                if member not in members:
                    raise _damaged_file(path, f"an archive without {member}")
            config = _read_mapping(archive, path, _CONFIG_MEMBER)
            spec = _read_spec(archive, path) if SPEC_MEMBER in members else None
            classes = _read_classes(archive, path) if CLASSES_MEMBER in members else None
            return config, spec, classes
    except Exception as error:
        raise _readable_error(error, path) from error


def _read_bytes(archive: zipfile.ZipFile, path: Path, member: str) -> bytes:
    if archive.getinfo(member).file_size > _MAX_MEMBER_BYTES:
        raise _damaged_file(path, f"{member} larger than any network's")
    return archive.read(member)


def _read_mapping(archive: zipfile.ZipFile, path: Path, member: str) -> dict[str, Any]:
    value = json.loads(_read_bytes(archive, path, member))
    if not isinstance(value, dict):
        raise _damaged_file(path, f"{member} that holds no mapping")
    return value


def _read_spec(archive: zipfile.ZipFile, path: Path) -> Architecture:
    where = f"{path}/{SPEC_MEMBER}"
    try:
        document = parse_document(_read_bytes(archive, path, SPEC_MEMBER), where)
        spec: Architecture = from_mapping(document.plain())
    except UserError as error:
        raise UserError(
            f"{path} carries a spec that this reszoo cannot read",
            where=where,
            expected="the architecture.yaml that `reszoo build` or `reszoo train` put there",
            found=error.what,
            hint="open it with the version that wrote it, or write it anew",
        ) from error
    return spec


def _read_classes(archive: zipfile.ZipFile, path: Path) -> tuple[str, ...]:
    document = _read_mapping(archive, path, CLASSES_MEMBER)
    names = document.get("classes")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _damaged_file(path, f"{CLASSES_MEMBER} without a list of names")
    return tuple(names)


def _refuse_code(config: dict[str, Any], path: Path) -> None:
    for item in _serialized_objects(config):
        if item["class_name"] in _CODE_CLASSES:
            raise UserError(
                f"{path} carries Python code and was not opened",
                expected="a network of layers that are data",
                found=f"a {item['class_name']} layer",
                hint="only its author can save it without such layers",
            )


def _refuse_unknown_layers(config: dict[str, Any], path: Path) -> None:
    for item in _serialized_objects(config):
        module, registered = item.get("module"), str(item.get("registered_name"))
        stock = module is None or str(module).partition(".")[0] in ("keras", "builtins")
        if not stock and keras.saving.get_registered_object(registered) is None:
            raise UserError(
                f"{path} needs a layer that is not known here",
                expected="layers of Keras and of reszoo",
                found=f"{item['class_name']} of {module}",
                hint=f"import the package that registers {registered!r} first",
            )


def _serialized_objects(config: Any) -> Iterator[dict[str, Any]]:
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


def _readable_error(error: Exception, path: Path) -> UserError | MachineError:
    if isinstance(error, UserError):
        return error
    if isinstance(error, MemoryError) or getattr(error, "errno", None) in _MACHINE_ERRNOS:
        reason = getattr(error, "strerror", None) or "not enough memory"
        return MachineError(f"cannot read {path}: {reason}")
    return _damaged_file(path, f"{type(error).__name__}: {first_line(error)}")


def _damaged_file(path: Path, found: str) -> UserError:
    return UserError(
        f"{path} is not a readable Keras model",
        expected="a .keras file as `reszoo build` and `reszoo train` write it",
        found=found,
        hint="it may be cut off or damaged: copy it again, or write it anew",
    )
