"""Data names, folders and arrays become batches of images; only here are images decoded."""

from reszoo.data.dataset import ImageData, Split
from reszoo.data.images.resizing import ImageFormat
from reszoo.data.previews.describe import Description

__all__ = ["Description", "ImageData", "ImageFormat", "Split"]
