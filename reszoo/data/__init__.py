"""Data names, folders and arrays become batches of images; only here are images decoded."""

from reszoo.data.augmented_sheet import augmented_sheet
from reszoo.data.contact_sheet import contact_sheet
from reszoo.data.dataset import ImageData, Split
from reszoo.data.describe import Description, describe
from reszoo.data.geometry import Geometry, evaluation_geometry, to_geometry, training_geometry
from reszoo.data.holdout import stratified_holdout
from reszoo.data.images import read_image
from reszoo.data.opening import open_data
from reszoo.data.pipeline import batches

__all__ = [
    "Description",
    "Geometry",
    "ImageData",
    "Split",
    "augmented_sheet",
    "batches",
    "contact_sheet",
    "describe",
    "evaluation_geometry",
    "open_data",
    "read_image",
    "stratified_holdout",
    "to_geometry",
    "training_geometry",
]
