"""Keras models of plans: built, saved and loaded, with weights copied by row name."""

from reszoo.gc_pause import pause_gc
from reszoo.quiet_import import quiet_import

with pause_gc(), quiet_import():
    import keras  # noqa: F401

from reszoo.model.net2net.deepen import DeepenedModel
from reszoo.model.saving import LoadedModel

__all__ = ["DeepenedModel", "LoadedModel"]
