"""Opening data: a word, arrays or a `tf.data.Dataset` becomes an `ImageData`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from reszoo.data.data_word import WORDS, check_data_word
from reszoo.data.dataset import ImageData, check_classes, numbered_classes
from reszoo.data.fingerprint import Fingerprint
from reszoo.data.sources.arrays import ArraySource, from_arrays, from_dataset
from reszoo.data.sources.cache import data_folder, is_prepared, prepare, prune, short_hash, touch
from reszoo.data.sources.digits import digits, digits_dataset_builder
from reszoo.data.sources.folder import folder_dataset_builder
from reszoo.data.sources.folder.broken_files import BrokenFile, broken_files_error
from reszoo.data.sources.folder.image_check import CheckedImages, check_images, contents_hashes
from reszoo.data.sources.folder.listing import FolderListing, list_folder
from reszoo.data.sources.folder.table import list_table
from reszoo.data.sources.tfds import open_tfds
from reszoo.data.sources.tfrecord import TFRecordSource
from reszoo.errors import UserError

IN_MEMORY = "arrays"
"""The name of data that were given in memory, which no word opens again."""
_MAX_LISTED = 5

Pair = tuple[Any, Any]
Data: TypeAlias = "str | Pair | tf.data.Dataset | Mapping[str, Any] | ImageData"


def open_data(
    data: Data,
    *,
    seed: int = 0,
    skip_bad_images: bool = False,
    data_dir: str | os.PathLike[str] | None = None,
) -> ImageData:
    """Opens a data set.

    Args:
      data: `"digits"` (built in); `"folder:PATH"` (class folders); `"csv:FILE"` (a table of files
        and labels); `"tfds:NAME/CONFIG:VERSION"`; a pair `(x, y)` of arrays or a `tf.data.Dataset`
        of (image, label), which become the split `train`; a pair of these (train and test, as
        `keras.datasets.mnist.load_data()` returns), or a mapping of them by split name. Images
        are uint8 or float 0..255.
      seed: chooses the test images of a folder without a test split. Use the same one for training
        and evaluation, or the network is evaluated on images it was trained on.
      skip_bad_images: leave unreadable images of a folder out (they are listed in
        `ImageData.skipped`) instead of raising.
      data_dir: where prepared data are kept. Defaults to the cache described in
        `reszoo.data.sources.cache`.

    Raises:
      UserError: the data are missing, empty, of a single class, broken or of another type.
      MachineError: they cannot be downloaded, or prepared data cannot be written.
    """
    if isinstance(data, ImageData):
        return data
    if isinstance(data, str):
        return _open_word(data, seed, skip_bad_images, data_dir)
    if isinstance(data, Mapping):
        return _in_memory(data)
    if isinstance(data, tf.data.Dataset):
        return _in_memory({"train": data})
    if isinstance(data, (tuple, list)) and len(data) == 2:
        if all(_is_split(part) for part in data):
            return _in_memory({"train": data[0], "test": data[1]})
        return _in_memory({"train": tuple(data)})
    raise UserError(
        "unsupported data",
        expected=f"{WORDS}, arrays (x, y), or a tf.data.Dataset",
        found=type(data).__name__,
        hint="pass a word such as 'folder:PATH', or the pair (images, labels) as arrays",
    )


def _open_word(
    word: str, seed: int, skip: bool, data_dir: str | os.PathLike[str] | None
) -> ImageData:
    check_data_word(word)
    if word == "digits":
        return _open_digits(data_folder(data_dir))
    kind, _, rest = word.partition(":")
    if kind == "folder":
        return _open_listing(word, list_folder(rest, seed), skip, data_folder(data_dir))
    if kind == "csv":
        return _open_listing(word, list_table(rest, seed), skip, data_folder(data_dir))
    return open_tfds(word, data_dir)


def _open_digits(folder: Path) -> ImageData:
    make = partial(digits_dataset_builder.DigitsBuilder, data_dir=str(folder))
    builder = prepare(make, folder / "digits")
    return ImageData(
        name="digits",
        classes=digits.CLASSES,
        source=TFRecordSource(
            _paths(builder), channels=1, decode_channels=1, examples=sum(_splits(builder).values())
        ),
        splits=_splits(builder),
        smallest=(8, 8),
        facts={"shared": []},
    )


def _open_listing(word: str, listing: FolderListing, skip: bool, cache: Path) -> ImageData:
    root, origin = listing.root.resolve(), listing.origin.resolve()
    # TensorFlow Datasets takes no path that is not UTF-8; the hash tells such folders apart.
    shown = origin.name.encode(errors="replace").decode() or "root"
    folder = cache / "folders" / f"{shown}-{short_hash(origin)}" / listing.fingerprint
    make = partial(
        folder_dataset_builder.FolderBuilder, listing=listing, checked=None, data_dir=str(folder)
    )
    builder = make()
    if not is_prepared(builder):
        checked = check_images(listing)
        # Before anything is written, so that an error leaves nothing behind.
        _require_readable(listing, checked, skip)
        builder = prepare(partial(make, checked=checked), folder)
        prune(folder.parent, keep=folder)
    touch(folder)
    # What the fingerprint does not cover is as it is now.
    facts = dict(builder.info.metadata) | {
        "passed_over": listing.passed_over,
        "ignored_links": list(listing.ignored_links),
    }
    broken = tuple(BrokenFile(path, reason) for path, reason in facts["broken"])
    if broken and not skip:
        raise _broken_error(listing, broken)
    return ImageData(
        name=word,
        classes=listing.classes,
        source=TFRecordSource(
            _paths(builder),
            channels=int(facts["channels"]),
            root=root,
            embedded=bool(facts["embedded"]),
            index_file=folder / "index.npz",
            examples=sum(_splits(builder).values()),
        ),
        splits=_splits(builder),
        skipped=broken,
        smallest=(int(facts["smallest"][0]), int(facts["smallest"][1])),
        facts=facts,
        fingerprint=Fingerprint(
            {
                file.path: (file.size, file.modified_ns)
                for files in listing.splits.values()
                for file in files
            },
            partial(contents_hashes, listing, folder / "hashes.json"),
        ),
    )


def _require_readable(listing: FolderListing, checked: CheckedImages, skip: bool) -> None:
    if checked.broken and not skip:
        raise _broken_error(listing, checked.broken)
    first, *others = listing.splits
    # A split that is not trained on may lack classes, but not all.
    needed = {first: set(range(len(listing.classes)))} | {split: set() for split in others}
    for split, labels in needed.items():
        readable = {file.label for file, _ in checked.splits[split]}
        unreadable = sorted(labels - readable)
        if unreadable or not readable:
            names = ", ".join(listing.classes[label] for label in unreadable) or "any class"
            what, where = f"no readable images of {names}", f"{listing.root}, {split}"
            raise UserError(what, where=where, hint="replace the broken images")


def _broken_error(listing: FolderListing, broken: Sequence[BrokenFile]) -> UserError:
    total = sum(len(files) for files in listing.splits.values())
    return broken_files_error(broken, total, str(listing.root))


def _splits(builder: Any) -> dict[str, int]:
    splits = builder.info.splits
    order = [name for name in ("train", "validation", "test") if name in splits]
    return {name: splits[name].num_examples for name in order}


def _paths(builder: Any) -> list[Path]:
    splits = builder.info.splits
    return [Path(path) for name in _splits(builder) for path in splits[name].filepaths]


def _is_split(part: Any) -> bool:
    """Returns whether a value is one split: a dataset or a pair (x, y), not any list of two."""
    if isinstance(part, (tuple, list)) and len(part) == 2:
        return np.ndim(part[0]) >= 3 and np.ndim(part[1]) in (1, 2)
    return isinstance(part, tf.data.Dataset)


def _in_memory(parts: Mapping[str, Any]) -> ImageData:
    """Joins splits of arrays or datasets into one source."""
    sources: dict[str, ArraySource] = {}
    class_names: dict[str, tuple[str, ...] | None] = {}
    for split, part in parts.items():
        if isinstance(part, tf.data.Dataset):
            sources[split], class_names[split] = from_dataset(part, split)
        elif isinstance(part, (tuple, list)) and len(part) == 2:
            sources[split], class_names[split] = from_arrays(part[0], part[1], split)
        else:
            raise UserError(
                "unsupported data for a split",
                where=split,
                expected="arrays (x, y) or a tf.data.Dataset",
                found=type(part).__name__,
                hint="pass the pair (images, labels) as arrays",
            )
    classes = _joint_names(sources, class_names)
    joined = ArraySource.concatenate(list(sources.values()))
    where = ", ".join(parts)
    count = len(classes or ()) or int(joined.labels.max()) + 1
    check_classes(min(count, len(np.unique(joined.labels))), where)
    check_classes(count, where)
    height, width = joined.sizes.min(axis=0).tolist()
    return ImageData(
        name=IN_MEMORY,
        classes=classes or numbered_classes(count),
        source=joined,
        splits={split: len(source) for split, source in sources.items()},
        smallest=(height, width),
        fingerprint=_fingerprint(joined),
    )


def _fingerprint(source: ArraySource) -> Fingerprint:
    """Returns the fingerprint of images in memory, by their numbers."""

    def hashes() -> dict[str, str]:
        return {f"image {number}": digest.hex() for number, digest in enumerate(source.digests())}

    sizes = source.sizes.prod(axis=1).tolist()
    files = {f"image {number}": (size, None) for number, size in enumerate(sizes)}
    return Fingerprint(files, hashes)


def _joint_names(
    sources: dict[str, ArraySource], names: Mapping[str, tuple[str, ...] | None]
) -> tuple[str, ...] | None:
    """Returns the names of the first split's classes, as which the others are numbered."""
    (first, classes), *others = names.items()
    for other, own in others:
        extra = sorted(set(own or ()) - set(classes or ()))
        if (own is None) != (classes is None) or extra:
            raise UserError(
                f"{other} has classes that {first} lacks",
                where=", ".join(names),
                expected="names of the same classes, or numbers, as labels of all splits",
                found=", ".join(extra[:_MAX_LISTED]) or "names in one split, numbers in the other",
                hint=f"add examples of these classes to {first}, or leave them out of {other}"
                if extra and classes is not None
                else "label all splits in the same way",
            )
        if own is not None and classes is not None:
            sources[other] = sources[other].renumbered([classes.index(name) for name in own])
    return classes
