"""Batches of images: sampling, preprocessing, tf.data and tf.data service."""
