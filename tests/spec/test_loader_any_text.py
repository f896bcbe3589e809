"""Whatever a file holds, reading it ends in a spec or in one clear error."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from reszoo.errors import UserError
from reszoo.spec import load
from tests.spec.files import SPEC, write

PIECES = st.sampled_from(
    [
        *("{", "}", "[", "]", ":", "- ", "\t", "&a ", "*a", "!!x ", "'", '"', "|", ">", "#", "\n"),
        *("null", "1e400", "-1", ".nan", "99999999999999999999", "\x00", "\x85", "\ufeff", "? "),
        *("<<: ", "---", "extends: resnet20\n", "name:", "stages:", "%YAML 1.1\n", "=", "é"),
    ]
)
quiet = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


def load_or_user_error(file: str, *overrides: str) -> None:
    """Ignores a `UserError`; any other exception fails the test."""
    with contextlib.suppress(UserError):
        load(file, overrides)


@quiet
@given(edits=st.lists(st.tuples(st.integers(0, len(SPEC)), st.integers(0, 9), PIECES), max_size=4))
@example(edits=[(0, 0, "- ")])
def test_any_edit_of_a_spec_ends_in_a_spec_or_one_error(
    tmp_path: Path, edits: list[tuple[int, int, str]]
) -> None:
    text = SPEC
    for start, length, piece in edits:
        text = text[:start] + piece + text[start + length :]
    load_or_user_error(write(tmp_path, "edited.yaml", text))


@quiet
@given(data=st.binary(max_size=60))
def test_any_bytes_end_in_one_error(tmp_path: Path, data: bytes) -> None:
    file = write(tmp_path, "bytes.yaml", data)
    with pytest.raises(UserError):
        load(file)


@quiet
@given(path=st.text(max_size=12), value=st.lists(PIECES, max_size=4).map("".join))
def test_any_override_ends_in_a_spec_or_one_error(tmp_path: Path, path: str, value: str) -> None:
    file = write(tmp_path, "spec.yaml", SPEC)
    load_or_user_error(file, f"{path}={value}")
    load_or_user_error(file, f"stages[0].depth={value}")
    load_or_user_error(file, f"title={value}")
