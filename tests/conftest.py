"""What all tests share: TensorFlow keeps quiet, in this process and in those that tests start."""

import os
import signal

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# A shell that starts something in the background has it ignore Ctrl-C, which some tests send
# themselves and their children.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
