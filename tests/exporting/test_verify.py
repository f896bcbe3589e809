"""What an export writes is verified, SavedModel and ONNX file included."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import reszoo
from reszoo.exporting import Bundle
from reszoo.tflite.contract_file import sha256_of

FIXTURE = Path(__file__).parents[1] / "fixtures" / "v0_1" / "bundle"


@pytest.mark.parametrize("target", ["server", "mobile-int8"])
def test_a_bundle_holds_what_its_contract_claims(
    bundle_of: Callable[[str, str], Bundle], target: str
) -> None:
    bundle = bundle_of("residual", target)
    verification = reszoo.verify(bundle.path)
    assert verification.held, verification.broken
    names = {claim.name for claim in verification.claims}
    assert {"hashes", "labels.txt", "photo.jpg", "saved_model signatures"} <= names
    answers = [claim for claim in verification.claims if claim.name.endswith("answer")]
    assert len(answers) == 2 * len(bundle.contract["files"])  # golden image and photograph
    assert ("model.tflite operators" in names) == (target == "mobile-int8")
    # NumPy's booleans are not `True`, and JSON does not know them.
    assert {type(claim.held) for claim in verification.claims} == {bool}


def test_a_golden_vector_of_another_class_is_wrong_within_any_tolerance(
    bundle_of: Callable[[str, str], Bundle], tmp_path: Path
) -> None:
    bundle = shutil.copytree(bundle_of("residual", "mobile-int8").path, tmp_path / "bundle")
    contract = json.loads((bundle / "contract.json").read_text())
    vectors = contract["example"]["vectors"]["tflite"]
    output = bundle / vectors["output"]
    answer = np.load(output)
    np.save(output, np.roll(answer, 1))
    vectors["tolerance"] = 1e9
    contract["sha256"][output.name] = sha256_of(output)
    (bundle / "contract.json").write_text(json.dumps(contract))
    assert [claim.name for claim in reszoo.verify(bundle).broken] == ["model.tflite golden vector"]


def test_a_bundle_of_version_1_holds_and_says_that_it_has_no_hashes() -> None:
    verification = reszoo.verify(FIXTURE)
    assert verification.held, verification.broken
    [unchecked] = [claim for claim in verification.claims if claim.held is None]
    assert "version 1" in unchecked.words


def test_a_missing_file_of_version_1_is_named(tmp_path: Path) -> None:
    bundle = shutil.copytree(FIXTURE, tmp_path / "bundle")
    (bundle / "golden.png").unlink()
    shutil.rmtree(bundle / "saved_model")
    broken = {claim.name: claim.words for claim in reszoo.verify(bundle).broken}
    assert broken == {"golden.png": "missing", "saved_model": "missing"}


def test_a_savedmodel_that_is_not_the_one_of_the_contract_is_named(
    bundle_of: Callable[[str, str], Bundle], tmp_path: Path
) -> None:
    bundle = shutil.copytree(bundle_of("residual", "server").path, tmp_path / "bundle")
    contract = json.loads((bundle / "contract.json").read_text())
    del contract["files"]["saved_model"]["signatures"]["classify_jpeg"]
    signatures = contract["files"]["saved_model"]["signatures"]
    signatures["serving_uint8"]["inputs"]["image"]["dtype"] = "float32"
    contract["example"]["expected"]["saved_model"]["probabilities"].reverse()
    (bundle / "contract.json").write_text(json.dumps(contract))
    broken = [claim.name for claim in reszoo.verify(bundle).broken]
    assert broken == [
        "saved_model signatures",
        "saved_model serving_uint8: inputs",
        "saved_model answer",
    ]
    [values] = (bundle / "saved_model" / "variables").glob("*.data-*")
    values.write_bytes(values.read_bytes()[:-1])
    verification = reszoo.verify(bundle)
    [broken_claim] = verification.broken
    assert broken_claim.name == values.relative_to(bundle).as_posix()
    # What was changed is not opened.
    [unchecked] = [claim for claim in verification.claims if claim.held is None]
    assert unchecked.name == "saved_model"


def test_an_onnx_file_is_verified_in_what_is_installed(
    onnx_bundle_of: Callable[[str], Bundle], tmp_path: Path
) -> None:
    bundle = shutil.copytree(onnx_bundle_of("residual").path, tmp_path / "bundle")
    verification = reszoo.verify(bundle)
    assert verification.held, verification.broken
    answers = [claim.words for claim in verification.claims if claim.name == "model.onnx answer"]
    assert len(answers) == 2
    assert all("onnx" in words for words in answers)
    contract = json.loads((bundle / "contract.json").read_text())
    contract["files"]["onnx"]["inputs"][0]["name"] = "picture"
    (bundle / "contract.json").write_text(json.dumps(contract))
    assert [claim.name for claim in reszoo.verify(bundle).broken] == ["model.onnx inputs"]
