"""Whatever was done to a file, inspecting it ends: with its contents, or with one UserError."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reszoo.errors import UserError
from reszoo.report.inspection_summary import inspection_json, inspection_text
from reszoo.spec import load_target
from reszoo.tflite import arena
from reszoo.tflite.flatbuffer import FlatbufferError, root_table
from reszoo.tflite.flatbuffer_writer import put_metadata
from reszoo.tflite.image_metadata import put_image_metadata
from reszoo.tflite.inspection import inspect_file
from reszoo.tflite.memory_plan import NAME, pack_plan, plan_memory
from reszoo.tflite.model_file import read_model
from tests.tflite.handmade import Tensor, write_tflite

STEP = 53


@pytest.fixture(scope="module")
def full_file(digits_file) -> bytes:
    """A file with all there is: labels, metadata and a memory plan."""
    model = read_model(digits_file)
    plan = pack_plan(plan_memory(model).offsets, len(model.main.tensors))
    labels = tuple("0123456789")
    return put_metadata(put_image_metadata(digits_file, "d", "", 1, labels), {NAME: plan})


@pytest.fixture
def inspected(tmp_path, monkeypatch):
    """Inspects bytes and returns the error, None where they are fine."""
    monkeypatch.setattr(arena, "measured_arena", lambda *_: None)
    file = tmp_path / "x.tflite"
    target = load_target("mobile-int8")

    def inspect(content: bytes) -> UserError | None:
        file.write_bytes(content)
        try:
            inspection = inspect_file(file, [target])
        except UserError as error:
            assert "x.tflite" in str(error)
            return error
        assert inspection_text(inspection)
        assert inspection_json(inspection)
        return None

    return inspect


def test_the_full_file_is_fine(inspected, full_file):
    assert inspected(full_file) is None


def test_a_flipped_byte_anywhere_ends_in_contents_or_one_error(inspected, full_file):
    errors = 0
    for position in range(0, len(full_file), STEP):
        content = bytearray(full_file)
        content[position] ^= 0xFF
        errors += inspected(bytes(content)) is not None
    # Most of the file is weights, of which every value is allowed.
    assert errors > 10


def test_a_flipped_byte_of_the_structure_ends_too(inspected, full_file):
    structure = [*range(1500), *range(len(full_file) - 400, len(full_file))]
    errors = 0
    for position in structure[::3]:
        content = bytearray(full_file)
        content[position] ^= 0x80
        errors += inspected(bytes(content)) is not None
    assert errors > 100


def test_a_truncated_file_is_one_error(inspected, full_file):
    for length in range(0, len(full_file) - 1000, 997):
        assert inspected(full_file[:length]) is not None, length


@pytest.mark.parametrize(
    "content",
    [b"", b"TFL3", b"GIF89a", b"\0" * 64, b"\x1c\0\0\0TFL3", b"\xff\xff\xff\xffTFL3" + bytes(64)],
)
def test_a_foreign_file_is_one_error(inspected, content):
    error = inspected(content)
    assert "is damaged, or is not a .tflite file" in str(error)
    if content[4:8] != b"TFL3":
        assert "`reszoo export` makes one" in error.hint


def test_a_zip_that_lies_about_its_size_is_one_error(inspected, full_file):
    content = bytearray(full_file)
    entry = content.rfind(b"PK\1\2")
    struct.pack_into("<II", content, entry + 20, 5_000_000, 5_000_000)
    assert inspected(bytes(content)).found == "its zip: an entry ends beyond the end of the file"


@given(st.binary(max_size=400))
def test_random_bytes_behind_the_identifier_are_an_error(rest):
    with pytest.raises(UserError):
        read_model(b"\x08\0\0\0TFL3" + rest)


def test_a_list_that_claims_to_be_longer_than_the_file_is_refused():
    # A root at byte 12, its vtable at 8: of 6 bytes, for a table of 8, with one field at 4.
    content = struct.pack("<I4sHHHxxiII", 16, b"TFL3", 6, 8, 4, 8, 4, 0xFFFFFFFF)
    with pytest.raises(FlatbufferError, match="a list of 4,294,967,295 elements"):
        root_table(content, b"TFL3").tables(0)


def test_lists_that_overlap_cannot_keep_the_reader_busy():
    # Every table of the list is the root, whose list this is.
    count = 500
    head = struct.pack("<I4sHHHxxiI", 16, b"TFL3", 6, 8, 4, 8, 4)
    entries = [(16 - (len(head) + 4 + 4 * i)) & 0xFFFFFFFF for i in range(count)]
    content = head + struct.pack(f"<I{count}I", count, *entries)
    with pytest.raises(FlatbufferError):
        deep(root_table(content, b"TFL3"), 3)


def deep(table, levels: int) -> None:
    for child in table.tables(0) if levels else []:
        deep(child, levels - 1)


@pytest.mark.parametrize(
    "change, found",
    [
        ({"inputs": (7,)}, "a tensor has the index 7, of 2"),
        ({"operators": [("RELU", (0,), (9,))]}, "a tensor has the index 9, of 2"),
        (
            {"tensors": [Tensor((4,)), Tensor((4,), data=bytes(3))]},
            "the tensor 't' has 3 bytes where its shape takes 4",
        ),
        ({"tensors": [Tensor((1,) * 99), Tensor((4,))]}, "a tensor has 99 dimensions"),
    ],
    ids=["input", "output", "size", "dimensions"],
)
def test_a_file_that_lies_is_refused_with_what_it_says(change, found):
    parts = {
        "tensors": [Tensor((4,)), Tensor((4,))],
        "operators": [("RELU", (0,), (1,))],
        "inputs": (0,),
        "outputs": (1,),
    }
    read_model(write_tflite(**parts))
    with pytest.raises(UserError) as error:
        read_model(write_tflite(**parts | change))
    assert found in str(error.value)
