"""Folders of images, one sub-folder per class, as data sets."""
