"""Data: names, folders and arrays become batches of images.

Data flows one way: `open_data` turns a word such as `folder:photos`, arrays or a `tf.data.Dataset`
into an `ImageData`; its `split` selects examples of a `Source`; a `Sampler` puts them into batches;
`Preprocessing` decodes, resizes and augments them; `batches` makes a `tf.data.Dataset` of that.
Images are decoded nowhere else in reszoo.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reszoo.data.dataset import ImageData, Split
from reszoo.data.images.image_format import ImageFormat
from reszoo.lazy import lazy_exports

if TYPE_CHECKING:
    from reszoo.data.previews.describe import Description

__all__ = ["Description", "ImageData", "ImageFormat", "Split"]

# It needs TensorFlow, which the prediction with a .tflite file does without.
__getattr__ = lazy_exports(__name__, {"Description": "reszoo.data.previews.describe"})
