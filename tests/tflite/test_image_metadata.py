"""Metadata and labels: the same bytes every time, read back as they were, answers unchanged."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from reszoo.errors import UserError
from reszoo.tflite.archive import append_files, split_archive
from reszoo.tflite.contents import TFLiteModel
from reszoo.tflite.flatbuffer_writer import put_metadata
from reszoo.tflite.image_metadata import LABELS, put_image_metadata, read_metadata
from reszoo.tflite.labels import unpack_labels
from reszoo.tflite.model_file import read_model
from tests.cli.conftest import call
from tests.tflite.handmade import Tensor, answers, write_tflite

DIGITS = tuple("0123456789")
STRANGE = (
    "a, b",
    "猫",
    "кот",
    "قطة",
    "🐈",
    'say "miau"',
    "  padded  ",
    "zero\u2028width",
    "é",
    ";",
)


THOUSAND = tuple(f"class {index}" for index in range(1000))


def labelled(content: bytes, labels: tuple[str, ...] = DIGITS) -> bytes:
    return put_image_metadata(content, "digits", "Reads digits.", 1, labels)


@pytest.mark.parametrize(
    "labels", [DIGITS, STRANGE, THOUSAND], ids=["digits", "strange", "thousand"]
)
def test_metadata_are_read_back(labels):
    tensors = [Tensor((1, 8, 8, 1)), Tensor((1, len(labels)))]
    content = write_tflite(tensors, [("SOFTMAX", (0,), (1,))], (0,), (1,))
    note = read_metadata(read_model(labelled(content, labels)))
    assert (note.name, note.description) == ("digits", "Reads digits.")
    [image], [answer] = note.inputs, note.outputs
    assert (image.name, image.color, image.mean, image.std) == ("image", "grayscale", (0,), (1,))
    assert (answer.name, answer.labels) == ("probability", labels)


def test_the_same_call_gives_the_same_bytes(digits_file, monkeypatch):
    first = labelled(digits_file)
    monkeypatch.setattr("time.time", lambda: 1e9)
    monkeypatch.setattr("sys.platform", "win32")
    assert labelled(digits_file) == first
    [entry] = zipfile.ZipFile(io.BytesIO(first)).infolist()
    assert (entry.filename, entry.date_time[0], entry.compress_type) == (LABELS, 1980, 0)


def test_answers_weights_and_alignment_stay(digits_file):
    content = labelled(digits_file)
    before, after = read_model(digits_file), read_model(content)
    assert before.main == after.main
    assert set(after.metadata) == {*before.metadata, "TFLITE_METADATA"}
    # Weights lie at the multiples of 16 that the converter gave them.
    moved = {place_of(new, after) - place_of(old, before) for old, new in pairs(before, after)}
    assert len(moved) == 1
    assert moved.pop() % 16 == 0
    assert place_of(after.metadata["TFLITE_METADATA"], after) % 16 == 0
    images = np.random.default_rng(1).integers(0, 256, (4, 1, 8, 8, 1), np.uint8)
    assert np.array_equal(answers(content, images), answers(digits_file, images))


def pairs(before: TFLiteModel, after: TFLiteModel) -> list[tuple[memoryview, memoryview]]:
    """The buffers of one file that has contents, each with that of the other."""
    both = zip(before.buffers, after.buffers, strict=False)
    return [(old, new) for old, new in both if len(old)]


def place_of(buffer: memoryview, model: TFLiteModel) -> int:
    """Where a buffer begins in its file."""
    return address_of(buffer) - address_of(model.content)


def address_of(data: bytes | memoryview) -> int:
    return np.frombuffer(data, np.uint8).__array_interface__["data"][0]


def test_it_costs_about_a_kilobyte(digits_file):
    assert 600 < len(labelled(digits_file)) - len(digits_file) < 1100


def test_labels_plan_and_other_metadata_live_in_one_file(digits_file):
    content = put_metadata(labelled(digits_file), {"mine": b"\1\2\3"}, {"notes.txt": b"hello"})
    assert bytes(read_model(content).metadata["mine"]) == b"\1\2\3"
    assert read_metadata(read_model(content)).outputs[0].labels == DIGITS
    assert split_archive(content)[1]["notes.txt"] == b"hello"


def test_new_labels_replace_the_old(digits_file):
    content = labelled(labelled(digits_file), tuple(reversed(DIGITS)))
    assert read_metadata(read_model(content)).outputs[0].labels == tuple(reversed(DIGITS))
    assert list(split_archive(content)[1]) == [LABELS]
    assert list(read_model(content).metadata).count("TFLITE_METADATA") == 1


@pytest.mark.parametrize("label", ["two\nlines", "two\rlines", "", "   ", "caf\udce9"])
def test_a_label_that_would_not_be_one_line_is_refused(digits_file, label):
    with pytest.raises(UserError, match="class 3 has a name that does not fit in one line"):
        labelled(digits_file, (*DIGITS[:3], label, *DIGITS[4:]))


def test_labels_that_a_reader_would_refuse_are_not_written(digits_file):
    with pytest.raises(UserError, match="10 class names are too long"):
        labelled(digits_file, tuple(digit * (2 << 20) for digit in DIGITS))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            b"".join(b"%d\n" % i for i in range(9)) + b"\x1b[2J\x07\x00\x9b31m\n", id="control"
        ),
        pytest.param(b"\n" * 10, id="empty"),
        pytest.param(b"\r\n\r\n\n\n\n\n\n\n\n\n", id="returns"),
        pytest.param(b"a\rb\n" * 10, id="return inside"),
        pytest.param(b"\xff\xfe\xe9\n" * 10, id="not UTF-8"),
        pytest.param(b"\xef\xbb\xbf0\n" + b"1\n" * 9, id="byte order mark"),
        pytest.param("\u202eevil\u2066\n".encode() * 10, id="direction"),
        pytest.param(b"x" * (15 << 20), id="one, very long"),
        pytest.param(b"\n" * (2 << 20), id="two million"),
        pytest.param(b"", id="none"),
    ],
)
def test_labels_of_others_cannot_harm_a_terminal(digits_file, text, tmp_path):
    path = tmp_path / "x.tflite"
    path.write_bytes(append_files(split_archive(labelled(digits_file))[0], {LABELS: text}))
    result = call("inspect", path)
    assert result.code == 0, result.err
    assert len(result.out) < 20_000
    assert all(letter.isprintable() or letter == "\n" for letter in result.out)
    assert "\u202e" not in result.out


def test_the_number_of_labels_must_be_that_of_the_outputs(digits_file):
    with pytest.raises(UserError, match="9 labels"):
        labelled(digits_file, DIGITS[:9])


def test_labels_of_others_are_read_with_any_line_ends():
    assert unpack_labels(b"cat\r\ndog\r\n") == ("cat", "dog")
    assert unpack_labels("cat\nd\u2028og".encode()) == ("cat", "d\u2028og")
    assert unpack_labels(b"\xef\xbb\xbfcat\n") == ("cat",)
    assert unpack_labels(b"") == ()


def test_a_file_without_metadata_has_none(digits_file):
    assert read_metadata(read_model(digits_file)) is None
    assert split_archive(digits_file) == (digits_file, {})


def test_labels_that_are_named_and_not_there_are_an_error(digits_file):
    body, _ = split_archive(labelled(digits_file))
    with pytest.raises(UserError, match=r"'labels\.txt' is named and is not in the zip"):
        read_metadata(read_model(body))


def test_a_zip_that_unpacks_to_more_than_it_may_is_refused(digits_file):
    stream = io.BytesIO(digits_file)
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.txt", bytes(17 << 20))
    assert len(stream.getvalue()) < 60_000
    with pytest.raises(UserError, match="over 16 MiB"):
        split_archive(stream.getvalue())


def test_a_zip_that_lies_about_its_size_is_one_error(digits_file):
    content = append_files(digits_file, {"labels.txt": b"0\n1\n"})
    place = content.index(b"0\n1\n", len(digits_file))
    for change in (b"9", b"\xff"):
        wrong = content[:place] + change + content[place + 1 :]
        with pytest.raises(UserError, match="its zip: Bad CRC"):
            split_archive(wrong)
    directory = content.rindex(b"PK\1\2")
    wrong = content[: directory + 24] + b"\xff\xff\xff\x7f" + content[directory + 28 :]
    with pytest.raises(UserError, match="damaged"):
        split_archive(wrong)
