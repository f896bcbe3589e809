"""Sources of labelled images: arrays, folders, TFRecord files and TensorFlow Datasets."""
