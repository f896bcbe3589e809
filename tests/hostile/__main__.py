"""Makes and reads all hostile files in one process.

`python -m tests.hostile FOLDER` works in a new folder and writes `answers.json` there: by row the
exit code, what was printed or read, and the MiB by which the process's largest memory grew.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


from reszoo.errors import ReszooError
from tests.hostile import arrays, exports, networks, pictures, runs, specs
from tests.hostile.rows import CommandFailed, Row

MOST_SECONDS = 20


def rows() -> list[Row]:
    """Returns all rows; names are unique."""
    tables = (pictures, arrays, specs, networks, runs, exports)
    return [row for table in tables for row in table.ROWS]


def answer(row: Row, folder: Path) -> dict[str, Any]:
    """Makes a row's file in the folder, reads it, and says what happened."""
    folder.mkdir()
    path = Path(os.fsdecode(os.path.join(os.fsencode(folder), os.fsencode(row.file))))
    row.make(path)
    before = peak()
    signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)
    try:
        code, text = 0, str(row.read(path))
    except ReszooError as error:
        code, text = error.exit_code, f"error: {error}"
    except CommandFailed as error:
        code, text = error.args
    except Exception as error:  # Reported by the test, with all other rows.
        code, text = 1, f"error: unexpected {type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return {"code": code, "text": text, "mebibytes": peak() - before}


def give_up(*_: object) -> None:
    raise TimeoutError(f"no answer after {MOST_SECONDS} seconds")


def peak() -> int:
    """Returns the largest memory of this process so far, in MiB."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size >> 20 if sys.platform == "darwin" else size >> 10


if __name__ == "__main__":
    root = Path(sys.argv[1])
    os.chdir(root)
    signal.signal(signal.SIGALRM, give_up)
    answers = {}
    for number, row in enumerate(rows()):
        print(row.name, file=sys.stderr, flush=True)  # the last one, should this process crash
        answers[row.name] = answer(row, root / str(number))
    (root / "answers.json").write_text(json.dumps(answers))
