"""Downloads of published weights, through keras.utils.get_file and huggingface_hub.

Files are downloaded with a progress bar (on stderr), verified against their checksums and cached
atomically. A cached file is verified again before use and downloaded again if it does not match.
Links that lead out of a cache are refused with a UserError; a failed download or a full disk is a
MachineError.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import keras

from reszoo.atomic_files import atomic_file, machine_error
from reszoo.errors import MachineError, UserError
from reszoo.model.importing.weights_file import describe_error
from reszoo.visible_output import unfiltered

KERAS_FILES = {
    "resnet50": "2cb95161c43110f7111970584f804107",
    "resnet101": "f1aeb4b969a6efcfb50fad2f0c20cfc5",
    "resnet152": "100835be76be38e30d865e96f2aaae62",
    "resnet50v2": "3ef43a0b657b3be2300d5770ece849e0",
    "resnet101v2": "6343647c601c52e1368623803854d971",
    "resnet152v2": "a49b44d1979771252814e80f8ec446f9",
}
"""MD5 of each network's weights, as published by keras.applications."""

_KERAS_FOLDER = "https://storage.googleapis.com/tensorflow/keras-applications/resnet/"
_CLASS_INDEX = (
    "imagenet_class_index.json",
    "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json",
    "c2c37ea517e94d9795004a39431a14cb",
)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DISK_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS})


def keras_weights(network: str) -> Path:
    """Returns keras.applications' file of ImageNet weights, from Keras's cache or downloaded."""
    name = f"{network}_weights_tf_dim_ordering_tf_kernels.h5"
    return _keras_file(name, _KERAS_FOLDER + name, KERAS_FILES[network])


def imagenet_classes() -> tuple[str, ...] | None:
    """Returns the names of ImageNet's 1000 classes, or None if they cannot be downloaded.

    Names that occur twice (crane, maillot) are followed by their WordNet ID.
    """
    try:
        index = json.loads(_keras_file(*_CLASS_INDEX).read_text(encoding="utf-8"))
        pairs = [index[str(number)] for number in range(1000)]
    except (MachineError, OSError, ValueError, KeyError):
        return None
    counts = Counter(name for _, name in pairs)
    return tuple(name if counts[name] == 1 else f"{name} ({synset})" for synset, name in pairs)


def timm_weights(tag: str) -> tuple[Path, Path | None]:
    """Returns the files of timm's weights and their config.json, from the hub or its cache.

    Raises:
      UserError: the tag does not exist or has no safetensors.
    """
    weights = _hub_file(tag, "model.safetensors")
    try:
        return weights, _hub_file(tag, "config.json")
    except _MissingFileError:
        return weights, None


class _MissingFileError(UserError):
    """The tag exists, but not the file."""


def _keras_file(name: str, url: str, md5: str) -> Path:
    folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"
    target = folder / name
    _refuse_outside(target, folder)
    if target.is_file() and _digest(target, "md5") == md5:
        return target
    with atomic_file(target) as temporary:
        os.replace(_download(name, url, md5, temporary.parent), temporary)
    return target


def _download(name: str, url: str, md5: str, folder: Path) -> str:
    """Downloads and verifies a file, and returns its path inside the folder."""
    try:
        with contextlib.redirect_stdout(unfiltered(sys.stderr)):  # for the progress bar
            path: str = keras.utils.get_file(
                name, origin=url, file_hash=md5, hash_algorithm="md5", cache_dir=folder
            )
    except Exception as error:  # get_file raises Exception itself for network errors
        if getattr(error, "errno", None) in _DISK_ERRNOS:
            raise
        raise _download_error(name, error) from error
    return path


def _hub_file(tag: str, name: str) -> Path:
    """Returns a verified file of a tag; a damaged one in the cache is downloaded again."""
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    for force in (False, True):
        path = _from_hub(tag, name, cache, force)
        _refuse_outside(path, cache)
        blob = path.resolve()
        # The hub's cache names large files by their SHA-256.
        if not _SHA256.fullmatch(blob.name) or _digest(blob, "sha256") == blob.name:
            return path
        blob.unlink()
        path.unlink(missing_ok=True)
    raise MachineError(
        f"two downloads of timm:{tag} were damaged",
        expected="a file with the checksum that the hub reports",
        found="other bytes",
        hint="name a file with --weights FILE, downloaded in another way from the hub's page",
    )


def _from_hub(tag: str, name: str, cache: Path, force: bool) -> Path:
    import huggingface_hub as hub
    from huggingface_hub import errors

    repository = f"timm/{tag}"
    where: dict[str, Any] = {"cache_dir": cache, "library_name": "reszoo"}
    if not force:
        with contextlib.suppress(errors.LocalEntryNotFoundError):
            # The files of a tag never change, so a cached one needs no network.
            return Path(hub.hf_hub_download(repository, name, local_files_only=True, **where))
    try:
        # First, because it fails at once where a download retries for half a minute.
        hub.get_hf_file_metadata(hub.hf_hub_url(repository, name))
        path = hub.hf_hub_download(repository, name, force_download=force, **where)
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise _download_error(f"timm:{tag}", error) from error
    except (
        errors.RepositoryNotFoundError,
        errors.RevisionNotFoundError,
        errors.HFValidationError,
    ) as error:
        raise UserError(
            f"there are no weights timm:{tag}",
            expected="a model and its weights as timm lists them, such as resnet50.a1_in1k",
            found=f"nothing of that name on the hub (timm/{tag})",
            hint="choose one that timm.list_pretrained() or timm's page on the hub lists",
        ) from error
    except errors.EntryNotFoundError as error:
        raise _MissingFileError(
            f"timm:{tag} has no {name}",
            expected="weights in safetensors; pickles are never opened",
            found="only other files",
            hint="choose another tag of that model",
        ) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _DISK_ERRNOS:
            raise machine_error(error, cache) from error
        raise _download_error(f"timm:{tag}", error) from error
    return Path(path)


def _download_error(what: str, error: BaseException) -> MachineError:
    return MachineError(
        f"cannot download {what}",
        expected="a connection, or the file in the cache",
        found=describe_error(error.__cause__ or error),
        hint="connect to the network, or give a file: `--weights FILE`",
    )


def _refuse_outside(path: Path, cache: Path) -> None:
    """Refuses a link that leads out of the cache, which could pass any file off as weights."""
    if not path.resolve().is_relative_to(cache.resolve()):
        raise UserError(
            f"{path} points out of its cache and was not read",
            expected=f"a file in {cache}",
            found=f"a link to {path.resolve()}",
            hint="delete the link; the file is then downloaded again",
        )


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
