"""The spec inside a saved network: a path may lead into a .keras file."""

from __future__ import annotations

import zipfile
from pathlib import Path

from reszoo.errors import MachineError, Place, UserError
from reszoo.path_hints import unreadable_hint
from reszoo.regular_files import require_regular_file
from reszoo.spec.document.yaml_errors import MOST_BYTES

SPEC_MEMBER = "reszoo/architecture.yaml"
"""The member of a .keras file that holds the spec that its network was built from."""


def saved_spec(network: str) -> str:
    """Returns the path of the spec in a .keras file.

    >>> saved_spec("pruned.keras")
    'pruned.keras/reszoo/architecture.yaml'
    """
    return f"{network}/{SPEC_MEMBER}"


def archive_of(file: str) -> Path | None:
    """Returns the .keras file that a path leads into; None for the path of a file of its own."""
    network = file.removesuffix(f"/{SPEC_MEMBER}")
    return Path(network) if network.endswith(".keras") and Path(network).is_file() else None


def read_saved_spec(archive: Path, requested_at: Place | None = None) -> bytes:
    """Reads the spec in a .keras file, up to one byte more than a spec may have."""
    require_regular_file(archive, requested_at)
    try:
        with zipfile.ZipFile(archive) as members, members.open(SPEC_MEMBER) as spec:
            return spec.read(MOST_BYTES + 1)
    except OSError as error:
        raise MachineError(
            f"cannot read {archive}: {error.strerror or error}",
            where=requested_at,
            hint=unreadable_hint(error, archive),
        ) from None
    except Exception as error:  # zipfile raises many kinds for damaged archives
        found = "one without" if isinstance(error, KeyError) else f"a damaged file ({error})"
        raise UserError(
            f"{archive} holds no spec",
            where=requested_at,
            expected="a .keras file that reszoo saved",
            found=found,
            hint="name the YAML file of its network",
        ) from None
