"""What all tests share: TensorFlow keeps quiet, in this process and in those that tests start."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
