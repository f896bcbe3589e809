"""A supervisor starts a training again when it dies, and only then."""

import signal
import sys
import textwrap
import time

import pytest

from reszoo.errors import MachineError
from reszoo.runs import supervise
from reszoo.runs.supervise import RestartPolicy, Supervisor
from tests.own_signals import signal_when

QUICK = RestartPolicy(first_delay=0.01, max_delay=0.04, max_restarts=3)

# A training in miniature: appends its arguments to `words`, then does the next of its actions.
CHILD = textwrap.dedent(
    """
    import os, pathlib, signal, sys, time
    run = pathlib.Path(os.environ["RUN"])
    with (run / "words").open("a") as file:
        file.write(" ".join(sys.argv[1:]) + "\\n")
    actions = (run / "actions").read_text().split()
    done = len((run / "words").read_text().splitlines()) - 1
    kind, _, value = actions[min(done, len(actions) - 1)].partition(":")
    if kind in ("created", "checkpoint"):
        (run / "run.json").touch()
        (run / "checkpoints").mkdir(exist_ok=True)
        if kind == "checkpoint":
            (run / "checkpoints" / f"step-{int(value):09d}.state").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "kill":
        os.kill(os.getpid(), int(value))
    if kind == "wait":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
        signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
        (run / "waits").touch()
        time.sleep(60)
    sys.exit(int(value))
    """
)


@pytest.fixture
def supervisor(tmp_path, monkeypatch):
    """Returns a function that makes a supervisor of a child with one action per start."""
    (tmp_path / "child.py").write_text(CHILD)
    monkeypatch.setenv("RUN", str(tmp_path))

    def command(module, *words):
        assert module == "reszoo"
        return [sys.executable, str(tmp_path / "child.py"), *words]

    monkeypatch.setattr(supervise, "module_command", command)

    def make(*actions, policy=QUICK):
        (tmp_path / "actions").write_text(" ".join(actions))
        messages = []
        made = Supervisor(
            tmp_path, ["train", "x"], ["resume", "x"], say=messages.append, policy=policy
        )
        return made, messages

    return make


def words(tmp_path):
    return (tmp_path / "words").read_text().splitlines()


@pytest.mark.parametrize("code", [0, 1, 2, 130])
def test_an_end_that_is_final_is_its_own(supervisor, tmp_path, code):
    made, messages = supervisor(f"exit:{code}")
    assert made.supervise() == code
    assert words(tmp_path) == ["train x"]
    assert messages == []


@pytest.mark.parametrize("action", ["exit:75", "exit:143", "kill:9", "kill:11", "kill:15"])
def test_one_that_died_is_started_again(supervisor, tmp_path, action):
    made, messages = supervisor(action, "exit:0")
    assert made.supervise() == 0
    assert words(tmp_path) == ["train x", "train x"]
    assert len(messages) == 1
    assert "starting again in 0.02 s, from the beginning" in messages[0]


def test_it_begins_again_until_there_is_a_run_and_then_goes_on(supervisor, tmp_path):
    made, messages = supervisor("kill:9", "created", "checkpoint:5", "checkpoint:20", "exit:0")
    assert made.supervise() == 0
    assert words(tmp_path) == ["train x", "train x", *["resume x"] * 3]
    assert [line.rpartition(", ")[2] for line in messages] == [
        "from the beginning",
        "from the beginning",
        "from step 5",
        "from step 20",
    ]
    assert "the training was ended by SIGKILL, most likely for lack of memory" in messages[0]


def test_waits_double_up_to_a_minute_and_begin_anew_after_progress(supervisor):
    made, messages = supervisor("kill:9", "kill:9", "kill:9", "checkpoint:1", "kill:9", "exit:0")
    assert made.supervise() == 0
    waits = [float(line.split("again in ")[1].split(" s")[0]) for line in messages]
    assert waits == [0.02, 0.04, 0.04, 0.01, 0.02]
    assert [RestartPolicy().delay(count) for count in (0, 1, 5, 6, 9)] == [1, 2, 32, 60, 60]


def test_it_gives_up_on_one_that_dies_without_getting_on(supervisor, tmp_path):
    made, _ = supervisor("checkpoint:1", "kill:9")
    with pytest.raises(MachineError, match="4 times in a row without a new checkpoint") as error:
        made.supervise()
    assert error.value.exit_code == 1
    assert len(words(tmp_path)) == 5


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_signal_is_passed_on_and_the_end_is_final(supervisor, tmp_path, number, code):
    before = signal.getsignal(number)
    made, messages = supervisor("wait")
    signal_when((tmp_path / "waits").exists, number)
    assert made.supervise() == code
    assert (len(words(tmp_path)), messages) == (1, [])
    assert signal.getsignal(number) == before


def test_a_signal_between_two_starts_ends_the_wait(supervisor):
    made, messages = supervisor("kill:9", policy=RestartPolicy(first_delay=30))
    signal_when(lambda: messages, signal.SIGTERM)  # It says so once the child is dead.
    begun = time.monotonic()
    assert made.supervise() == 75
    assert time.monotonic() - begun < 20
