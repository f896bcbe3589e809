"""Labels: the names of an image classifier's classes, one per line."""

from __future__ import annotations

from reszoo.errors import UserError
from reszoo.tflite.archive import MOST_BYTES


def pack_labels(labels: tuple[str, ...]) -> bytes:
    """Returns labels as UTF-8, one per line; commas and every script are allowed.

    Raises:
      UserError: a label is empty or has a line break, which would make two of it, or is no text;
        or all are longer than readers take.
    """
    for index, label in enumerate(labels):
        if not label.strip() or "\n" in label or "\r" in label or not _is_text(label):
            raise UserError(
                f"class {index} has a name that does not fit in one line",
                expected="names in UTF-8 with at least one letter and without line breaks",
                found=repr(label),
                hint="rename the class",
            )
    packed = "".join(f"{label}\n" for label in labels).encode()
    if len(packed) > MOST_BYTES:
        raise UserError(
            f"{len(labels):,} class names are too long for a .tflite",
            expected=f"at most {MOST_BYTES >> 20} MiB in all",
            found=f"{len(packed):,} bytes",
            hint="give the classes shorter names",
        )
    return packed


def _is_text(label: str) -> bool:
    """Whether a name can be written as UTF-8; that of a folder in another encoding cannot."""
    try:
        label.encode()
    except UnicodeEncodeError:
        return False
    return True


def unpack_labels(data: bytes) -> tuple[str, ...]:
    """Returns the labels of a file with one per line; what is not UTF-8 is replaced."""
    lines = data.decode("utf-8-sig", errors="replace").split("\n")
    return tuple(line.removesuffix("\r") for line in (lines[:-1] if lines[-1] == "" else lines))
