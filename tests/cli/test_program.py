"""What holds for every command: help, mistakes in words, failures, exit codes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from argparse import ArgumentParser

import pytest

from reszoo.cli import list as list_command
from reszoo.cli.distribution import add_distribution, distribution_arguments
from reszoo.cli.program import COMMANDS
from reszoo.errors import GateError, MachineError, RestartError, UserError
from tests.cli.conftest import refused


def in_process(*words, **options):
    command = [sys.executable, "-m", "reszoo", *words]
    return subprocess.run(command, capture_output=True, text=True, **options)


@pytest.fixture
def failing(monkeypatch, reszoo):
    """Runs a command that raises what it is given."""

    def run(error, *words):
        def fail(options):
            raise error

        monkeypatch.setattr(list_command, "run", fail)
        return reszoo("list", *words)

    return run


def test_a_file_name_that_is_not_text_can_be_printed(tmp_path):
    file = tmp_path / "odd\udcff.yaml"
    file.write_text("extends: resnet20\nname: odd\n")
    result = in_process("validate", str(file))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.endswith("odd\\udcff.yaml: a valid architecture\n")


def test_help_names_every_command_with_a_sentence(reszoo):
    result = reszoo("--help")
    assert result.code == 0
    for command in COMMANDS:
        assert f"\n    {command} " in result.out


def test_no_words_are_a_call_for_help(reszoo):
    assert reszoo() == reszoo("--help")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(reszoo, command):
    result = reszoo(command, "--help")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"usage: reszoo {command}")


def test_the_version(reszoo):
    assert reszoo("--version").out.startswith("reszoo 0.")


def test_a_misspelt_command_names_the_nearest(reszoo):
    refused(reszoo("trian", "resnet20"), "there is no command 'trian'", "did you mean 'train'")


def test_a_misspelt_option_names_the_nearest(reszoo):
    refused(reszoo("list", "--famly", "cifar"), "no option --famly", "did you mean '--family'")


def test_options_are_never_guessed_from_their_beginning(reszoo):
    refused(reszoo("list", "--fam", "cifar"), "no option --fam")


def test_too_many_words_are_refused(reszoo):
    refused(reszoo("list", "resnet", "highway"), "unexpected: highway", "reszoo list --help")
    refused(reszoo("train", "resnet20", "folder:photos"), "write `--data folder:photos`")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("train", "resnet20", "--epochs", "0"), "a whole number from 1"),
        (("train", "resnet20", "--seed", "x"), "a whole number from 0"),
        (("build", "resnet20", "-o", "x.h5"), "a name that ends in .keras"),
        (("predict", "run", "latin.txt"), "latin.txt is not text in UTF-8"),
        (("export", "run"), "--target"),
        (("schema", "spec"), "architecture"),
        (("schema", "--help=x"), "write --help alone"),
        (("schema",), "KIND: architecture, recipe"),
        (("show", "resnet20", "--plan", "--yaml"), "cannot be combined with --plan"),
    ],
)
def test_wrong_words_are_the_users_fault(reszoo, tmp_path, words, expected):
    (tmp_path / "latin.txt").write_text("café.png", encoding="latin-1")
    refused(reszoo(*words), expected)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError("no", hint="yes"), 2),
        (MachineError("no", hint="yes"), 1),
        (GateError("no", hint="yes"), 1),
        (RestartError("no", hint="yes"), 75),
    ],
)
def test_an_error_is_its_message_and_its_exit_code(failing, error, code):
    assert failing(error) == (code, "", "error: no\n  do:       yes\n")


def test_ctrl_c_is_130_and_a_sentence(failing):
    result = failing(KeyboardInterrupt())
    assert (result.code, result.out) == (130, "")
    assert result.err == "stopped; no half-written files were left behind\n"


def test_sigterm_is_143_and_removes_what_was_half_written(tmp_path):
    program = (
        "import sys, time, reszoo.cli, reszoo.cli.program as program\n"
        "from reszoo.atomic_files import atomic_file\n"
        "def write(words, debug):\n"
        "    with atomic_file('model.keras') as temporary:\n"
        "        temporary.write_text('half'); print('writing', flush=True); time.sleep(60)\n"
        "program._run = write\n"
        "sys.exit(reszoo.cli.main([]))\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None and child.stdout.readline() == "writing\n"
    child.terminate()
    _, stderr = child.communicate(timeout=30)
    assert (child.returncode, stderr.startswith("stopped")) == (143, True)
    assert not list(tmp_path.iterdir())


def test_what_the_operating_system_refuses_is_the_machines_fault(failing):
    error = PermissionError(errno.EACCES, "Permission denied", "runs/x")
    assert failing(error) == (
        1,
        "",
        "error: Permission denied\n  where:    runs/x\n"
        "  do:       give yourself access: chmod u+rwX 'runs/x'\n",
    )


def test_no_memory_is_the_machines_fault(failing):
    refused(failing(MemoryError()), "out of memory", "smaller network, image or batch", code=1)


def test_a_mistake_of_ours_is_one_line_and_how_to_see_more(failing):
    result = failing(ZeroDivisionError("division by zero"))
    assert result.code == 1
    assert result.err == (
        "error: unexpected ZeroDivisionError: division by zero\n"
        "  do:       run the command again with --debug for the traceback\n"
    )


def test_an_error_from_inside_a_graph_is_its_last_line(failing):
    result = failing(TypeError('in user code:\n\n    File "x.py"\n\n    TypeError: no float\n'))
    assert result.err.startswith("error: unexpected TypeError: TypeError: no float\n")


@pytest.mark.parametrize("place", ["before", "after"])
def test_debug_shows_the_traceback_wherever_it_stands(failing, place):
    result = failing(UserError("no"), "--debug")
    assert result.code == 2
    assert "Traceback (most recent call last)" in result.err
    assert result.err.endswith("error: no\n")


def test_a_reader_that_leaves_is_no_error():
    shell = (
        f"{sys.executable} -m reszoo show resnet1202 --plan | head -n 1; echo ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.splitlines()[1:] == ["141"]


def test_light_commands_import_no_tensorflow(tmp_path):
    commands = [
        ["list"],
        ["show", "resnet152"],
        ["show", "resnet20", "--plan"],
        ["show", "resnet20", "--diagram", "x.svg"],
        ["schema", "search"],
        ["tune", "digits_tiny", "--plan"],
    ]
    program = (
        "import sys; from reszoo.cli import main\n"
        f"for words in {commands}:\n"
        "    code = main(words)\n"
        "    found = {'tensorflow', 'keras', 'numpy'} & set(sys.modules)\n"
        "    print(*words, code, found, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stderr.splitlines() == [f"{' '.join(words)} 0 set()" for words in commands]


@pytest.mark.parametrize(
    ("words", "modules"),
    [
        (["--version"], ["pydantic", "reszoo.spec", "yaml"]),
        (["list"], ["reszoo.report.recipes", "reszoo.runs", "reszoo.spec.recipe"]),
    ],
)
def test_a_command_imports_only_what_it_needs(words, modules):
    program = (
        "import sys; from reszoo.cli import main\n"
        f"code = main({words})\n"
        f"print(code, [name for name in {modules} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr == "0 []\n"


def test_a_command_does_not_look_for_plugins_of_pydantic(tmp_path):
    package = tmp_path / "intruder-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: intruder\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[pydantic]\nintruder = intruder:plugin\n")
    (tmp_path / "intruder.py").write_text("import sys\nsys.exit('the plugin was imported')\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    environment.pop("PYDANTIC_DISABLE_PLUGINS", None)
    for program, found in (
        ("import reszoo.spec", True),
        ("from reszoo.cli import main; main(['list'])", False),
    ):
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, env=environment
        )
        assert ("the plugin was imported" in done.stderr) == found
        assert (done.returncode == 0) != found


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ("", {}),
        ("--xla auto", {"xla": "auto"}),
        ("--xla off --accumulate 2", {"xla": False, "accumulate": 2}),
        ("--xla on --sync-norm", {"xla": True, "sync_norm": True}),
    ],
)
def test_only_options_that_are_set_change_where_a_run_is_resumed(words, arguments):
    parser = ArgumentParser()
    add_distribution(parser)
    assert distribution_arguments(parser.parse_args(words.split())) == arguments


def test_python_m_reszoo_is_reszoo():
    done = in_process("list", "--family", "cifr")
    assert done.returncode == 2
    assert "there is no family 'cifr'" in done.stderr
