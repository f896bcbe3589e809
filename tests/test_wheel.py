"""The wheel carries the zoo and the targets, and works alone in another environment."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def run(*words, cwd):
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, env=clean, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built offline: with the hatchling that is here, and no isolated environment."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A fresh environment with nothing but the wheel, that sees this one's packages."""
    home = tmp_path_factory.mktemp("installed") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", home, cwd=home.parent)
    python = home / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    run(*pip, "install", "--no-deps", "--no-index", wheel, cwd=home.parent)
    packages = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=home)
    # A .pth file's folder is searched, but the .pth files inside it, such as that of an editable
    # reszoo, are not read.
    parents = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    Path(packages.strip(), "parent.pth").write_text("\n".join(sorted(parents)) + "\n")
    return home / "bin"


@pytest.fixture
def empty(tmp_path):
    return tmp_path


def test_the_wheel_holds_the_package_and_its_files_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {"reszoo", names[-1].partition("/")[0]}
    carried = {name for name in names if name.startswith("reszoo/_resources/")}
    zoo = [*ROOT.glob("zoo_configs/**/*.yaml"), *ROOT.glob("export/targets/*.yaml")]
    for file in [*zoo, ROOT / "zoo_configs" / "golden.json"]:
        assert f"reszoo/_resources/{file.relative_to(ROOT)}" in carried
    assert "reszoo/py.typed" in names


def test_the_wheel_is_what_gets_imported(installed, empty):
    program = "import reszoo, reszoo.resources as r; print(reszoo.__file__); print(r.zoo_folder())"
    package, zoo = run(installed / "python", "-c", program, cwd=empty).splitlines()
    assert package.startswith(str(installed.parent))
    assert zoo == f"{package.removesuffix('/__init__.py')}/_resources/zoo_configs"


def test_no_package_export_is_installed(installed, empty):
    program = "import importlib.util; print(importlib.util.find_spec('export'))"
    assert run(installed / "python", "-c", program, cwd=empty).strip() == "None"


def test_reszoo_list_works_from_an_empty_folder(installed, empty):
    assert "25,557,032" in run(installed / "reszoo", "list", "resnet50", cwd=empty)
    assert not list(empty.iterdir())


def test_reszoo_build_works_from_an_empty_folder(installed, empty):
    told = run(installed / "reszoo", "build", "resnet20", "-o", "x.keras", cwd=empty)
    assert "269,722, equal to the published count" in told
    assert [path.name for path in empty.iterdir()] == ["x.keras"]
