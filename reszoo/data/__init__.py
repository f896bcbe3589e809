"""Data: names, folders and arrays become batches of images.

Data flows one way: `open_data` turns a word such as `folder:photos`, arrays or a `tf.data.Dataset`
into an `ImageData`; its `split` selects examples of a `Source`; a `Sampler` puts them into batches;
`Preprocessing` decodes, resizes and augments them; `batches` makes a `tf.data.Dataset` of that.
Images are decoded nowhere else in reszoo.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from reszoo.data.dataset import ImageData, Split
from reszoo.data.images.image_format import ImageFormat

if TYPE_CHECKING:
    from reszoo.data.previews.describe import Description

__all__ = ["Description", "ImageData", "ImageFormat", "Split"]


def __getattr__(name: str) -> Any:
    if name != "Description":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # It needs TensorFlow, which the prediction with a .tflite file does without.
    return importlib.import_module("reszoo.data.previews.describe").Description
