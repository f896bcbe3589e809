"""Words that name data, such as `digits` and `folder:PATH`, checked without TensorFlow."""

from __future__ import annotations

import os

from reszoo.data.sources.folder.folder_layout import require_folder
from reszoo.data.sources.folder.table import require_table
from reszoo.errors import UserError, did_you_mean

WORDS = "digits, folder:PATH, csv:FILE or tfds:NAME"


def check_data_word(word: str) -> None:
    """Raises a `UserError` for an unknown word and for a folder that is not there.

    What is in the folder is checked when it is opened.
    """
    kind, _, rest = word.partition(":")
    if word == "digits" or (kind == "tfds" and rest):
        return
    if kind == "folder" and rest:
        require_folder(rest)
        return
    if kind == "csv" and rest:
        require_table(rest)
        return
    hint = did_you_mean(word, ["digits", "folder:PATH"])
    if os.path.isdir(os.path.expanduser(word)):
        hint = f"write folder:{word}"
    elif os.path.isfile(os.path.expanduser(word)):
        hint = f"write csv:{word} for a table of files and labels"
    elif hint is None and word.isidentifier():
        hint = f"write tfds:{word} for TensorFlow Datasets' {word}"
    hint = hint or "write digits, or folder: and the path of a folder that has a folder per class"
    raise UserError(f"there is no data set '{word}'", expected=WORDS, hint=hint)
