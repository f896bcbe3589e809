"""A name is looked up among its kind, and known where it is of another."""

import pytest

from reszoo.errors import UserError
from reszoo.spec.lookup import find_file


@pytest.mark.parametrize(
    ("kind", "name", "command"),
    [
        ("search", "resnet18", "reszoo train resnet18"),
        ("architecture", "short32", "reszoo train NETWORK --recipe short32"),
        ("recipe", "mobile-int8", "reszoo export RUN --target mobile-int8"),
        ("target", "digits_tiny", "reszoo tune digits_tiny"),
    ],
)
def test_a_shipped_name_of_another_kind_is_pointed_to_its_command(kind, name, command):
    with pytest.raises(UserError, match=f"there is no {kind} called") as caught:
        find_file(name, kind)
    assert command in caught.value.hint
