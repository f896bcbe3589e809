from __future__ import annotations

import threading

import numpy as np
import pytest
import tensorflow as tf
from tqdm import tqdm

from reszoo.data.images.decoding import BrokenImageError, decode
from reszoo.data.images.tensor_decoding import decode_jpeg_or_png
from reszoo.data.sources.folder import image_check
from reszoo.data.sources.folder.image_check import check_image, check_images
from reszoo.data.sources.folder.listing import list_folder
from tests.data.conftest import class_folders, encoded, odd_images, picture


def damaged(content: bytes, count: int) -> list[bytes]:
    """Copies of a file with a flipped bit, without some bytes, and cut off."""
    random = np.random.default_rng(len(content))
    files = []
    for at in random.integers(2, len(content), count):
        flipped = content[at] ^ 1 << random.integers(8)
        files.append(content[:at] + bytes([flipped]) + content[at + 1 :])
        files.append(content[:at] + content[at + random.integers(1, 30) :])
        files.append(content[:at])
    return files


def agrees_with_both_decoders(file: bytes) -> bool:
    """Whether a file is broken or odd as Pillow says, or plain and read alike by TensorFlow."""
    try:
        pixels, form = decode(file)
    except BrokenImageError as error:
        with pytest.raises(BrokenImageError) as caught:
            check_image(file)
        return str(caught.value) == str(error)
    facts = check_image(file)
    assert (facts.height, facts.width, facts.channels, facts.form) == (*pixels.shape, form)
    return not facts.plain or np.array_equal(decode_jpeg_or_png(tf.constant(file), 0), pixels)


@pytest.mark.parametrize(
    "content",
    [
        encoded(picture(1), "JPEG"),
        encoded(picture(2), "JPEG", subsampling=0, quality=95),
        encoded(picture(3, channels=1), "JPEG"),
        encoded(picture(4), "JPEG", progressive=True),
        encoded(picture(5)),
        encoded(picture(6, channels=1)),
    ],
)
def test_a_damaged_file_is_broken_or_odd_or_read_alike_by_both_decoders(content):
    assert all(agrees_with_both_decoders(file) for file in damaged(content, 40))


def test_a_progressive_jpeg_without_its_last_scans_is_plain_only_if_read_alike():
    """Pillow and TensorFlow have versions of libjpeg that smooth its blocks differently."""
    scan = b"\xff\xda"
    for seed in range(3):
        content = encoded(picture(seed, 57, 64), "JPEG", progressive=True, quality=92)
        assert check_image(content).plain
        scans = content.split(scan)
        for count in range(2, len(scans)):
            assert agrees_with_both_decoders(scan.join(scans[:count]) + b"\xff\xd9")


@pytest.fixture
def decoders(monkeypatch):
    """The decoders that were called."""
    called = []

    def counted(module, name):
        function = getattr(module, name)

        def call(*arguments, **options):
            called.append(name)
            return function(*arguments, **options)

        monkeypatch.setattr(module, name, call)

    counted(image_check, "decode")
    counted(tf.io, "decode_jpeg")
    counted(tf.io, "decode_png")
    return called


@pytest.mark.parametrize(
    ("name", "decoder"),
    [
        ("plain.jpg", "decode_jpeg"),
        ("grey.jpg", "decode_jpeg"),
        ("named_wrongly.png", "decode_jpeg"),
        ("plain.png", "decode_png"),
        ("grey.png", "decode_png"),
        ("rotated.jpg", "decode"),
        ("cmyk.jpg", "decode"),
        ("alpha.png", "decode"),
        ("palette_clear.png", "decode"),
        ("photo.webp", "decode"),
        ("moving.gif", "decode"),
        ("pages.tiff", "decode"),
    ],
)
def test_one_decoder_reads_a_file(name, decoder, decoders):
    check_image(odd_images()[name])
    assert decoders == [decoder]


def test_both_decoders_read_a_file_of_which_either_may_be_right(decoders):
    check_image(odd_images()["progressive.jpeg"])
    check_image(odd_images()["palette.png"])
    assert decoders == ["decode", "decode_jpeg", "decode", "decode_png"]


def test_the_number_of_cores_changes_nothing(write, monkeypatch):
    kinds = odd_images() | {"empty.png": b"", "cut.jpg": encoded(picture(), "JPEG")[:400]}
    listing = list_folder(write({f"{c}/{n}": kinds[n] for c in "ab" for n in kinds}))
    monkeypatch.setattr(image_check, "_GROUP", 3)
    results = []
    for cores in (1, 7):
        monkeypatch.setattr(image_check, "usable_cores", lambda cores=cores: cores)
        results.append(check_images(listing))
    assert results[0] == results[1]
    assert len(results[0].broken) == 4
    assert sum(map(len, results[0].splits.values())) == 2 * len(odd_images())


def test_every_core_checks_files(write, monkeypatch):
    """Each of three files waits for two others that are read at the same time."""
    monkeypatch.setattr(image_check, "_GROUP", 1)
    monkeypatch.setattr(image_check, "usable_cores", lambda: 3)
    together, read_file = threading.Barrier(3), image_check.read_file

    def read(path):
        together.wait(timeout=60)
        return read_file(path)

    monkeypatch.setattr(image_check, "read_file", read)
    assert not check_images(list_folder(write(class_folders(3)))).broken


def test_an_interrupt_leaves_the_files_that_wait(write, monkeypatch):
    monkeypatch.setattr(image_check, "_GROUP", 1)
    monkeypatch.setattr(image_check, "usable_cores", lambda: 1)
    read, done = [], threading.Event()

    def slowly(path):
        read.append(path)
        if len(read) > 1:
            done.wait(0.02)
        return encoded(picture())

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(image_check, "read_file", slowly)
    monkeypatch.setattr(tqdm, "update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        check_images(list_folder(write(class_folders(50))))
    assert len(read) < 200


def test_the_progress_counts_every_file(write, monkeypatch):
    updates = []
    monkeypatch.setattr(tqdm, "update", lambda bar, n=1: updates.append(bar.total))
    check_images(list_folder(write(class_folders(4) | {"train/cat/empty.png": b""})))
    assert updates == [17] * 17
