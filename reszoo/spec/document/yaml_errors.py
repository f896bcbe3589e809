"""Errors of files that are not plain YAML: encoding, characters and syntax."""

from __future__ import annotations

import re
from typing import Any

from reszoo.errors import Place, UserError

MOST_BYTES = 1 << 20
"""Largest size of a spec in bytes; a spec is a page of text."""


def decode(data: bytes, file: str) -> str:
    """Decodes UTF-8; raises UserError for large, binary or other files."""
    if len(data) > MOST_BYTES:
        raise UserError(
            f"{file} is too large for a spec",
            where=file,
            expected=f"at most {MOST_BYTES} bytes of YAML",
            found=f"more than {MOST_BYTES} bytes",
            hint="name the YAML file itself; a spec is a page of text",
        )
    if b"\x00" in data:
        raise UserError(
            f"{file} is a binary file",
            where=_place_of(data[: data.index(b"\x00")], file),
            expected="YAML text in UTF-8",
            found="a zero byte",
            hint="name a YAML file; if this is one, save it as UTF-8",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{file} is not UTF-8 text",
            where=_place_of(data[: error.start], file),
            expected="YAML text in UTF-8",
            found=f"the byte 0x{data[error.start]:02x}",
            hint="save the file as UTF-8",
        ) from None


def _place_of(before: bytes, file: str) -> Place:
    text = before.decode("utf-8", errors="replace")
    return Place(file, text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1)


def mark_place(mark: Any, file: str) -> Place:
    """Converts a mark of PyYAML, which counts from 0, to a place."""
    return Place(file, mark.line + 1, mark.column + 1)


def control_character_error(error: Any, text: str, file: str, offset: bool) -> UserError:
    """Returns the error for a character that YAML does not allow."""
    character = error.character if isinstance(error.character, int) else ord(error.character)
    match = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    at = match.start() if match else 0
    return UserError(
        f"{file} holds a control character" if offset else "the value holds a control character",
        where=_place_of(text[:at].encode("utf-8", errors="replace"), file) if offset else file,
        expected="YAML text in UTF-8",
        found=f"the character U+{ord(match.group()) if match else character:04X}",
        hint="remove the character",
    )


def syntax_error(error: Any, text: str, file: str, offset: bool) -> UserError:
    """Returns the error for what libyaml cannot parse."""
    mark = error.problem_mark or error.context_mark
    where: Place | str = mark_place(mark, file) if offset and mark is not None else file
    if error.context == "expected a single document in the stream":
        return UserError(
            "the file holds several YAML documents",
            where=where,
            expected="one document",
            found="a second one after `---`",
            hint="put each spec into a file of its own",
        )
    lines = text.split("\n")
    line = lines[mark.line] if mark is not None and mark.line < len(lines) else ""
    if "alias" in (error.problem or ""):
        return UserError(
            "YAML aliases are not allowed in a spec",
            where=where,
            expected="each value written out",
            found=f"an alias: {line.strip()}",
            hint="write the value out, and quote text that starts with * or &",
        )
    if mark is not None and "\t" in line[: mark.column + 1]:
        return UserError(
            "tabs cannot indent YAML",
            where=where,
            expected="spaces",
            found="a tab character",
            hint="replace each tab by two spaces",
        )
    context = f" {error.context}" if error.context else ""
    return UserError(
        "this is not valid YAML",
        where=where,
        expected="YAML such as `key: value`",
        found=f"{error.problem}{context}" + (f": {line.strip()[:60]}" if line.strip() else ""),
        hint="check the indentation, brackets, quotes and colons here and in the line above",
    )
