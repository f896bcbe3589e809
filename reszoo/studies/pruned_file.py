"""The file that the lesion study writes: its name, and what it may replace."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from reszoo import spec
from reszoo.errors import UserError
from reszoo.spec.saved_spec import saved_spec


def check_pruned_file(file: Path, name: str) -> None:
    """Checks that the pruned network may be written to a file.

    Args:
      file: a new file, or one that holds this network without some of its blocks.
      name: name of the network that is pruned.

    Raises:
      UserError: the file is another one, or does not end in `.keras`.
    """
    if file.suffix != ".keras":
        raise UserError(
            f"{file} is no name of a network",
            where="--write",
            expected="a name that ends in .keras",
            found=str(file),
            hint=f"--write {file.stem or 'pruned'}.keras",
        )
    if not file.exists():
        return
    title = ""  # that of `remove_blocks`, if there is one
    with contextlib.suppress(UserError):
        title = spec.load(saved_spec(str(file))).title or ""
    if not re.fullmatch(rf"{re.escape(name)} without \d+ of its blocks", title):
        raise UserError(
            f"{file} is not a network that this study wrote, so it is not replaced",
            where="--write",
            expected="a new file",
            found=title or "another file",
            hint=f"name another file: --write {file.with_stem(f'{file.stem}_2')}",
        )
