"""Bytes of `.tflite` files, without TensorFlow: operators, metadata, memory plan, arena."""
