"""What is no class does not become one, and what belongs elsewhere does not enter a class."""

from __future__ import annotations

import os
import unicodedata

import numpy as np
import pytest

from reszoo.data.open_data import open_data
from reszoo.data.previews.findings import findings
from reszoo.data.sources.folder.listing import list_folder
from reszoo.errors import UserError
from tests.data.conftest import class_folders, encoded, picture

SYSTEM = (
    *("__MACOSX", "$RECYCLE.BIN", "System Volume Information", "lost+found", "@eaDir", "#recycle"),
    *(".ipynb_checkpoints", ".Trash-1000", ".Trashes", ".git", ".dvc", ".AppleDouble", "RECYCLER"),
    *("@Recycle", "#snapshot", "__pycache__", ".snapshot", ".thumbnails", ".cache"),
)


def paths(listing):
    return sorted(file.path for files in listing.splits.values() for file in files)


@pytest.mark.parametrize("name", SYSTEM)
@pytest.mark.parametrize("splits", [("train", "test"), ("",)])
def test_a_system_folder_is_no_class_and_enters_none(write, name, splits):
    files = class_folders(3, splits)
    expected = paths(list_folder(write(files, "clean")))
    beside = {f"{split}/{name}/a.png".lstrip("/"): b"" for split in (*splits, "")}
    inside = {f"{split}/cat/{name}/a.png".lstrip("/"): b"" for split in splits}
    thumbs = {f"{split}/cat/Thumbs.db".lstrip("/"): b"" for split in splits}
    listing = list_folder(write(files | beside | inside | thumbs))
    assert (listing.classes, paths(listing), listing.passed_over) == (("cat", "dog"), expected, 0)


def test_links_to_folders_of_others_are_passed_over_and_named(write, tmp_path):
    folder = write(class_folders(3))
    expected = paths(list_folder(folder))
    targets = {
        "root": folder,
        "above": tmp_path,
        "split": folder / "train",
        "dog": folder / "train/dog",
        "other_split": folder / "test/cat",
        "itself": folder / "train/cat",
    }
    for name, target in targets.items():
        (folder / "train/cat" / name).symlink_to(target)
    (folder / "train/kitty").symlink_to("cat")
    listing = list_folder(folder)
    assert paths(listing) == expected
    assert listing.classes == ("cat", "dog")
    named = [f"train/cat/{name}" for name in targets]
    assert sorted(listing.ignored_links) == sorted([*named, "train/kitty"])


def test_links_to_files_and_to_folders_elsewhere_are_followed_once(write, tmp_path, data_dir):
    store = write({"a/1.png": encoded(picture(1)), "a/2.png": encoded(picture(2))}, "store")
    folder = write(class_folders(2, ("",)))
    (folder / "cat/more").symlink_to(store / "a")
    (folder / "dog/again").symlink_to(store)
    (folder / "bird").symlink_to(write({"b/3.png": encoded(picture(3))}, "birds") / "b")
    (folder / "cat/one.png").symlink_to(folder / "dog/0.png")  # As deduplicating stores do.
    listing = list_folder(folder)
    assert listing.classes == ("bird", "cat", "dog")
    assert {"bird/3.png", "cat/more/1.png", "cat/more/2.png", "cat/one.png"} < set(paths(listing))
    assert listing.ignored_links == ("dog/again/a",)
    note = findings(open_data(f"folder:{folder}", data_dir=data_dir))[0]
    assert note.startswith("1 link to a folder was not followed")
    assert "dog/again/a" in note


NAME = "caf\u00e9"


def test_names_that_differ_in_unicode_form_alone_are_one_class_of_two_splits(write, data_dir):
    nfd = unicodedata.normalize("NFD", NAME)
    folder = write(
        {f"train/{name}/{n}.png": encoded(picture(n)) for name in (NAME, "tea") for n in range(3)}
        | {f"test/{name}/{n}.png": encoded(picture(n + 9)) for name in (nfd, "tea") for n in (1, 2)}
    )
    if len(os.listdir(folder / "test")) != 2:
        pytest.skip("this file system has one form of names")
    data = open_data(f"folder:{folder}", data_dir=data_dir)
    assert data.classes == (NAME, "tea")
    assert data.split("test").counts == (2, 2)
    (folder / "train" / nfd).mkdir()
    with pytest.raises(UserError, match="look alike") as caught:
        open_data(f"folder:{folder}", data_dir=data_dir)
    assert r"'caf\xe9' and 'cafe\u0301'" in str(caught.value)


def test_classes_in_another_order_are_renumbered_by_name(write, data_dir):
    data = open_data(f"folder:{write(class_folders(4))}", data_dir=data_dir)
    other = data.with_class_order(("dog", "bird", "cat"))
    assert other.split("test").counts == (4, 0, 4)
    before = data.source.load(data.split("test").indices)["label"].numpy()
    after = other.source.load(data.split("test").indices)["label"].numpy()
    assert after.tolist() == np.array([2, 0])[before].tolist()
    assert data.with_class_order(data.classes) is data


def test_a_picture_in_two_splits_is_counted_and_named(write, data_dir):
    files = class_folders(4)
    files["test/dog/same.png"] = files["train/cat/0.png"]
    files["test/cat/same.bmp"] = encoded(picture(1, 8, 9), "BMP")  # Pixels of train/*/1.png.
    files["train/cat/1.png"] = encoded(picture(1, 8, 9))
    files = {n: c for n, c in files.items() if n not in ("train/dog/0.png", "train/dog/1.png")}
    (note,) = findings(open_data(f"folder:{write(files)}", data_dir=data_dir))
    assert note.startswith("2 images outside train equal one in train pixel by pixel")
    assert "test/dog/same.png = train/cat/0.png" in note
    assert "test/cat/same.bmp = train/cat/1.png" in note


def test_a_picture_in_two_splits_of_arrays_is_counted():
    images = np.stack([picture(n, 8, 8) for n in range(8)])
    labels = np.arange(8) % 2
    arrays = {"train": (images[:6], labels[:6]), "test": (images[4:], labels[4:])}
    (note,) = findings(open_data(arrays))
    assert "2 images outside train" in note
    assert "test[0] = train[4], test[1] = train[5]" in note
    assert findings(open_data({"train": (images, labels)})) == []


@pytest.mark.parametrize("top", [1, 10**9])
def test_classes_are_counted_before_they_are_named(top):
    images, labels = np.zeros((4, 8, 8, 3), np.uint8), np.array([0, top, 0, top])
    if top == 1:
        assert open_data((images, labels)).classes == ("0", "1")
        return
    with pytest.raises(UserError, match=r"1,000,000,001 classes .* are too many"):
        open_data((images, labels))
    again = np.unique(labels, return_inverse=True)[1]  # As the error says.
    assert len(open_data((images, again)).classes) == 2


def test_a_test_split_may_lack_a_class_but_training_may_not(write, data_dir):
    files = class_folders(3)
    lacking = {n: c for n, c in files.items() if not n.startswith("test/cat")}
    data = open_data(f"folder:{write(lacking)}", data_dir=data_dir)
    assert data.split("test").counts == (0, 3)
    assert findings(data) == ["test has no images of cat"]
    hollow = {n: c for n, c in files.items() if not n.startswith("train/cat")}
    folder = write(hollow | {"train/cat/readme.txt": b"", "train/bird/0.png": encoded(picture(5))},
                   "hollow")  # fmt: skip
    with pytest.raises(UserError, match=r"test has classes that train lacks|without images"):
        open_data(f"folder:{folder}", data_dir=data_dir)
    (folder / "train/cat/0.png").write_bytes(encoded(picture(7)))  # As the error says.
    assert open_data(f"folder:{folder}", data_dir=data_dir).classes == ("bird", "cat", "dog")


def test_class_names_that_are_not_utf8_are_refused(write, data_dir):
    folder = write({f"tea/{n}.png": encoded(picture(n)) for n in range(3)})
    latin = os.fsencode(folder) + b"/caf\xe9"
    try:
        os.mkdir(latin)
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    for n in range(3):
        with open(latin + b"/%d.png" % n, "wb") as file:
            file.write(encoded(picture(n + 5)))
    with pytest.raises(UserError, match="class folder is not UTF-8") as caught:
        open_data(f"folder:{folder}", data_dir=data_dir)
    assert caught.value.found == r"b'caf\xe9'"
