"""The data that a network is evaluated on: opened, or a run's own opened again, and its classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reszoo.data import ImageData
from reszoo.data.dataset import nfc, numbered_classes
from reszoo.errors import UserError
from reszoo.quiet_import import quiet_import
from reszoo.runs import Run

if TYPE_CHECKING:
    from reszoo.inference.trained import TrainedModel


def open_named(data: Any, **options: Any) -> ImageData:
    """Calls `reszoo.data.open_data.open_data`, which imports TensorFlow."""
    with quiet_import():
        from reszoo.data import open_data as module

    return module.open_data(data, **options)


def no_data(found: str) -> UserError:
    """Returns the error for a network that brings no data to evaluate on."""
    return UserError(
        "say which data to evaluate on",
        expected="--data",
        found=found,
        hint="name them with --data, such as --data folder:PATH",
    )


def open_images(
    trained: TrainedModel, data: Any, skip_bad_images: bool, data_dir: Path | str | None
) -> ImageData:
    """Opens the data to evaluate on; `data=None` opens the run's own again.

    Raises:
      UserError: there are neither data nor a run, or the data cannot be opened.
    """
    if isinstance(data, ImageData):
        return data
    if data is not None:
        return open_named(data, skip_bad_images=skip_bad_images, data_dir=data_dir)
    if trained.run is None:
        raise no_data("a model alone")
    return reopen_data(trained.run)


def reopen_data(run: Run, data: Any = None) -> ImageData:
    """Opens the data of a run again, or `data` in their place where they have moved.

    Raises:
      UserError: the data were given in memory, are gone, or have changed.
    """
    record = run.data()
    if data is None and not record["reopens"]:
        raise UserError(
            f"the data of {run.path} were given in memory and cannot be opened again",
            hint="pass the data again, with --data or data=...",
        )
    try:
        images = open_named(
            record["name"] if data is None else data,
            skip_bad_images=record["skip_bad_images"],
            data_dir=record["data_dir"],
        )
    except UserError as error:
        if data is not None:
            raise
        raise UserError(
            f"the data of {run.path} cannot be opened: {error.what}",
            where=error.where,
            expected=error.expected,
            found=error.found or record["name"],
            hint="if they have moved, name them with --data, such as --data folder:PATH",
        ) from error
    # A file system may write the same names in another Unicode form.
    if list(map(nfc, record["classes"])) == list(map(nfc, images.classes)):
        images = replace(images, classes=tuple(record["classes"]))
    for key, value in (("classes", list(images.classes)), ("splits", dict(images.splits))):
        if record[key] != value:
            raise UserError(
                f"the data {images.name} have changed since {run.path} began",
                expected=f"{key} {_shorten(record[key])}",
                found=_shorten(value),
                hint="restore the data, or train a new run on the present data",
            )
    return images


def common_classes(
    outputs: int, classes: tuple[str, ...] | None, data: ImageData
) -> tuple[str, ...]:
    """Returns the class names of data and a network of `outputs` logits, in the network's order.

    Names are compared in Unicode's NFC, in any order, and the data may lack some. Numbered classes
    match any names, and so does a network whose `classes` are None.

    Raises:
      UserError: the data have classes that the network does not know.
    """
    count = len(data.classes)
    numbered = data.classes == numbered_classes(count)
    known = set(map(nfc, classes or ()))
    if classes is not None and not numbered and known.issuperset(map(nfc, data.classes)):
        return classes
    if count != outputs and not (numbered and count < outputs):
        raise UserError(
            f"the network and the data {data.name} have different classes",
            expected=f"{outputs} classes",
            found=f"{count}: {_shorten(data.classes)}",
            hint="evaluate on data of the network's classes, or train a network on these",
        )
    if numbered:
        return classes or numbered_classes(outputs)
    if classes is not None:
        raise UserError(
            f"the network and the data {data.name} have different classes",
            expected=_shorten(classes),
            found=_shorten(data.classes),
            hint="rename the data's classes as the network's, or train a network on these",
        )
    return tuple(data.classes)


def _shorten(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return text if len(text) <= 200 else text[:200] + ", ..."
