"""A table of files, labels and splits is the same data as the folder with those files."""

import numpy as np
import pytest

from reszoo.data import ImageFormat
from reszoo.data.open_data import open_data
from reszoo.data.pipeline.batches import batches
from reszoo.data.sources.folder.listing import list_folder
from reszoo.data.sources.folder.table import list_table
from reszoo.data.sources.plain_files import open_plain_files
from reszoo.errors import UserError
from tests.data.conftest import class_folders


def table(folder, text, name="table.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def rows(files, columns="file,label,split"):
    """A table of files in folders SPLIT/CLASS/."""
    lines = [f"{file},{file.split('/')[1]},{file.split('/')[0]}" for file in sorted(files)]
    return "\n".join([columns, *lines])


def pixels(split):
    part = next(iter(batches(split, ImageFormat(8, 9, 3), batch_size=99).as_numpy_iterator()))
    return sorted((image.tobytes(), int(label)) for image, label in zip(*part[:2], strict=True))


def test_a_table_has_the_images_labels_and_splits_of_the_folder(write, data_dir):
    files = class_folders(3)
    folder = write(files)
    data = open_data(f"csv:{table(folder, rows(files))}", data_dir=data_dir)
    other = open_data(f"folder:{folder}", data_dir=data_dir)
    assert (data.classes, dict(data.splits)) == (other.classes, dict(other.splits))
    for split in data.splits:
        assert pixels(data.split(split)) == pixels(other.split(split))
    plain = open_plain_files(f"csv:{folder / 'table.csv'}", "test")
    assert plain is not None and plain.classes == data.classes
    assert plain.source.labels.tolist() == [0, 0, 0, 1, 1, 1] * 2


def test_two_tables_of_one_folder_keep_their_prepared_data(write, data_dir):
    files = class_folders(2)
    folder = write(files)
    first = table(folder, rows(files), "a.csv")
    second = table(folder, rows([name for name in files if name.endswith("0.png")]), "b.csv")
    counts = [
        dict(open_data(f"csv:{path}", data_dir=data_dir).splits) for path in (first, second, first)
    ]
    assert counts == [{"train": 4, "test": 4}, {"train": 2, "test": 2}, {"train": 4, "test": 4}]


@pytest.mark.parametrize(
    "text",
    [
        "Label;Filename\ncat;{0}\ndog;{1}\n",
        "\ufefffile\tclass\tremark\n{0}\tcat\t\n{1}\tdog\tblurred, dark\n\n",
        'path,category\r\n"{0}",cat\r\n"{1}",dog\r\n',
    ],
)
def test_columns_are_found_by_name_whatever_separates_them(write, text):
    folder = write({"black, white.png": b"x", "b.png": b"x"})
    first, second = "black, white.png", "b.png"
    listing = list_table(table(folder, text.format(first, second)))
    assert listing.classes == ("cat", "dog")
    assert {file.path: file.label for file in listing.splits["train"]} == {first: 0, second: 1}


def test_without_test_rows_a_fifth_is_drawn_as_from_a_folder(write):
    files = class_folders(10, ("",))
    folder = write(files)
    lines = [f"{name},{name.split('/')[0]}" for name in sorted(files)]
    listing = list_table(table(folder, "\n".join(["file,label", *lines])), seed=3)
    expected = list_folder(folder, seed=3)
    assert {split: [file.path for file in files] for split, files in listing.splits.items()} == {
        split: [file.path for file in files] for split, files in expected.splits.items()
    }


def test_labels_that_are_numbers_are_ordered_by_value(write):
    folder = write({f"{number}.png": b"x" for number in (2, 10, 1)})
    text = "file,label\n2.png,2\n10.png,10\n1.png,1\n"
    assert list_table(table(folder, text)).classes == ("1", "2", "10")


def test_paths_may_lead_out_of_the_folder_of_the_table(write):
    folder = write({"a.png": b"x", "b.png": b"x", "lists/here": b""})
    text = f"file,label\n../a.png,cat\n{folder / 'b.png'},dog\n"
    listing = list_table(table(folder / "lists", text))
    assert {(listing.root / file.path).resolve().name for file in listing.splits["train"]} == {
        "a.png",
        "b.png",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column of files"),
        ("file,label\n", "no images"),
        ("file,colour\na.png,red\n", "no column of labels"),
        ("file,label\na.png,cat\n,dog\n", "a line without a file"),
        ("file,label\na.png,cat\nb.png\n", "a line without a label"),
        ("file,label,split\na.png,cat,train\nb.png,dog,tests\n", "no split 'tests'"),
        ("file,label\na.png,cat\n./a.png,dog\n", "listed twice"),
        ("file,label\na.png,cat\nb.png,cat\n", "fewer than two classes"),
        ("file,label\na.png,cat\nnone.png,dog\n", r"none.png \(line 3\)"),
        ("file,label,split\na.png,cat,train\nb.png,dog,test\n", "1 class without training images"),
        ('file,label\na.png,"cat"s\nb.png,dog\n', "not a CSV file"),
    ],
)
def test_a_wrong_table_is_refused(write, text, message):
    folder = write({"a.png": b"x", "b.png": b"x"})
    with pytest.raises(UserError, match=message):
        list_table(table(folder, text))


def test_a_table_of_another_encoding_is_refused(write):
    folder = write({"a.png": b"x"})
    with pytest.raises(UserError, match="not UTF-8"):
        list_table(table(folder, "file,label\na.png,Käfer\n", encoding="latin-1"))


def test_a_missing_table_is_refused(tmp_path):
    with pytest.raises(UserError, match="there is no file"):
        open_data(f"csv:{tmp_path / 'none.csv'}")
    with pytest.raises(UserError, match="is a folder"):
        open_data(f"csv:{tmp_path}")


def test_nothing_is_read_as_numbers_but_labels(write):
    folder = write({"01.png": b"x", "1.png": b"x"})
    listing = list_table(table(folder, "file,label\n01.png,a\n1.png,b\n"))
    assert np.array([file.label for file in listing.splits["train"]]).tolist() == [0, 1]
