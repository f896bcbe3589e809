"""TensorFlow Datasets: opening `tfds:NAME`, downloaded on first use."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from reszoo.data.dataset import ImageData, check_classes
from reszoo.data.sources.cache import data_folder, folder_lock, is_prepared, short_hash, tfds_folder
from reszoo.data.sources.tfrecord import TFRecordSource
from reszoo.errors import MachineError, UserError, did_you_mean
from reszoo.visible_output import unfiltered

_PROBE_SECONDS = 5
_DEFAULT_HOST = "https://storage.googleapis.com"


def open_tfds(word: str, data_dir: str | os.PathLike[str] | None) -> ImageData:
    """Opens `tfds:NAME[/CONFIG][:VERSION]`, downloading and preparing it on first use.

    Raises:
      UserError: the data set does not exist, or does not hold labelled images.
      MachineError: it cannot be downloaded, or there is no space.
    """
    builder = _builder(word, word.removeprefix("tfds:"), tfds_folder(data_dir))
    image, label = _feature_names(word, builder.info)
    if not is_prepared(builder):
        _download(word, builder)
    return _image_data(word, builder, image, label, data_folder(data_dir))


def _builder(word: str, name: str, folder: Path) -> Any:
    if "://" in str(folder):
        raise UserError(
            "prepared data must be in a local folder",
            found=str(folder),
            hint="set RESZOO_DATA to a folder of this machine, and copy prepared data there",
        )
    try:
        return tfds.builder(name, data_dir=str(folder))
    except tfds.core.DatasetNotFoundError:
        known = tfds.list_builders(with_community_datasets=False)
        base_name = name.split("/")[0].split(":")[0]
        raise UserError(
            f"TensorFlow Datasets has no data set '{base_name}'",
            where=word,
            hint=did_you_mean(base_name, known)
            or "choose a name from https://www.tensorflow.org/datasets/catalog/overview",
        ) from None
    except (ValueError, AssertionError) as error:
        raise UserError(
            f"cannot open {word}: {_shorten_error(error)}",
            expected="tfds:NAME, tfds:NAME/CONFIG or tfds:NAME/CONFIG:VERSION",
            hint=f"write tfds:{re.split('[/:]', name)[0]}: its default configuration and version",
        ) from None
    except ImportError as error:
        raise _missing_package(word, error) from error


def _feature_names(word: str, info: Any) -> tuple[str, str]:
    """Returns the names of the features that hold the image and its class."""
    features = info.features
    if isinstance(features, tfds.features.FeaturesDict):
        images = [k for k, f in features.items() if isinstance(f, tfds.features.Image)]
        labels = [k for k, f in features.items() if isinstance(f, tfds.features.ClassLabel)]
        supervised = info.supervised_keys or ()
        pair = tuple(
            next((k for k in keys if k in supervised), (keys or [""])[0])
            for keys in (images, labels)
        )
        if all(pair) and features[pair[0]].np_dtype == np.uint8:
            return pair[0], pair[1]
    raise UserError(
        f"{word} does not hold labelled images",
        expected="a data set with an 8-bit image and a class label",
        found=f"features {', '.join(features) if hasattr(features, 'items') else features}",
        hint="choose a data set for image classification: "
        "https://www.tensorflow.org/datasets/catalog/overview",
    )


def _download(word: str, builder: Any) -> None:
    """Downloads and prepares a data set, after checking the network."""
    for url in _hosts(builder):
        _probe(word, url)
    folder = Path(builder.data_dir)
    try:
        # TensorFlow Datasets prints to standard output, which is reserved for results.
        # Its bars move on the terminal.
        bars = unfiltered(sys.stderr)
        with (
            folder_lock(folder.parent),
            contextlib.redirect_stdout(bars),
            contextlib.redirect_stderr(bars),
        ):
            builder.download_and_prepare(file_format="tfrecord")
    except ImportError as error:
        raise _missing_package(word, error) from error
    except Exception as error:  # The errors of requests, TensorFlow and TFDS have no common base.
        raise MachineError(
            f"cannot download and prepare {word}: {_shorten_error(error)}",
            where=str(folder),
            hint="run the command again when the network or disk named above works",
        ) from error


def _hosts(builder: Any) -> list[str]:
    """Returns the first host of the data set's downloads, in a list."""
    urls = list(builder.url_infos or {}) or [_DEFAULT_HOST]
    parts = [urllib.parse.urlsplit(url) for url in urls]
    hosts = [f"{part.scheme}://{part.netloc}" for part in parts if part.scheme in ("http", "https")]
    return list(dict.fromkeys(hosts))[:1]


def _probe(word: str, url: str) -> None:
    """Checks that a host answers: without a network TFDS itself retries for minutes."""
    request = urllib.request.Request(url, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=_PROBE_SECONDS).close()
    except urllib.error.HTTPError:
        return  # An answer.
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise MachineError(
            f"{word} is not on this machine and {url} cannot be reached to download it ({reason})",
            hint="connect to a network, or prepare the data elsewhere and set RESZOO_DATA to them",
        ) from None


def _image_data(word: str, builder: Any, image: str, label: str, cache: Path) -> ImageData:
    info = builder.info
    if info.file_format != tfds.core.FileFormat.TFRECORD:
        raise UserError(
            f"{word} was prepared as {info.file_format.value}",
            where=str(builder.data_dir),
            expected="TFRecord files",
            hint="set RESZOO_DATA to another folder, where it is prepared again",
        )
    check_classes(
        info.features[label].num_classes or 0, word, hint="name a data set of two classes or more"
    )
    classes = tuple(info.features[label].names)
    height, width, channels = info.features[image].shape
    # RGBA (4 channels) loses its alpha.
    decoded = 1 if channels == 1 else 3
    splits = {name: split.num_examples for name, split in info.splits.items() if split.num_examples}
    paths = [Path(path) for name in splits for path in info.splits[name].filepaths]
    index = short_hash(builder.data_dir, info.dataset_size, splits)
    return ImageData(
        name=word,
        classes=classes,
        source=TFRecordSource(
            paths,
            channels=decoded,
            decode_channels=decoded,
            image_feature=image,
            label_feature=label,
            index_file=cache / "indices" / f"{index}.npz",
        ),
        splits=splits,
        smallest=(height, width) if height and width else None,
    )


def _missing_package(word: str, error: ImportError) -> MachineError:
    package = error.name or str(error)
    return MachineError(f"{word} needs the package '{package}'", hint=f"pip install {package}")


def _shorten_error(error: BaseException) -> str:
    """Shortens an error of TensorFlow Datasets: without its prefix and its lists."""
    text = str(error).split("builder_kwargs", 1)[-1].split('}": ', 1)[-1]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines[0].split(" Here are ")[0] if lines else type(error).__name__)[:300]
