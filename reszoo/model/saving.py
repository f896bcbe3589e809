"""How does a trained network lie on disk? As one .keras file of canonical float32 layers.

Beside Keras's own members the archive carries `reszoo/architecture.yaml`, the spec it was built
from, and `reszoo/classes.json`, the names of its classes. Keras leaves them alone: a plain,
residual or highway net opens with `keras.models.load_model` where reszoo is not installed. Keras
3.15 imports no modules but its own to find a layer's class, so nets with layers of ours open with
`reszoo.load_model`, or with Keras where `import keras` came before `import reszoo`.
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
from reszoo.errors import MachineError, UserError
from reszoo.gc_pause import pause_gc
from reszoo.model.build import canonical, deep_recursion
from reszoo.model.copy_weights import copy_weights
from reszoo.model.layer_factories import FAST_LAYERS
from reszoo.planning import Plan
from reszoo.planning.network import plan
from reszoo.spec import Architecture, from_mapping, to_yaml
from reszoo.spec.document.yaml_source import parse_document

SPEC_MEMBER = "reszoo/architecture.yaml"
CLASSES_MEMBER = "reszoo/classes.json"
FORMAT_VERSION = 1
"""Of `reszoo/classes.json`."""

_CONFIG_MEMBER = "config.json"
_WEIGHTS_MEMBER = "model.weights.h5"
_RUNS_CODE = frozenset(
    {"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
)
"""Classes that run code, or files beside the model, when they are loaded or called."""
_LONGEST_TEXT = 1 << 28
_MACHINE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOMEM}
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A network from a file, with what the file says about it."""

    model: keras.Model
    spec: Architecture | None
    """None where the file was not written by `save`."""
    classes: tuple[str, ...] | None


def save_model(
    model: keras.Model,
    path: Path | str,
    *,
    spec: Architecture,
    classes: Sequence[str] | None = None,
) -> None:
    """Writes the network whole or not at all, always as canonical layers in float32.

    A model that was built for a device, in a lower precision, or that is compiled is rebuilt from
    the spec and gets the model's weights by layer name; the model itself stays as it is. Optimizer
    state is not part of the file.

    Args:
      model: built from `spec`, with or without its head.
      path: ends in .keras.
      spec: travels in the file.
      classes: names of the classes in the order of the logits; they travel in the file.

    Raises:
      UserError: the path does not end in .keras, or the model is not one of `spec`.
      MachineError: the disk is full or the folder may not be written.
    """
    path = _keras_path(path)
    network = model if _is_canonical(model) else _rebuilt(model, spec)
    with atomic_file(path) as temporary, pause_gc():
        keras.saving.save_model(network, temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(SPEC_MEMBER, to_yaml(spec))
            if classes is not None:
                document = {"format_version": FORMAT_VERSION, "classes": list(classes)}
                text = json.dumps(document, indent=2, ensure_ascii=False)
                archive.writestr(CLASSES_MEMBER, text + "\n")


def load_model(path: Path | str) -> Loaded:
    """The network in a .keras file, never compiled; no code in the file is ever run.

    Deep networks load as well: the recursion limit that stock Keras needs is raised meanwhile.

    Raises:
      UserError: there is no such file, it is no .keras file, is cut off or damaged, carries Python
        code, or needs a layer that nobody registered.
      MachineError: the file may not be read, or there is no room to unpack it.
    """
    path = _keras_path(path)
    config, spec, classes = _contents(path)
    _refuse_code(config, path)
    _refuse_unknown_layers(config, path)
    try:
        with pause_gc(), deep_recursion(len(list(_objects(config)))):
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        raise _explained(error, path) from error
    if spec is not None:
        model.reszoo_plan = _plan_of(model, spec)
    return Loaded(model, spec, classes)


def read_description(
    path: Path | str,
) -> tuple[Architecture | None, tuple[str, ...] | None]:
    """The spec and the names of the classes in a .keras file; the network stays where it is.

    Raises:
      UserError: there is no such file, or it is damaged.
      MachineError: the file may not be read.
    """
    _, spec, classes = _contents(_keras_path(path))
    return spec, classes


def _keras_path(path: Path | str) -> Path:
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
        layer.dtype_policy.name == "float32" and not isinstance(layer, FAST_LAYERS)
        for layer in model.layers
    )


def _plan_of(model: keras.Model, spec: Architecture) -> Plan:
    """The canonical plan of a model of that spec, which may have no head."""
    whole = plan(spec)
    logits = whole.outputs[0].row
    head = any(layer.name == logits for layer in model.layers)
    return whole if head else plan(spec, head=False)


def _rebuilt(model: keras.Model, spec: Architecture) -> keras.Model:
    network = canonical(_plan_of(model, spec))
    copy_weights(model, network)
    return network


def _contents(path: Path) -> tuple[dict[str, Any], Architecture | None, tuple[str, ...] | None]:
    """The members of the archive that are text: Keras's config, our spec and class names."""
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing of this name"
        raise UserError(f"there is no file {path}", expected="a .keras file", found=found)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
            for member in (_CONFIG_MEMBER, _WEIGHTS_MEMBER):
                if member not in members:
                    raise _damaged(path, f"an archive without {member}")
            config = _mapping(archive, path, _CONFIG_MEMBER)
            spec = _spec(archive, path) if SPEC_MEMBER in members else None
            classes = _classes(archive, path) if CLASSES_MEMBER in members else None
            return config, spec, classes
    except Exception as error:
        raise _explained(error, path) from error


def _text(archive: zipfile.ZipFile, path: Path, member: str) -> bytes:
    if archive.getinfo(member).file_size > _LONGEST_TEXT:
        raise _damaged(path, f"{member} larger than any network's")
    return archive.read(member)


def _mapping(archive: zipfile.ZipFile, path: Path, member: str) -> dict[str, Any]:
    value = json.loads(_text(archive, path, member))
    if not isinstance(value, dict):
        raise _damaged(path, f"{member} that holds no mapping")
    return value


def _spec(archive: zipfile.ZipFile, path: Path) -> Architecture:
    where = f"{path}/{SPEC_MEMBER}"
    try:
        document = parse_document(_text(archive, path, SPEC_MEMBER), where)
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


def _classes(archive: zipfile.ZipFile, path: Path) -> tuple[str, ...]:
    document = _mapping(archive, path, CLASSES_MEMBER)
    names = document.get("classes")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _damaged(path, f"{CLASSES_MEMBER} without a list of names")
    return tuple(names)


def _refuse_code(config: dict[str, Any], path: Path) -> None:
    for item in _objects(config):
        if item["class_name"] in _RUNS_CODE:
            raise UserError(
                f"{path} carries Python code and was not opened",
                expected="a network of layers that are data",
                found=f"a {item['class_name']} layer",
                hint="only its author can save it without such layers",
            )


def _refuse_unknown_layers(config: dict[str, Any], path: Path) -> None:
    for item in _objects(config):
        module, registered = item.get("module"), str(item.get("registered_name"))
        stock = module is None or str(module).partition(".")[0] in ("keras", "builtins")
        if not stock and keras.saving.get_registered_object(registered) is None:
            raise UserError(
                f"{path} needs a layer that is not known here",
                expected="layers of Keras and of reszoo",
                found=f"{item['class_name']} of {module}",
                hint=f"import the package that registers {registered!r} first",
            )


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """Every serialized object in Keras's config, however deep."""
    waiting = [config]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if isinstance(item.get("class_name"), str):
                yield item
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _explained(error: Exception, path: Path) -> UserError | MachineError:
    if isinstance(error, UserError):
        return error
    if isinstance(error, MemoryError) or getattr(error, "errno", None) in _MACHINE:
        reason = getattr(error, "strerror", None) or "not enough memory"
        return MachineError(f"cannot read {path}: {reason}")
    first = (str(error).strip().splitlines() or [""])[0]
    return _damaged(path, f"{type(error).__name__}: {first[:200]}")


def _damaged(path: Path, found: str) -> UserError:
    return UserError(
        f"{path} is not a readable Keras model",
        expected="a .keras file as `reszoo build` and `reszoo train` write it",
        found=found,
        hint="it may be cut off or damaged: copy it again, or write it anew",
    )
