"""A helper process for `test_line_process.py`; stands for one that imports TensorFlow."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from reszoo.errors import UserError
from reszoo.runs.line_process import serve


def answer(request: Any) -> Any:
    """Does what the request asks for."""
    match request:
        case ["double", number]:
            print("noise")  # goes to stderr, not between the answers
            return 2 * number
        case "pid":
            return os.getpid()
        case "refuse":
            raise UserError("a bad request", found="refuse", hint="ask for something else")
        case "die":
            print("the last words", file=sys.stderr, flush=True)
            os._exit(7)
        case "sleep":
            time.sleep(60)
    return None


if __name__ == "__main__":
    serve(answer)
