"""The one writer of FlatBuffers: tables of a few fields, and metadata put into a `.tflite`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reszoo.errors import UserError
from reszoo.tflite.archive import append_files, split_archive
from reszoo.tflite.flatbuffer import FlatbufferTable, root_table
from reszoo.tflite.model_file import IDENTIFIER, damaged, read_model

_ALIGNMENT = 16
"""The schema aligns buffers to 16 bytes, which vector instructions of devices rely on."""
_VERSION, _BUFFERS, _METADATA = 0, 4, 6
"""Fields of the schema's table `Model`; all except the version are offsets."""
_MODEL_FIELDS = 10


def new_builder(size: int = 1024) -> Any:
    """Returns a `flatbuffers.Builder` with room for `size` bytes; it grows."""
    # Imported here, as it imports NumPy.
    import flatbuffers

    return flatbuffers.Builder(size)


def finish(builder: Any, root: int, identifier: bytes) -> bytes:
    """Returns the bytes of a FlatBuffer with the given root table."""
    builder.Finish(root, identifier)
    return bytes(builder.Output())


def add_table(builder: Any, fields: Mapping[int, tuple[str, Any]]) -> int:
    """Adds a table and returns its offset.

    `fields` maps the number of a field to its code of `struct` and its value; the code `o` is
    for the offset of a text, vector or table that was added before.
    """
    prepend = {
        "o": builder.PrependUOffsetTRelativeSlot,
        "I": builder.PrependUint32Slot,
        "B": builder.PrependUint8Slot,
        "b": builder.PrependInt8Slot,
    }
    builder.StartObject(max(fields, default=-1) + 1)
    for slot, (code, value) in fields.items():
        prepend[code](slot, value, 0)
    return int(builder.EndObject())


def add_tables(builder: Any, offsets: Sequence[int]) -> int:
    """Adds a vector of tables that were added before, and returns its offset."""
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def add_floats(builder: Any, values: Sequence[float]) -> int:
    """Adds a vector of float32 and returns its offset."""
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return int(builder.EndVector())


def put_metadata(
    content: bytes, buffers: Mapping[str, bytes], files: Mapping[str, bytes] | None = None
) -> bytes:
    """Returns a `.tflite` with metadata buffers by name, and with files in the zip at its end.

    What is there under another name stays, and every byte of the file stays where it was in
    relation to the others: a FlatBuffer is written from its end, so that a new root in front is
    all it takes. Weights keep their alignment, and nothing is lost that this version of the schema
    does not know. A buffer that is replaced stays in the file as dead bytes.

    Args:
      content: the bytes of the file.
      buffers: contents of metadata buffers, such as `TFLITE_METADATA`.
      files: contents of files, such as `labels.txt`.

    Returns:
      The same bytes for the same arguments, on every machine.

    Raises:
      UserError: the file is damaged, or of a schema that is too new.
    """
    model = read_model(content)
    body, archive = split_archive(content, model.name)
    _require_known_schema(body)
    return append_files(_with_buffers(body, buffers), archive | dict(files or {}))


def _with_buffers(body: bytes, contents: Mapping[str, bytes]) -> bytes:
    builder = new_builder(len(body) + sum(map(len, contents.values())) + 4096)
    _place(builder, body)
    end = int(builder.Offset())
    root = root_table(body, IDENTIFIER)
    buffers = [end - table.position for table in root.tables(_BUFFERS)]
    metadata, indices = [], {}
    for table in root.tables(_METADATA):
        metadata.append(end - table.position)
        indices[table.text(0)] = table.number(1, "I")
    for name, data in contents.items():
        buffer = add_table(builder, {0: ("o", _add_data(builder, data))})
        if name in indices:
            buffers[indices[name]] = buffer
            continue
        text = builder.CreateString(name)
        metadata.append(add_table(builder, {0: ("o", text), 1: ("I", len(buffers))}))
        buffers.append(buffer)
    fields = {
        _VERSION: ("I", root.number(_VERSION, "I")),
        **{slot: ("o", end - position) for slot, position in _targets(root).items()},
        _BUFFERS: ("o", add_tables(builder, buffers)),
        _METADATA: ("o", add_tables(builder, metadata)),
    }
    return finish(builder, add_table(builder, fields), IDENTIFIER)


def _targets(root: FlatbufferTable) -> dict[int, int]:
    """Where the fields of the table `Model` are that are offsets."""
    positions = {slot: root.field_position(slot) for slot in range(1, _MODEL_FIELDS)}
    return {
        slot: position + root.source.number("I", position)
        for slot, position in positions.items()
        if position is not None
    }


def _add_data(builder: Any, data: bytes) -> int:
    """Adds a vector of bytes that begins at a multiple of 16."""
    builder.StartVector(1, len(data), _ALIGNMENT)
    _place(builder, data, aligned=False)
    return int(builder.EndVector())


def _place(builder: Any, data: bytes, *, aligned: bool = True) -> None:
    """Puts bytes in front of what was built."""
    if aligned:
        builder.Prep(_ALIGNMENT, len(data))
    head = builder.head - len(data)
    builder.Bytes[head : head + len(data)] = data
    builder.head = head


def _require_known_schema(body: bytes) -> None:
    root = root_table(body, IDENTIFIER)
    if any(root.field_position(slot) is not None for slot in range(_MODEL_FIELDS, 64)):
        raise UserError(
            "the .tflite is of a schema too new to be written to",
            expected=f"a model of at most {_MODEL_FIELDS} fields",
            found="more",
            hint="update reszoo, or use the file as it is",
        )
    if any(table.number(1, "Q") > 1 for table in root.tables(_BUFFERS)):
        raise damaged("the .tflite", "weights outside the FlatBuffer", "a file below 2 GB")
