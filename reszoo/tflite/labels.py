"""Labels: the names of an image classifier's classes, one per line."""

from __future__ import annotations

from reszoo.errors import UserError


def pack_labels(labels: tuple[str, ...]) -> bytes:
    """Returns labels as UTF-8, one per line; commas and every script are allowed.

    Raises:
      UserError: a label is empty or has a line break, which would make two of it.
    """
    for index, label in enumerate(labels):
        if not label.strip() or "\n" in label or "\r" in label:
            raise UserError(
                f"class {index} has a name that does not fit in one line",
                expected="names with at least one letter and without line breaks",
                found=repr(label),
                hint="rename the class",
            )
    return "".join(f"{label}\n" for label in labels).encode()


def unpack_labels(data: bytes) -> tuple[str, ...]:
    """Returns the labels of a file with one per line; what is not UTF-8 is replaced."""
    lines = data.decode(errors="replace").split("\n")
    return tuple(line.removesuffix("\r") for line in (lines[:-1] if lines[-1] == "" else lines))
