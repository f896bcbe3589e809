"""TFLite metadata (`TFLITE_METADATA`): what the inputs and outputs of a file mean.

MediaPipe Tasks and Android read it from the file, with the labels in the zip behind it. Field
numbers are those of the metadata schema, version 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reszoo.errors import UserError
from reszoo.tflite.archive import split_archive
from reszoo.tflite.contents import TFLiteModel
from reszoo.tflite.flatbuffer import FlatbufferError, FlatbufferTable, root_table
from reszoo.tflite.flatbuffer_writer import (
    add_floats,
    add_table,
    add_tables,
    finish,
    new_builder,
    put_metadata,
)
from reszoo.tflite.labels import pack_labels, unpack_labels
from reszoo.tflite.model_file import damaged, read_model

NAME = "TFLITE_METADATA"
LABELS = "labels.txt"
_IDENTIFIER = b"M001"
_PARSER_VERSION = "1.0.0"
"""The oldest version of the format that knows all fields written here."""
_NORMALIZATION, _FEATURE, _IMAGE = 1, 1, 2
_COLORS = {0: "unknown", 1: "RGB", 2: "grayscale"}
_AXIS_LABELS = 2


@dataclass(frozen=True)
class TensorNote:
    """What the metadata say of one input or output."""

    name: str
    color: str | None = None
    """`RGB`, `grayscale` or `unknown` for an image; else None."""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    """A runtime feeds `(pixel - mean) / std`."""
    labels: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ModelNote:
    """The metadata of a file."""

    name: str
    description: str
    inputs: tuple[TensorNote, ...]
    outputs: tuple[TensorNote, ...]


def put_image_metadata(
    content: bytes, name: str, description: str, channels: int, labels: tuple[str, ...]
) -> bytes:
    """Returns a `.tflite` with the metadata of an image classifier that takes raw pixels.

    Pixels are 0..255 as they are (mean 0, standard deviation 1), outputs are probabilities.

    Args:
      content: the bytes of a file with one image as input and one output.
      name: the network's name.
      description: one sentence on it.
      channels: 3 for RGB, 1 for grey images.
      labels: class names in the order of the output.

    Raises:
      UserError: a label has a line break, their number is not that of the outputs, or the file is
        damaged.
    """
    graph = read_model(content).main
    answer = graph.tensors[graph.outputs[0]].shape if len(graph.outputs) == 1 else ()
    if answer[-1:] != (len(labels),):
        raise UserError(
            f"{len(labels):,} labels do not fit the file",
            expected=f"one label for each number of an output of the shape {answer}",
            found=f"{len(labels):,}",
            hint="give the class names of this network, in the order of its output",
        )
    packed = _pack(name, description, channels)
    return put_metadata(content, {NAME: packed}, {LABELS: pack_labels(labels)})


def read_metadata(model: TFLiteModel) -> ModelNote | None:
    """Returns the metadata of a file, with the labels of its zip; None where it has none.

    Raises:
      UserError: metadata or zip are damaged, or labels are named that are not there.
    """
    _, files = split_archive(model.content, model.name)
    if NAME not in model.metadata:
        return None
    try:
        root = root_table(bytes(model.metadata[NAME]), _IDENTIFIER)
        graphs = root.tables(3)
        return ModelNote(
            name=root.text(0),
            description=root.text(1),
            inputs=tuple(_note(table, files) for table in graphs[0].tables(2)) if graphs else (),
            outputs=tuple(_note(table, files) for table in graphs[0].tables(3)) if graphs else (),
        )
    except FlatbufferError as error:
        raise damaged(model.name, f"its metadata: {error}", f"metadata ({NAME})") from error


def _pack(name: str, description: str, channels: int) -> bytes:
    builder = new_builder()
    note = {
        0: ("o", builder.CreateString(name)),
        1: ("o", builder.CreateString(description)),
        3: ("o", add_tables(builder, [_pack_graph(builder, channels)])),
        7: ("o", builder.CreateString(_PARSER_VERSION)),
    }
    return finish(builder, add_table(builder, note), _IDENTIFIER)


def _pack_graph(builder: Any, channels: int) -> int:
    inputs = add_tables(builder, [_pack_image(builder, channels)])
    outputs = add_tables(builder, [_pack_probabilities(builder)])
    return add_table(builder, {2: ("o", inputs), 3: ("o", outputs)})


def _pack_image(builder: Any, channels: int) -> int:
    color = add_table(builder, {0: ("b", 1 if channels == 3 else 2)})
    content = add_table(builder, {0: ("B", _IMAGE), 1: ("o", color)})
    normalization = add_table(
        builder,
        {0: ("o", add_floats(builder, [0.0])), 1: ("o", add_floats(builder, [1.0]))},
    )
    unit = add_table(builder, {0: ("B", _NORMALIZATION), 1: ("o", normalization)})
    return add_table(
        builder,
        {
            0: ("o", builder.CreateString("image")),
            3: ("o", content),
            4: ("o", add_tables(builder, [unit])),
            5: ("o", _pack_range(builder, 0.0, 255.0)),
        },
    )


def _pack_probabilities(builder: Any) -> int:
    feature = add_table(builder, {})
    content = add_table(builder, {0: ("B", _FEATURE), 1: ("o", feature)})
    labels = add_table(builder, {0: ("o", builder.CreateString(LABELS)), 2: ("b", _AXIS_LABELS)})
    return add_table(
        builder,
        {
            0: ("o", builder.CreateString("probability")),
            3: ("o", content),
            5: ("o", _pack_range(builder, 0.0, 1.0)),
            6: ("o", add_tables(builder, [labels])),
        },
    )


def _pack_range(builder: Any, low: float, high: float) -> int:
    highs, lows = add_floats(builder, [high]), add_floats(builder, [low])
    return add_table(builder, {0: ("o", highs), 1: ("o", lows)})


def _note(table: FlatbufferTable, files: dict[str, bytes]) -> TensorNote:
    mean, std = _normalization(table)
    return TensorNote(table.text(0), _color(table.table(3)), mean, std, _labels(table, files))


def _color(content: FlatbufferTable | None) -> str | None:
    image = content.table(1) if content and content.number(0, "B") == _IMAGE else None
    return _COLORS.get(image.number(0, "b"), "unknown") if image else None


def _normalization(table: FlatbufferTable) -> tuple[tuple[float, ...], tuple[float, ...]]:
    for unit in table.tables(4):
        options = unit.table(1) if unit.number(0, "B") == _NORMALIZATION else None
        if options:
            return options.numbers(0, "f"), options.numbers(1, "f")
    return (), ()


def _labels(table: FlatbufferTable, files: dict[str, bytes]) -> tuple[str, ...] | None:
    named = [each.text(0) for each in table.tables(6) if each.number(2, "b") == _AXIS_LABELS]
    if not named:
        return None
    if named[0] not in files:
        raise FlatbufferError(f"{named[0]!r} is named and is not in the zip at the file's end")
    return unpack_labels(files[named[0]])
