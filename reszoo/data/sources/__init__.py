"""Where labelled images come from: arrays, folders, TFRecord files and TFDS."""
