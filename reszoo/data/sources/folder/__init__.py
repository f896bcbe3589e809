"""A folder of images, one sub-folder per class, as a data set."""
