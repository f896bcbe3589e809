"""Verification of a bundle against its contract, using nothing but the bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from reszoo.data import ImageFormat
from reszoo.data.images.decoding import read_image
from reszoo.data.images.numpy_resizing import resize_in_numpy
from reszoo.errors import UserError
from reszoo.exporting.bundle_inputs import BundleInputs, inside, read_pixels
from reszoo.exporting.verification import Claim, Verification, equality
from reszoo.exporting.verified_files import onnx_claims, saved_model_claims, tflite_claims
from reszoo.inference.tflite_classifier import preprocessing_options
from reszoo.path_hints import inner_paths_hint, missing_path_hint
from reszoo.regular_files import special_kind
from reszoo.tflite.contract_file import (
    CONTRACT,
    damaged_contract,
    has_hashes,
    is_bundle,
    read_contract,
    sha256_of,
)

NOT_A_FILE = "not a file of the bundle"
"""What is found about a file that the contract does not name."""
_FILES: dict[str, Callable[[BundleInputs], Iterator[Claim]]] = {
    "tflite": tflite_claims,
    "saved_model": saved_model_claims,
    "onnx": onnx_claims,
}
_WRONG = (
    *(KeyError, TypeError, ValueError, AttributeError, IndexError, EOFError),
    *(FileNotFoundError, IsADirectoryError, NotADirectoryError),
    *(UnidentifiedImageError, Image.DecompressionBombError),
)
"""Errors from a contract whose keys, types or file names are wrong."""


def verify(bundle: str | Path) -> Verification:
    """Checks every claim of a bundle's contract, using nothing but the bundle.

        >>> import reszoo
        >>> reszoo.verify("runs/resnet8_digits-digits-1/export/mobile-int8").held  # doctest: +SKIP
        True

    The claims are the hashes and sizes of its files, their inputs, outputs, operators and arena,
    the labels, and the outputs for the golden image and the photograph. A SavedModel is checked
    with TensorFlow, a `.tflite` without it, and an ONNX file if onnxruntime or onnx is installed.

    Args:
      bundle: the bundle's folder.

    Returns:
      The claims, each with what was found. A claim that does not hold raises no error.

    Raises:
      UserError: the folder is not a bundle, or its contract is damaged or of a newer version.
    """
    folder = Path(bundle)
    if not is_bundle(folder):
        raise _no_bundle(folder)
    contract = read_contract(folder / CONTRACT)
    try:
        return Verification(folder, tuple(_claims(folder, contract)))
    except _WRONG as error:
        raise damaged_contract(folder / CONTRACT, error) from error


def _no_bundle(folder: Path) -> UserError:
    expected = f"a folder with the {CONTRACT} that `reszoo export` wrote"
    if not folder.exists():
        hint = missing_path_hint(folder)
        return UserError(f"there is no folder {folder}", expected=expected, hint=hint)
    inner = inner_paths_hint(folder, f"export/*/{CONTRACT}")
    return UserError(
        f"{folder} is not a bundle",
        expected=expected,
        found=f"no {CONTRACT} in it" if folder.is_dir() else "a file",
        hint=inner.replace(f"/{CONTRACT}", "")
        if inner
        else "give the folder of the bundle, such as RUN/export/mobile-int8",
    )


def _claims(folder: Path, contract: dict[str, Any]) -> Iterator[Claim]:
    damaged = (_damaged_files if has_hashes(contract) else _missing_files)(folder, contract)
    yield from _hash_claims(contract, damaged)
    inputs = BundleInputs(folder, contract, frozenset(damaged))
    yield from _label_claims(inputs)
    yield from _preprocessing_claims(inputs)
    yield from _photograph_claims(inputs)
    for name, entry in contract["files"].items():
        path = inside(folder, entry["path"])
        if name not in _FILES:
            yield Claim(entry["path"], None, "this version of reszoo does not support it")
        elif wrong := [file for file in damaged if (folder / file).is_relative_to(path)]:
            yield Claim(entry["path"], None, f"{wrong[0]} is {damaged[wrong[0]]}")
        else:
            yield equality(f"{entry['path']} size", _size(path), entry["bytes"], _bytes(path))
            yield from _opened(entry["path"], _FILES[name](inputs))


def _opened(name: str, claims: Iterator[Claim]) -> Iterator[Claim]:
    """Yields the claims; if the file does not open, one that does not hold."""
    try:
        yield from claims
    except UserError as error:
        yield Claim(name, False, f"{error.what}: {error.found}")


def _damaged_files(folder: Path, contract: dict[str, Any]) -> dict[str, str]:
    """Returns what is wrong with each file that is missing, changed or not part of the bundle."""
    hashes = contract["sha256"]
    there = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if not path.is_dir() and path != folder / CONTRACT
    }
    found = {}
    for name in sorted({*hashes, *there}):
        if name not in there:
            found[name] = "missing"
        elif name not in hashes:
            found[name] = NOT_A_FILE
        elif special_kind(there[name]) or not there[name].is_file():
            found[name] = "not a regular file"
        elif sha256_of(there[name]) != hashes[name]:
            found[name] = "changed (its SHA-256 differs)"
    return found


def _missing_files(folder: Path, contract: dict[str, Any]) -> dict[str, str]:
    """Returns the missing ones of the files that a contract without hashes names."""
    names = [entry["path"] for entry in contract["files"].values()]
    names += [contract["classes"]["file"], contract["example"]["image"]]
    return {name: "missing" for name in names if not inside(folder, name).exists()}


def _hash_claims(contract: dict[str, Any], damaged: dict[str, str]) -> Iterator[Claim]:
    if not has_hashes(contract):
        yield Claim("hashes", None, "the contract is of version 1, which has none")
    elif not damaged:
        yield Claim("hashes", True, f"{len(contract['sha256'])} files, none missing or changed")
    for name, what in damaged.items():
        yield Claim(name, False, what)


def _label_claims(inputs: BundleInputs) -> Iterator[Claim]:
    classes = inputs.contract["classes"]
    file = inside(inputs.folder, classes["file"])
    if classes["file"] in inputs.damaged:
        return
    names = [" ".join(name.splitlines()) for name in classes["names"]]
    lines = file.read_text(encoding="utf-8").splitlines()
    held = lines == names and len(names) == classes["count"]
    words = "" if held else ", and they are not the classes of the contract"
    yield Claim(classes["file"], held, f"{len(lines)} names{words}")


def _preprocessing_claims(inputs: BundleInputs) -> Iterator[Claim]:
    sizes = inputs.contract["preprocessing"]
    resized = [round(sizes[side] / sizes["crop"]) for side in ("height", "width")]
    text = f"covers {resized[0]} x {resized[1]} before the crop"
    yield equality("preprocessing", resized, sizes["resize_to_cover"], text)


def _photograph_claims(inputs: BundleInputs) -> Iterator[Claim]:
    photo = inputs.contract["example"].get("photograph")
    if photo is None or {photo["image"], photo["input"]} & inputs.damaged:
        return
    sizes = inputs.contract["preprocessing"]
    image_format = ImageFormat(
        sizes["height"], sizes["width"], sizes["channels"], **preprocessing_options(sizes)
    )
    claimed = read_pixels(inside(inputs.folder, photo["input"]))
    expected = (image_format.height, image_format.width, image_format.channels)
    # Before resizing: a size that is far too large would take all memory.
    if claimed.shape != expected:
        yield Claim(photo["image"], False, f"becomes {claimed.shape}, not {expected}")
        return
    pixels = resize_in_numpy(read_image(inside(inputs.folder, photo["image"])), image_format)
    difference = int(np.abs(pixels.astype(int) - claimed).max())
    # A CPU that fuses multiplication and addition may round a pixel the other way.
    words = f"becomes {photo['input']}; pixels differ by at most {difference} of 255"
    yield Claim(photo["image"], difference <= 1, words)


def _size(path: Path) -> int:
    files = [path] if not path.is_dir() else [each for each in path.rglob("*") if each.is_file()]
    return sum(file.stat().st_size for file in files if file.exists())


def _bytes(path: Path) -> str:
    return f"{_size(path):,} bytes"
