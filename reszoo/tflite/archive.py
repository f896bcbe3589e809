"""The zip at the end of a `.tflite`, in which labels are stored."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

from reszoo.errors import first_line
from reszoo.tflite.model_file import damaged

_DATE = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip can hold: the same labels give the same bytes at any time."""
MOST_BYTES = 16 << 20
"""Of one file in the zip; a thousand labels take about 20 kB."""
_UNIX, _MODE = 3, 0o644
_ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, OverflowError),
    *(NotImplementedError, RuntimeError, UnicodeDecodeError),
)
"""What `zipfile` raises on damaged, encrypted or unknown contents."""


def split_archive(content: bytes, name: str = "the file") -> tuple[bytes, dict[str, bytes]]:
    """Returns a `.tflite` without its zip, and the files of the zip; none where there is no zip.

    Raises:
      UserError: the zip is damaged, or holds more than it says.
    """
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return content, {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            files = {entry.filename: _read(archive, entry, name) for entry in entries}
            starts = [entry.header_offset for entry in entries] or [archive.start_dir]
    except _ZIP_ERRORS as error:
        # `zipfile` says nothing where an entry claims to be longer than the file.
        cause = first_line(error) if str(error) else "an entry ends beyond the end of the file"
        raise damaged(name, f"its zip: {cause}", "labels in a zip at its end") from error
    if not 0 <= min(starts) <= len(content):
        raise damaged(name, f"its zip begins at byte {min(starts):,}", "labels in a zip")
    return content[: min(starts)], files


def append_files(body: bytes, files: Mapping[str, bytes]) -> bytes:
    """Appends a zip of uncompressed files to bytes; without files it returns them as they are."""
    if not files:
        return body
    stream = io.BytesIO(body)
    # Mode "a" counts its offsets from the start of the file, as readers of .tflite expect.
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, _DATE)
            entry.create_system, entry.external_attr = _UNIX, _MODE << 16
            archive.writestr(entry, data)
    return stream.getvalue()


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> bytes:
    # Not by `entry.file_size`, which the file claims: a few bytes may unpack to gigabytes.
    with archive.open(entry) as opened:
        data = opened.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise damaged(name, f"{entry.filename} is over {MOST_BYTES >> 20} MiB", "labels in a zip")
    if len(data) != entry.file_size:
        found = f"{entry.filename} has {len(data):,} bytes and claims {entry.file_size:,}"
        raise damaged(name, found, "labels in a zip")
    return data
