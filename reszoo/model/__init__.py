"""The plan as a Keras model: built, saved and loaded, with weights that travel by row name."""

from reszoo.gc_pause import pause_gc

with pause_gc():
    import keras  # noqa: F401

from reszoo.model.net2net.deepen import DeepenedModel
from reszoo.model.saving import Loaded

__all__ = ["DeepenedModel", "Loaded"]
