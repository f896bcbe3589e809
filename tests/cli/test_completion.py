"""Completion scripts, tried in the shells that read them."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from reszoo.cli.completion import (
    FREE_VALUES,
    SHELLS,
    completed_values,
    completion_script,
    value_actions,
)
from reszoo.cli.options import value_name
from reszoo.cli.program import COMMANDS, full_parser
from reszoo.spec import names_of


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """The files of the scripts, by shell."""
    folder = tmp_path_factory.mktemp("completion")
    for shell in SHELLS:
        (folder / shell).write_text(completion_script(shell))
    return {shell: folder / shell for shell in SHELLS}


def run_shell(shell, *words, **options):
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    result = subprocess.run([shell, *words], capture_output=True, text=True, timeout=60, **options)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def in_bash(script, folder, *words):
    program = (
        'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        "_shtab_reszoo 2>/dev/null; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    command = ["--norc", "-c", program, "bash", str(script), "reszoo", *words]
    return run_shell("bash", *command, cwd=folder).split("\n")[:-1]


def in_fish(script, folder, *words):
    line = " ".join(["reszoo", *words])
    command = ["--no-config", "-c", f"source {script}; complete -C '{line}'"]
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    listed = run_shell("fish", *command, cwd=folder, env=environment).splitlines()
    return [line.split("\t")[0] for line in listed]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_has_the_syntax_of_its_shell(scripts, shell):
    run_shell(shell, "-n", str(scripts[shell]))


@pytest.mark.parametrize("complete", [in_bash, in_fish])
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["sch"], ["schema"]),
        (["help", "dee"], ["deepen"]),
        (["show", "resnet152d"], ["resnet152d"]),
        (["train", "resnet20", "--recipe", "highway2015_c"], ["highway2015_cifar"]),
        (["train", "--strategy", "mi"], ["mirrored"]),
        (["tune", "digits_t"], ["digits_tiny"]),
        (["export", "run", "--target", "mobile-i"], ["mobile-int8"]),
        (["list", "--family", "cif"], ["cifar"]),
        (["evaluate", "run", "--views", "air"], ["airbench"]),
        (["train", "--unfr"], ["--unfreeze-at"]),
        (["build", "min"], ["mine.yaml"]),
        (["build", "resnet20", "-o", "min"], ["mine.yaml"]),
        (["resume", "ru"], ["runs"]),
    ],
)
def test_a_word_is_completed(scripts, tmp_path, complete, words, expected):
    (tmp_path / "runs").mkdir()
    (tmp_path / "mine.yaml").touch()
    shell = complete.__name__.removeprefix("in_")
    found = complete(scripts[shell], tmp_path, *words)
    assert sorted(word.rstrip("/") for word in found) == expected


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_has_every_command_and_name(scripts, shell):
    text = scripts[shell].read_text()
    for kind in ("architecture", "recipe", "search", "target"):
        assert all(name in text for name in names_of(kind))
    assert all(command in text for command in COMMANDS)


def test_what_completes_every_value_is_decided():
    names = {value_name(action) for action in value_actions(full_parser())}
    assert names == {*FREE_VALUES, *completed_values()}


def test_an_unknown_shell_is_refused(reszoo):
    assert reszoo("completion", "tcsh").code == 2
