"""Data: names, folders and arrays become batches of images.

Data flows one way: `open_data` turns a word such as `folder:photos`, arrays or a `tf.data.Dataset`
into an `ImageData`; its `split` selects examples of a `Source`; a `Sampler` puts them into batches;
`Preprocessing` decodes, resizes and augments them; `batches` makes a `tf.data.Dataset` of that.
Images are decoded nowhere else in reszoo.
"""

from reszoo.data.dataset import ImageData, Split
from reszoo.data.images.resizing import ImageFormat
from reszoo.data.previews.describe import Description

__all__ = ["Description", "ImageData", "ImageFormat", "Split"]
