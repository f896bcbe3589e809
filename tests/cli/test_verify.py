"""`reszoo verify` checks every claim of a contract, and names those that do not hold."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reszoo.exporting import onnx_file
from reszoo.exporting.verify import verify
from reszoo.tflite.interpreter import TFLiteInterpreter
from tests.cli.conftest import refused

FIXTURE = Path(__file__).parents[1] / "fixtures" / "v0_1" / "bundle"
Contract = dict[str, Any]


def write_contract(folder: Path, contract: Contract) -> None:
    """Stores a contract with the hashes of the files beside it."""
    contract["sha256"] = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "contract.json"
    }
    (folder / "contract.json").write_text(json.dumps(contract))


def change(folder: Path, edit: Callable[[Contract], object]) -> None:
    """Edits the contract and leaves its hashes as they are."""
    contract = json.loads((folder / "contract.json").read_text())
    edit(contract)
    (folder / "contract.json").write_text(json.dumps(contract))


@pytest.fixture
def bundle(tmp_path) -> Path:
    """A bundle of a `.tflite` alone with hashes, an arena, metadata and golden vectors."""
    folder = tmp_path / "bundle"
    shutil.copytree(FIXTURE, folder, ignore=shutil.ignore_patterns("saved_model"))
    contract = json.loads((folder / "contract.json").read_text())
    del contract["files"]["saved_model"], contract["example"]["expected"]["saved_model"]
    contract["target"]["writes"] = ["tflite"]
    contract["format_version"] = 2
    contract["files"]["tflite"]["metadata"] = False
    contract["files"]["tflite"]["arena"] = {
        "bytes": 8940,
        "feature_map_bytes": 1536,
        "own_bytes": 7404,
        "source": "estimated",
        "lower_bound_bytes": 1536,
    }
    interpreter = TFLiteInterpreter(folder / "model.tflite", kernels="reference")
    given = np.full(interpreter.input["shape"], 90, interpreter.input["dtype"])
    np.save(folder / "golden_input.npy", given)
    np.save(folder / "golden_output.npy", interpreter.run(given))
    contract["example"]["vectors"] = {
        "tflite": {
            "input": "golden_input.npy",
            "output": "golden_output.npy",
            "kernels": "reference",
            "tolerance": 1e-5,
        }
    }
    write_contract(folder, contract)
    return folder


@pytest.fixture(autouse=True)
def no_wheel(monkeypatch):
    monkeypatch.setattr("reszoo.tflite.arena.measured_arena", lambda *_: None)


def test_a_bundle_holds_without_tensorflow(bundle, tmp_path):
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "tensorflow.py").write_text("raise ImportError('not here')")
    variables = os.environ | {"PYTHONPATH": f"{tmp_path / 'blocked'}{os.pathsep}{os.getcwd()}"}
    command = [sys.executable, "-m", "reszoo", "verify", str(bundle)]
    done = subprocess.run(command, capture_output=True, text=True, env=variables)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    for line in (
        "holds hashes 7 files, none missing or changed",
        "holds labels.txt 10 names",
        "holds model.tflite size 32,640 bytes",
        "holds model.tflite input uint8 1x8x8x1, scale 1",
        "holds model.tflite signature serving_default image to probabilities",
        "holds model.tflite operators 21, of 10 kinds",
        "holds model.tflite target meets the requirements of mobile-int8",
        "holds model.tflite arena: feature maps 1,536 bytes",
        "holds model.tflite arena: lower bound 1,536 bytes",
    ):
        assert line in lines, line
    assert "golden.png within 0 of the contract" in done.stdout
    assert "0 in probability from golden_output.npy with the reference kernels" in done.stdout
    assert lines[-1].endswith("claims hold")
    assert "WRONG" not in done.stdout


def flip_a_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda folder: (folder / "labels.txt").unlink(), "labels.txt: missing"),
        (lambda folder: flip_a_byte(folder / "model.tflite"), "model.tflite: changed"),
        (lambda folder: flip_a_byte(folder / "golden.png"), "golden.png: changed"),
        (lambda folder: (folder / "new.txt").touch(), "new.txt: not a file of the bundle"),
        (lambda folder: os.mkfifo(folder / "pipe"), "pipe: not a file of the bundle"),
    ],
)
def test_a_file_that_is_not_the_one_of_the_contract_is_named(reszoo, bundle, spoil, named):
    spoil(bundle)
    result = reszoo("verify", bundle)
    refused(result, "does not match its contract", named, "copy the bundle again")
    assert ("move files" in result.err) == named.endswith("not a file of the bundle")
    assert "WRONG" in result.out
    # A file that was changed is not opened.
    assert ("not checked  model.tflite" in result.out) == named.startswith("model.tflite")


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (lambda it: it["files"]["tflite"].update(bytes=1), "model.tflite size"),
        (lambda it: it["files"]["tflite"]["operators"].update(ADD=9), "model.tflite operators"),
        (lambda it: it["files"]["tflite"]["inputs"][0].update(scale=2.0), "model.tflite input"),
        (lambda it: it["files"]["tflite"]["outputs"][0].update(dtype="int8"), "tflite output"),
        (
            lambda it: it["files"]["tflite"]["arena"].update(feature_map_bytes=9, bytes=7413),
            "feature maps",
        ),
        (lambda it: it["files"]["tflite"]["arena"].update(bytes=9), "model.tflite arena"),
        (lambda it: it["files"]["tflite"]["arena"].update(lower_bound_bytes=9), "lower bound"),
        (lambda it: it["files"]["tflite"]["arena"].update(own_bytes=9, bytes=1545), "own data"),
        (lambda it: it["files"]["tflite"].update(metadata=True), "model.tflite metadata"),
        (lambda it: it["files"]["tflite"]["inputs"][0].update(name="x"), "model.tflite signature"),
        (lambda it: it["preprocessing"].update(resize_to_cover=[9, 8]), "preprocessing"),
        (lambda it: it["target"].update(quantization="none"), "model.tflite target"),
        (lambda it: it["classes"]["names"].reverse(), "labels.txt"),
        (
            lambda it: it["example"]["expected"]["tflite"]["probabilities"].reverse(),
            "model.tflite answer",
        ),
        (
            lambda it: it["example"]["vectors"]["tflite"].update(input="golden_output.npy"),
            "model.tflite golden vector",
        ),
    ],
)
def test_a_claim_that_does_not_hold_is_named(bundle, edit, named):
    assert verify(bundle).held
    change(bundle, edit)
    [claim] = verify(bundle).broken
    assert named in claim.name


def test_a_claim_that_does_not_hold_says_what_differs(bundle):
    change(bundle, lambda it: it["files"]["tflite"].update(bytes=1))
    change(bundle, lambda it: it["files"]["tflite"]["operators"].update(ADD=9, MAX_POOL_2D=None))
    assert [claim.words for claim in verify(bundle).broken] == [
        "32,640, but the contract says 1",
        "ADD 4, MAX_POOL_2D 2, but the contract says ADD 9, MAX_POOL_2D none",
    ]


def test_an_image_size_that_would_take_all_memory_is_never_resized_to(bundle):
    photo = {"image": "golden.png", "input": "golden.png"}
    change(bundle, lambda it: it["example"].update(photograph=photo | {"expected": {}}))
    change(bundle, lambda it: it["preprocessing"].update(height=10**12))
    claim = next(claim for claim in verify(bundle).broken if claim.name == "golden.png")
    assert claim.words == "becomes (8, 8, 1), not (1000000000000, 8, 1)"


def test_a_golden_vector_of_another_file_does_not_hold(bundle):
    contract = json.loads((bundle / "contract.json").read_text())
    output = np.load(bundle / "golden_output.npy")
    np.save(bundle / "golden_output.npy", output[:, ::-1])
    write_contract(bundle, contract)
    [claim] = verify(bundle).broken
    assert claim.name == "model.tflite golden vector"


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        (lambda it: it.pop("files"), "no key 'files' where it belongs"),
        (
            lambda it: it["files"]["tflite"].update(path="../model.tflite"),
            "a file outside the bundle: ../model.tflite",
        ),
        (lambda it: it["example"].update(image="none.png"), "none.png: No such file"),
        (lambda it: it["example"].update(image=3), "a value of another kind"),
        (lambda it: it["example"]["expected"].update(tflite=[]), "a value of another kind"),
        (lambda it: it["files"]["tflite"].update(inputs=[]), "not enough values"),
        (lambda it: it["classes"].update(names=None), "a value of another kind"),
    ],
)
def test_a_damaged_contract_is_an_error(reszoo, bundle, edit, found):
    change(bundle, edit)
    refused(reszoo("verify", bundle), "contract.json is damaged", found, "copy the bundle again")


def test_a_contract_that_is_no_json_is_an_error(reszoo, bundle):
    (bundle / "contract.json").write_text("{")
    refused(reszoo("verify", bundle), "contract.json is damaged", "not JSON: Expecting property")


def test_own_bytes_of_another_version_are_not_wrong(bundle):
    change(bundle, lambda it: it["files"]["tflite"]["arena"].update(own_bytes=7000, bytes=8536))
    verification = verify(bundle)
    assert verification.held
    [claim] = [claim for claim in verification.claims if claim.held is None]
    assert claim.words == "7,404 bytes, estimated; the contract says 7,000, estimated"


def test_what_cannot_be_checked_is_said(bundle, monkeypatch):
    monkeypatch.setattr(onnx_file, "version_of", lambda name: None)
    contract = json.loads((bundle / "contract.json").read_text())
    (bundle / "model.onnx").write_bytes(b"1234")
    (bundle / "later.bin").write_bytes(b"1234")
    contract["files"]["onnx"] = {"path": "model.onnx", "bytes": 4}
    contract["files"]["later"] = {"path": "later.bin", "bytes": 4}
    write_contract(bundle, contract)
    verification = verify(bundle)
    assert verification.held
    unchecked = {claim.name: claim.words for claim in verification.claims if claim.held is None}
    assert "pip install onnxruntime" in unchecked.pop("model.onnx")
    assert unchecked == {"later.bin": "this version of reszoo does not support it"}


def test_json_has_every_claim(reszoo, bundle):
    result = reszoo("verify", bundle, "--json")
    content = json.loads(result.out)
    assert (result.code, content["held"], content["bundle"]) == (0, True, str(bundle))
    assert {"name": "labels.txt", "held": True, "words": "10 names"} in content["claims"]
    (bundle / "labels.txt").unlink()
    result = reszoo("verify", bundle, "--json")
    assert (result.code, json.loads(result.out)["held"]) == (2, False)


def test_what_is_no_bundle_is_refused(reszoo, bundle):
    refused(reszoo("verify", bundle / "model.tflite"), "is not a bundle", "folder of the bundle")
    refused(reszoo("verify", bundle.parent), "is not a bundle", "no contract.json in it")
    refused(reszoo("verify", "bundel"), "there is no folder bundel", "did you mean 'bundle'")


def test_the_bundles_of_a_run_are_named(reszoo, bundle):
    Path("run/export").mkdir(parents=True)
    bundle.rename("run/export/mobile-int8")
    refused(reszoo("verify", "run"), "is not a bundle", "name run/export/mobile-int8\n")
    refused(reszoo("inspect", "run"), "no model.tflite", "name run/export/mobile-int8/model.tflite")
