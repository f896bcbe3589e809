"""The input pipeline: sampling, preprocessing, tf.data and tf.data service."""
