"""What the machine offers, and what is chosen from it."""

import subprocess
import sys

import pytest

from reszoo import system_info
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


@pytest.mark.parametrize(
    ("fields", "flags"),
    [
        ({"flags": "fpu amx_int8 avx2 avx512_vnni"}, ("avx2", "avx512_vnni", "amx_int8")),
        ({"Features": "fp asimd evtstrm asimddp"}, ("asimd", "asimddp")),
        ({}, ()),
    ],
)
def test_flags_that_speed_up_networks_are_found_on_x86_and_arm(monkeypatch, fields, flags):
    monkeypatch.setattr(system_info, "_processor_field", lambda name: fields.get(name, ""))
    system_info.processor_flags.cache_clear()
    assert system_info.inference_flags() == flags
    system_info.processor_flags.cache_clear()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not say")
def test_the_peak_of_memory_is_that_of_this_process_alone():
    """A child of a large process does not begin with the memory of its parent."""
    large = bytearray(300_000_000)
    program = "from reszoo.system_info import peak_memory; print(peak_memory())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert 1_000_000 < int(done.stdout) < len(large) < system_info.peak_memory()


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
