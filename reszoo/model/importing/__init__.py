"""Pretrained weights from keras.applications, timm, torchvision and files, converted exactly."""

from reszoo.model.importing.pretrained import Pretrained, load_pretrained

__all__ = ["Pretrained", "load_pretrained"]
