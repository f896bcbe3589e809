"""What the machine offers, and what is chosen from it."""

import subprocess
import sys

import pytest

from reszoo.runs import choose_precision, choose_strategy, diagnose


@pytest.mark.parametrize(("gpus", "name"), [(0, "one device"), (1, "one device"), (4, "mirrored")])
def test_several_gpus_are_mirrored(gpus, name):
    assert choose_strategy(gpus) == name


@pytest.mark.parametrize(
    ("capabilities", "flags", "precision"),
    [
        ((), ("avx2",), "float32"),
        ((), ("avx512_bf16",), "mixed_bfloat16"),
        ((), ("amx_bf16", "avx2"), "mixed_bfloat16"),
        ([(9, 0), (8, 0)], (), "mixed_bfloat16"),
        ([(9, 0), (7, 5)], ("amx_bf16",), "float32"),
    ],
)
def test_bfloat16_is_chosen_only_where_hardware_computes_in_it(capabilities, flags, precision):
    assert choose_precision(capabilities, flags) == precision


def test_the_doctor_names_python_packages_and_folders(tmp_path):
    (tmp_path / "cifar10").mkdir()
    findings = {one.topic: one for one in diagnose(devices=False, data_dir=tmp_path)}
    assert findings["Python"].verdict == "fine"
    assert findings["tensorflow"].text[0].isdigit()
    assert "cifar10" in findings["data sets"].text
    assert findings["run folder"].verdict in ("fine", "note")


def test_the_doctor_looks_for_data_where_the_environment_says(tmp_path, monkeypatch):
    (tmp_path / "mnist").mkdir()
    monkeypatch.setenv("RESZOO_DATA", str(tmp_path))
    findings = {one.topic: one for one in diagnose(devices=False)}
    assert findings["data sets"].text == f"{tmp_path}: holds mnist"


def test_the_doctor_says_what_a_missing_package_is_needed_for(monkeypatch):
    monkeypatch.setattr("reszoo.runs.doctor.version_of", lambda package: None)
    findings = {one.topic: one for one in diagnose(devices=False)}
    assert findings["keras-tuner"].verdict == "missing"
    assert "reszoo tune" in findings["keras-tuner"].text


def test_run_folders_do_not_import_tensorflow():
    code = "import sys, reszoo.runs; assert not {'tensorflow', 'keras', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
