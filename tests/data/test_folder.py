from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from reszoo.data import ImageFormat
from reszoo.data.images.decoding import read_image
from reszoo.data.images.resizing import resize_to_format
from reszoo.data.open_data import open_data
from reszoo.data.pipeline.batches import batches
from reszoo.data.previews.contact_sheet import contact_sheet
from reszoo.data.previews.describe import describe
from reszoo.data.sources.folder import folder_dataset_builder
from reszoo.data.sources.folder.image_check import check_image
from reszoo.errors import MachineError, UserError
from tests.data.conftest import class_folders, encoded, odd_images, picture

FORMAT = ImageFormat(16, 16, 3)


def opened(folder, data_dir, **options):
    return open_data(f"folder:{folder}", data_dir=data_dir, **options)


def read_back(split, image_format=FORMAT, **options):
    """Images and labels of a split in its own order."""
    parts = list(batches(split, image_format, batch_size=7, **options).as_numpy_iterator())
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def test_splits_classes_and_counts(write, data_dir):
    files = class_folders(5) | {
        "validation/cat/1.png": encoded(picture()),
        "validation/dog/1.png": encoded(picture()),
    }
    data = opened(write(files), data_dir)
    assert dict(data.splits) == {"train": 10, "validation": 2, "test": 10}
    assert data.classes == ("cat", "dog")
    assert data.split("test").counts == (5, 5)
    assert data.smallest == (8, 9)
    assert data.skipped == ()


def test_class_folders_at_the_top_get_a_seeded_stratified_test_split(write, data_dir):
    folder = write(class_folders(10, ("",)))
    data = opened(folder, data_dir)
    assert dict(data.splits) == {"train": 16, "test": 4}
    assert data.split("test").counts == (2, 2)
    tested = read_back(data.split("test"))[0]
    np.testing.assert_array_equal(read_back(opened(folder, data_dir).split("test"))[0], tested)
    assert not np.array_equal(read_back(opened(folder, data_dir, seed=1).split("test"))[0], tested)


def test_a_folder_with_an_image_of_each_class_has_no_test_split(write, data_dir):
    data = opened(write(class_folders(1, ("",))), data_dir)
    assert dict(data.splits) == {"train": 2}
    assert describe(data).counts == {"train": {"cat": 1, "dog": 1}}


def test_a_folder_may_have_a_name_that_is_not_text(write, data_dir, tmp_path):
    named = tmp_path / "odd\udcff name"
    write(class_folders(5)).rename(named)
    assert len(read_back(opened(named, data_dir).split("train"))[0]) == 10


def test_a_home_that_is_nobodys_is_no_folder(data_dir):
    with pytest.raises(UserError, match="there is no folder ~nobody-of-that-name/photos"):
        opened("~nobody-of-that-name/photos", data_dir)


def test_a_lone_train_folder_is_split_too(write, data_dir):
    assert dict(opened(write(class_folders(10, ("train",))), data_dir).splits) == {
        "train": 16,
        "test": 4,
    }


def test_a_class_may_be_called_train(write, data_dir):
    vehicles = {
        f"{name}/{n}.png": encoded(picture(n)) for name in ("bus", "train") for n in range(5)
    }
    assert opened(write(vehicles), data_dir).classes == ("bus", "train")


def test_sub_splits_in_the_words_of_tfds(write, data_dir):
    data = opened(write(class_folders(10)), data_dir)
    images, labels = read_back(data.split("train"))
    for expression, part in [
        ("train[:80%]", slice(0, 16)),
        ("train[80%:]", slice(16, 20)),
        ("train[5:7]", slice(5, 7)),
        ("train[-3:]", slice(17, 20)),
    ]:
        some, of_them = read_back(data.split(expression))
        np.testing.assert_array_equal(some, images[part])
        np.testing.assert_array_equal(of_them, labels[part])
    assert len(data.split("train+test[:50%]")) == 30
    assert len(data.split("all")) == 40


@pytest.mark.parametrize("expression", ["tests", "train[", "train[1:2:3]", "", "train[20:]"])
def test_what_is_no_split_is_refused(expression, write, data_dir):
    with pytest.raises(UserError, match="split"):
        opened(write(class_folders(10)), data_dir).split(expression)


def _kinds(write):
    """A folder with every kind of file in both classes of both splits."""
    kinds = odd_images()
    return write({f"{s}/{c}/{n}": kinds[n] for s in ("train", "test") for c in "ab" for n in kinds})


@pytest.mark.quick_rows(3)
@pytest.mark.parametrize("embed_bytes", [folder_dataset_builder.EMBED_BYTES, 0])
@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("channels", [3, 1])
def test_training_sees_the_pixels_that_prediction_sees(
    write, tmp_path, monkeypatch, embed_bytes, in_memory, channels
):
    monkeypatch.setattr(folder_dataset_builder, "EMBED_BYTES", embed_bytes)
    folder = _kinds(write)
    data = opened(folder, tmp_path / "prepared")
    image_format = ImageFormat(16, 16, channels)
    images, labels = read_back(data.split("train"), image_format, in_memory=in_memory)
    paths = [
        folder / path.decode()
        for path in data.source.features(data.split("train").indices, {"path": "string"})[
            "path"
        ].numpy()
    ]
    assert sorted(path.name for path in paths) == sorted(list(odd_images()) * 2)
    for path, image, label in zip(paths, images, labels, strict=True):
        np.testing.assert_array_equal(
            image, resize_to_format(read_image(path), image_format), path.name
        )
        assert path.parent.name == data.classes[label]


def test_plain_files_stay_as_they_are_and_odd_ones_are_made_plain():
    odd = {name for name, content in odd_images().items() if not check_image(content).plain}
    assert {"rotated.jpg", "alpha.png", "photo.webp", "photo.bmp", "moving.gif"} <= odd
    assert not odd & {
        "plain.jpg",
        "progressive.jpeg",
        "grey.jpg",
        "plain.png",
        "grey.png",
        "deep.png",
    }


def test_a_large_folder_is_not_copied(write, tmp_path, monkeypatch):
    monkeypatch.setattr(folder_dataset_builder, "EMBED_BYTES", 0)
    folder = write(class_folders(10))
    opened(folder, tmp_path / "prepared")
    source = sum(path.stat().st_size for path in folder.rglob("*.png"))
    records = sum(path.stat().st_size for path in (tmp_path / "prepared").rglob("*tfrecord*"))
    assert records < source / 2


def test_the_users_folder_is_left_alone(write, data_dir):
    folder = write(class_folders())
    before = sorted(folder.rglob("*"))
    opened(folder, data_dir)
    assert sorted(folder.rglob("*")) == before


def test_changes_are_noticed(write, tmp_path):
    folder, prepared = write(class_folders(5)), tmp_path / "prepared"
    first = opened(folder, prepared)
    again = opened(folder, prepared)
    assert len(list(prepared.glob("folders/*/*/folder"))) == 1
    np.testing.assert_array_equal(read_back(first.split())[0], read_back(again.split())[0])
    (folder / "train/cat/new.png").write_bytes(encoded(picture(77)))
    assert dict(opened(folder, prepared).splits) == {"train": 11, "test": 10}
    (folder / "train/cat/new.png").write_bytes(encoded(picture(78)))
    os.utime(folder / "train/cat/new.png", (1, 1))
    expected = resize_to_format(picture(78), FORMAT)
    assert any(
        np.array_equal(image, expected) for image in read_back(opened(folder, prepared).split())[0]
    )


def test_preparations_that_a_folder_has_outgrown_are_removed_after_a_day(write, tmp_path):
    folder, prepared = write(class_folders(5)), tmp_path / "prepared"
    opened(folder, prepared)
    (old,) = prepared.glob("folders/*/*")
    os.utime(old, (1, 1))
    (folder / "train/cat/new.png").write_bytes(encoded(picture(77)))
    opened(folder, prepared)
    (left,) = prepared.glob("folders/*/*")
    assert left != old


def test_a_preparation_that_was_killed_is_begun_again(write, tmp_path, monkeypatch):
    folder, prepared = write(class_folders(5)), tmp_path / "prepared"

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(folder_dataset_builder, "_encoded_image", killed)
        opened(folder, prepared)
    assert not list(prepared.rglob("dataset_info.json"))
    assert dict(opened(folder, prepared).splits) == {"train": 10, "test": 10}


def test_nested_folders_links_and_names_are_followed(write, data_dir, tmp_path):
    content = encoded(picture(1))
    folder = write(
        {
            "cat/2024/may/a.png": content,
            "cat/b.PNG": content,
            "cat/.hidden.png": content,
            "cat/notes.txt": b"text",
            "dög/ä b.png": content,
            "dög/c.png": content,
            "__MACOSX/cat/a.png": content,
            "README.md": b"text",
        }
    )
    (folder / "cat" / "loop").symlink_to(folder / "cat")
    data = opened(folder, data_dir)
    assert data.classes == ("cat", "dög")
    assert sum(data.splits.values()) == 4
    assert describe(data).passed_over == 2


def refused(folder, data_dir, match, **options):
    with pytest.raises(UserError, match=match) as caught:
        opened(folder, data_dir, **options)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_missing_empty_and_single_class_folders_are_refused(write, tmp_path, data_dir):
    refused(tmp_path / "nowhere", data_dir, "there is no folder")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", data_dir, "no class folders")
    (tmp_path / "file").write_text("text")
    refused(tmp_path / "file", data_dir, "is a file")
    assert "2 image files" in refused(
        write({"a.png": encoded(picture()), "b.png": encoded(picture())}, "flat"),
        data_dir,
        "no class folders",
    )
    refused(write({"cat/a.png": encoded(picture())}, "single"), data_dir, "fewer than two classes")
    refused(write({"cat/a.txt": b"", "dog/b.txt": b""}, "texts"), data_dir, "no images")
    hollow = write({"cat/a.png": encoded(picture()), "dog/readme.txt": b""}, "hollow")
    assert "dog" in refused(hollow, data_dir, "1 class folder without images")


def test_a_folder_one_too_low_is_pointed_up(write, data_dir):
    folder = write({"cat/a.png": encoded(picture()), "dog/b.png": encoded(picture())})
    assert f"write folder:{folder}" in refused(folder / "cat", data_dir, "no class folders")
    (folder / "dog" / "b.png").unlink()
    assert "a folder for each class" in refused(folder / "cat", data_dir, "no class folders")


def test_a_folder_one_too_high_is_pointed_down(write, data_dir):
    files = {f"flowers/{name}": content for name, content in class_folders(2).items()}
    folder = write(files)
    assert f"folder:{folder / 'flowers'}" in refused(folder, data_dir, "fewer than two classes")


def test_classes_that_differ_between_splits_are_refused(write, data_dir):
    files = class_folders(2) | {"test/horse/1.png": encoded(picture())}
    files = {name: content for name, content in files.items() if not name.startswith("test/cat")}
    folder = write(files)
    message = refused(folder, data_dir, "test has classes that train lacks")
    assert "horse" in message
    assert "cat" not in message
    shutil.rmtree(folder / "test/horse")  # As the error says.
    data = opened(folder, data_dir)
    assert data.split("test").counts == (0, 2)
    assert "test has no images of cat" in describe(data).notes()


def test_two_folders_for_one_split_are_refused(write, data_dir):
    files = class_folders(2, ("train", "val", "validation"))
    refused(write(files), data_dir, "two folders for the split 'validation'")


BROKEN = {
    "train/cat/empty.png": b"",
    "train/cat/text.jpg": b"no image",
    "train/dog/half.jpg": encoded(picture(1, 90, 90), "JPEG")[:400],
    "test/dog/phone.heic": b"\0\0\0\x18ftypheic" + bytes(40),
}


def test_broken_images_are_named_counted_and_refused(write, tmp_path):
    message = refused(write(class_folders(5) | BROKEN), tmp_path / "prepared", "4 of 24 images")
    for name in BROKEN:
        assert name in message
    for reason in (
        "zero bytes",
        "truncated",
        "not an image",
        "a HEIC photo: save it as JPEG or PNG",
    ):
        assert reason in message
    assert "--skip-bad-images" in message
    assert not (tmp_path / "prepared").exists()


def test_of_many_broken_images_five_are_named(write, data_dir):
    broken = {f"train/cat/broken{number}.png": b"" for number in range(8)}
    message = refused(write(class_folders(5) | broken), data_dir, "8 of 28 images")
    assert message.count("train/cat/broken") == 5
    assert "and 3 more" in message


def test_broken_images_are_left_out_when_asked_and_reported(write, data_dir):
    folder = write(class_folders(5) | BROKEN)
    data = opened(folder, data_dir, skip_bad_images=True)
    assert dict(data.splits) == {"train": 10, "test": 10}
    assert sorted(file.path for file in data.skipped) == sorted(BROKEN)
    assert len(read_back(data.split())[0]) == 10
    # What was prepared once is still refused to those who did not ask.
    refused(folder, data_dir, "4 of 24 images")


def test_a_class_without_a_readable_image_is_refused(write, data_dir):
    files = class_folders(3) | {f"train/cat/{number}.png": b"" for number in range(3)}
    refused(write(files), data_dir, "no readable images of cat", skip_bad_images=True)
    files = {
        name: b"" if name.startswith("test") else content
        for name, content in class_folders(3).items()
    }
    refused(write(files, "b"), data_dir, "no readable images of any", skip_bad_images=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_cannot_be_written_is_the_machines_fault(write, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(MachineError, match="cannot write"):
        opened(write(class_folders(2)), locked)


def test_preparing_leaves_nothing_in_the_temporary_folder(write, tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    opened(write(class_folders(2)), tmp_path / "prepared")
    open_data("digits", data_dir=tmp_path / "prepared")
    assert not list(temporary.iterdir())


@pytest.mark.parametrize(
    "reason",
    [
        tf.errors.ResourceExhaustedError(None, None, "No space left on device"),
        OSError(errno.ENOSPC, "No space left on device"),
    ],
)
def test_a_disk_that_fills_while_preparing_is_the_machines_fault(
    write, tmp_path, monkeypatch, reason
):
    def prepare(self):
        raise RuntimeError("Failed to finalize writing of split") from reason  # as TFDS does

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", prepare)
    with pytest.raises(MachineError, match=r"cannot write .*: No space left") as caught:
        opened(write(class_folders(2)), tmp_path / "prepared")
    assert "RESZOO_DATA" in str(caught.value)


def test_a_cache_below_a_file_is_the_machines_fault(write, tmp_path):
    (tmp_path / "file").write_text("text")
    with pytest.raises(MachineError, match="cannot write") as caught:
        opened(write(class_folders(2)), tmp_path / "file" / "prepared")
    assert "RESZOO_DATA" in str(caught.value)


def test_the_cache_lies_where_the_environment_says(write, tmp_path, monkeypatch):
    folder = write(class_folders(2))
    for variable, value, where in [
        ("XDG_CACHE_HOME", tmp_path / "xdg", tmp_path / "xdg" / "reszoo"),
        ("RESZOO_DATA", tmp_path / "own", tmp_path / "own"),
    ]:
        monkeypatch.setenv(variable, str(value))
        open_data(f"folder:{folder}")
        assert (where / "folders").is_dir()


def test_a_folder_is_described(write, data_dir):
    files = class_folders(4) | BROKEN | {"train/dog/turned.jpg": odd_images()["rotated.jpg"]}
    data = opened(write(files), data_dir, skip_bad_images=True)
    description = describe(data)
    assert description.counts["train"] == {"cat": 4, "dog": 5}
    assert (description.heights.least, description.heights.greatest) == (8, 30)
    assert (description.widths.median, description.measured) == (9, 17)
    assert description.forms == {"PNG RGB": 16, "JPEG RGB rotated": 1}
    assert description.odd == 1
    assert dict(description.broken)["train/cat/empty.png"] == "zero bytes"
    assert any("4 files cannot be read" in note for note in description.notes())
    assert description.to_dict()["classes"] == ("cat", "dog")


def test_a_contact_sheet_shows_every_class(write, data_dir):
    yellow, blue = (
        np.full((30, 20, 3), colour, np.uint8) for colour in ([250, 220, 0], [0, 0, 250])
    )
    files = {f"yellow and rather long in its name/{n}.png": encoded(yellow) for n in range(5)}
    files |= {f"blue/{n}.png": encoded(blue) for n in range(5)}
    sheet = contact_sheet(opened(write(files), data_dir), per_class=4, thumbnail=40)
    pixels = np.asarray(sheet)
    for colour in (yellow, blue):
        # Four images of each class are in the train split, 20 x 30 pixels each, not enlarged.
        share = (np.abs(pixels.astype(int) - colour[0, 0]).max(axis=-1) <= 2).sum()
        assert share == pytest.approx(4 * 20 * 30, rel=0.02)
    # Text of both labels: dark pixels in the left column of both rows.
    assert (pixels[50:90, :170].min(axis=(1, 2)) < 100).any()
    assert (pixels[96:136, :170].min(axis=(1, 2)) < 100).any()


def test_a_contact_sheet_takes_a_class_of_any_name(write, data_dir):
    files = {f"{name}/1.png": encoded(picture()) for name in ("two\nlines", "\U0001f408")}
    assert contact_sheet(opened(write(files), data_dir)).width > 100


def test_moved_folders_are_prepared_anew(write, tmp_path):
    folder, prepared = write(class_folders(2)), tmp_path / "prepared"
    opened(folder, prepared)
    shutil.move(folder, tmp_path / "elsewhere")
    assert len(opened(tmp_path / "elsewhere", prepared).split()) == 4
