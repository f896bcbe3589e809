"""A path that names no trained network is refused with the words that do."""

import pytest

from reszoo.errors import UserError
from reszoo.inference.find_network import find_network


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("cat.jpg", "reszoo predict RUN {path}"),
        ("SCAN.TIF", "reszoo predict RUN {path}"),
        ("best.weights.h5", "reszoo build SPEC --weights {path} -o best.keras"),
        ("best.safetensors", "reszoo build SPEC --weights {path} -o best.keras"),
        ("net.yaml", "reszoo train {path}"),
        ("notes.txt", "reszoo build -o"),
        ("plain", "reszoo build -o"),
    ],
)
def test_a_file_that_is_no_network_is_refused_with_what_to_write(tmp_path, name, hint):
    path = tmp_path / name
    path.touch()
    with pytest.raises(UserError, match="is not a trained network") as caught:
        find_network(path)
    assert hint.format(path=path) in caught.value.hint
    assert f"write {path.with_suffix('.keras')}" not in str(caught.value)


def test_a_keras_file_is_found_without_being_read(tmp_path):
    path = tmp_path / "net.keras"
    path.touch()
    assert find_network(path) == path
