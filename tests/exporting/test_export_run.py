"""A run folder suffices for an export."""

from __future__ import annotations

from pathlib import Path

import pytest

from reszoo.errors import UserError
from reszoo.exporting.export import export
from reszoo.runs import Run
from reszoo.spec import load
from reszoo.training.train import train


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One epoch of the smallest net on the digits."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESZOO_DATA", str(folder / "data"))
        return train(load("resnet8_digits"), data="digits", epochs=1, out=folder / "run")


def test_run_brings_its_data_and_takes_its_bundle(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESZOO_DATA", str(run.path.parent / "data"))
    bundle = export(run.path, "mobile-int8", gate=False)
    assert bundle.path == run.path / "export" / "mobile-int8"
    assert bundle.parity.source == "digits, test: 360 of 360 images"
    assert bundle.parity.calibration.startswith("digits, train: 100 images")
    assert bundle.contract["name"] == "resnet8_digits"


def test_run_without_a_model_is_refused(run: Run, tmp_path: Path) -> None:
    for name in ("run.json", "architecture.yaml", "recipe.yaml", "data.json"):
        (tmp_path / name).write_bytes((run.path / name).read_bytes())
    with pytest.raises(UserError, match="has no model"):
        export(tmp_path, "server")
    assert not (tmp_path / "export").exists()
