"""Weights that others trained, in our graphs: fetched, read and converted exactly."""

from reszoo.model.importing.pretrained import Pretrained, load_pretrained

__all__ = ["Pretrained", "load_pretrained"]
