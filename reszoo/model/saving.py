"""Saved networks: one .keras file of canonical float32 layers.

Beside Keras's own members the archive has `reszoo/architecture.yaml`, the spec that the network was
built from, and `reszoo/classes.json`, its class names. Keras ignores them: a plain, residual or
highway net opens with `keras.models.load_model` where reszoo is not installed. Keras 3.15 imports
only its own modules to find a layer's class, so nets with reszoo's layers open with
`reszoo.load_model`, or with Keras if `import keras` came before `import reszoo`.
"""

from __future__ import annotations

import errno
import functools
import json
import math
import re
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import keras
from keras.src.models.functional import Functional

from reszoo.atomic_files import atomic_file
from reszoo.errors import MachineError, UserError, first_line
from reszoo.gc_pause import pause_gc
from reszoo.json_text import parse_json
from reszoo.model.build import build_canonical, deep_recursion
from reszoo.model.copy_weights import copy_weights
from reszoo.model.layer_factories import DEVICE_LAYERS
from reszoo.model.quantized_model import is_fake_quantized
from reszoo.planning import Plan
from reszoo.planning.fake_quantize import fake_quantize
from reszoo.planning.network import plan
from reszoo.regular_files import require_regular_file
from reszoo.spec import Architecture, from_mapping, to_yaml
from reszoo.spec.document.yaml_source import parse_document

SPEC_MEMBER = "reszoo/architecture.yaml"
CLASSES_MEMBER = "reszoo/classes.json"
FORMAT_VERSION = 1  # of `reszoo/classes.json`

_CONFIG_MEMBER = "config.json"
_WEIGHTS_MEMBER = "model.weights.h5"
_METADATA_MEMBER = "metadata.json"
_SHARED_ID = re.compile(r'((?<!\\)"shared_object_id": )(\d+)')
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
_MAX_MEMBER_BYTES = 1 << 26  # of all members but the weights
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

    Equal networks give equal bytes: the file has no date.

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
    members = {SPEC_MEMBER: to_yaml(spec)}
    if classes is not None:
        document = {"format_version": FORMAT_VERSION, "classes": list(classes)}
        members[CLASSES_MEMBER] = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    with atomic_file(path) as temporary, pause_gc():
        raw = temporary.with_suffix(".raw.keras")
        keras.saving.save_model(network, raw)
        _write_canonical(raw, temporary, members)


def _write_canonical(source: Path, target: Path, members: Mapping[str, str]) -> None:
    """Writes Keras's archive with further members, and without dates and memory addresses."""
    with zipfile.ZipFile(source) as keras_archive, zipfile.ZipFile(target, "w") as archive:
        for written in keras_archive.infolist():
            member = _undated(written.filename, written.file_size)
            with keras_archive.open(written) as reader, archive.open(member, "w") as writer:
                if written.filename == _CONFIG_MEMBER:
                    writer.write(_renumber(reader.read().decode()).encode())
                elif written.filename == _METADATA_MEMBER:
                    metadata = {**json.load(reader), "date_saved": "1980-01-01@00:00:00"}
                    writer.write(json.dumps(metadata).encode())
                else:
                    shutil.copyfileobj(reader, writer, 1 << 20)
        for name, text in members.items():
            archive.writestr(_undated(name), text)


def _undated(name: str, size: int = 0) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)  # of 1980, the earliest date of a zip archive
    member.external_attr, member.file_size = 0o644 << 16, size
    return member


def _renumber(config: str) -> str:
    """Numbers shared objects from 1; Keras writes their addresses in memory."""
    numbers: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"{match[1]}{numbers.setdefault(match[2], len(numbers) + 1)}"

    return _SHARED_ID.sub(number, config)


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
    try:
        with pause_gc(), deep_recursion(len(list(_serialized_objects(config)))):
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        raise _readable_error(error, path) from error
    if spec is not None:
        model.reszoo_plan = _plan_of(model, spec)
    return LoadedModel(model, spec, classes)


def read_description(path: Path | str) -> tuple[Architecture | None, tuple[str, ...] | None]:
    """Returns the spec and the class names in a .keras file, without loading the network."""
    return _read_members(_check_suffix(path))[1:]


def _check_suffix(path: Path | str) -> Path:
    path = Path(path)
    if path.suffix != ".keras":
        raise UserError(
            f"{path} is not the name of a Keras model",
            expected="a name that ends in .keras",
            found=path.name,
            hint=f"write {path.with_suffix('.keras')}",
        )
    return path


def _is_canonical(model: keras.Model) -> bool:
    return not model.compiled and all(
        layer.dtype_policy.name == "float32" and not isinstance(layer, DEVICE_LAYERS)
        for layer in model.layers
    )


def _plan_of(model: keras.Model, spec: Architecture) -> Plan:
    """Returns the canonical plan of a model of that spec, with or without its head.

    For a fake-quantized model it is the fake-quantized plan.
    """
    rows = plan(spec)
    has_head = any(layer.name == rows.outputs[0].row for layer in model.layers)
    rows = rows if has_head else plan(spec, head=False)
    return fake_quantize(rows) if is_fake_quantized(model) else rows


def _read_members(path: Path) -> tuple[dict[str, Any], Architecture | None, tuple[str, ...] | None]:
    """Returns Keras's config, the spec and the class names."""
    require_regular_file(path)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing of this name"
        raise UserError(
            f"there is no file {path}",
            expected="a .keras file",
            found=found,
            hint="name a .keras file that is there; `reszoo build SPEC -o NAME.keras` writes one",
        )
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
            for member in (_CONFIG_MEMBER, _WEIGHTS_MEMBER):
                if member not in members:
                    raise _damaged_file(path, f"an archive without {member}")
            config = read_config(archive, path)
            spec = _read_spec(archive, path) if SPEC_MEMBER in members else None
            classes = _read_classes(archive, path) if CLASSES_MEMBER in members else None
            return config, spec, classes
    except Exception as error:
        raise _readable_error(error, path) from error


def read_config(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    """Returns Keras's config; an archive that unpacks to more than its network needs is refused.

    Keras stores weights uncompressed, so that its archives are no smaller than what they hold.
    """
    config = _read_mapping(archive, path, _CONFIG_MEMBER)
    unpacked = sum(member.file_size for member in archive.infolist())
    objects = list(_serialized_objects(config))
    if (least := sum(map(_least_weight_bytes, objects))) > unpacked + _MAX_MEMBER_BYTES:
        raise UserError(
            f"{path} describes a network that it has no weights for",
            expected=f"at least {least >> 20:,} MiB of weights",
            found=f"{unpacked >> 20:,} MiB in all",
            hint="get the file again from its author, as Keras or reszoo saved it",
        )
    needed = max(sum(map(_weight_bytes, objects)), path.stat().st_size)
    if unpacked > needed + _MAX_MEMBER_BYTES:
        raise UserError(
            f"{path} unpacks to more than its network needs and was not unpacked",
            expected=f"at most {(needed + _MAX_MEMBER_BYTES) >> 20} MiB",
            found=f"{unpacked >> 20} MiB",
            hint="get the file again from its author, as Keras or reszoo saved it",
        )
    return config


def _least_weight_bytes(item: dict[str, Any]) -> int:
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


def _weight_bytes(item: dict[str, Any]) -> int:
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


def _read_bytes(archive: zipfile.ZipFile, path: Path, member: str) -> bytes:
    if archive.getinfo(member).file_size > _MAX_MEMBER_BYTES:
        raise _damaged_file(path, f"{member} larger than any network's")
    return archive.read(member)


def _read_mapping(archive: zipfile.ZipFile, path: Path, member: str) -> dict[str, Any]:
    value = parse_json(_read_bytes(archive, path, member))
    if not isinstance(value, dict):
        raise _damaged_file(path, f"{member} that holds no mapping")
    return value


def _read_spec(archive: zipfile.ZipFile, path: Path) -> Architecture:
    where = f"{path}/{SPEC_MEMBER}"
    try:
        document = parse_document(_read_bytes(archive, path, SPEC_MEMBER), where)
        return cast(Architecture, from_mapping(document.plain()))
    except UserError as error:
        raise UserError(
            f"{path} carries a spec that this reszoo cannot read",
            where=where,
            expected="the architecture.yaml that `reszoo build` or `reszoo train` put there",
            found=error.what,
            hint="open it with the version that wrote it, or write it again",
        ) from error


def _read_classes(archive: zipfile.ZipFile, path: Path) -> tuple[str, ...]:
    document = _read_mapping(archive, path, CLASSES_MEMBER)
    names = document.get("classes")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _damaged_file(path, f"{CLASSES_MEMBER} without a list of names")
    return tuple(names)


def _refuse_code(config: dict[str, Any], path: Path) -> None:
    """Refuses classes that run code, and classes that nobody exported or registered."""
    allowed, code = _exported()
    for item in _serialized_objects({**config, "compile_config": None}):  # It is not loaded.
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
        return MachineError(
            f"cannot read {path}: {reason}",
            hint="free memory, or copy the file to another disk and read it there",
        )
    return _damaged_file(path, f"{type(error).__name__}: {first_line(error)}")


def _damaged_file(path: Path, found: str) -> UserError:
    return UserError(
        f"{path} is not a readable Keras model",
        expected="a .keras file as `reszoo build` and `reszoo train` write it",
        found=found,
        hint="it may be cut off or damaged: copy it again, or write it again",
    )
