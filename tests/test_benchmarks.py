"""The benchmarks tell the truth: warm turns, every row of a table, and the processor it is of."""

from __future__ import annotations

import importlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PATIENCE = 60.0


@pytest.fixture
def benchmark(monkeypatch):
    """Imports a script of `benchmarks/`, as Python does that runs one of them."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


SIDE = """\
import mmap, sys
sys.path.insert(0, {benchmarks!r})
from turns import serve

def touch(pages):
    if not pages:
        return
    memory = mmap.mmap(-1, pages * mmap.PAGESIZE)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    for page in range(pages):
        memory[page * mmap.PAGESIZE] = 1

def log(word):
    with open({log!r}, "a") as file:
        print({name!r}, word, file=file)

def warm_up():
    log("warms up")
    touch({warm_pages})
    return "warm"

def work(warm):
    assert warm == "warm"
    log("works")
    touch({work_pages})

serve(warm_up, work)
"""


def test_every_turn_begins_with_a_warm_up_that_does_not_count(benchmark, tmp_path, capsys):
    turns = benchmark("turns")
    log = str(tmp_path / "log")
    pages = {"light": (20_000, 0), "heavy": (0, 20_000)}
    commands = {}
    for name, (warm_pages, work_pages) in pages.items():
        code = SIDE.format(
            benchmarks=str(BENCHMARKS),
            log=log,
            name=name,
            warm_pages=warm_pages,
            work_pages=work_pages,
        )
        commands[name] = [sys.executable, "-c", code]
    costs = turns.take_turns(commands, rounds=2, threads=1)
    lines = Path(log).read_text().splitlines()
    assert sorted(lines[:2]) == ["heavy warms up", "light warms up"]  # both start at once
    a_round = ["light warms up", "light works", "heavy warms up", "heavy works"]
    assert lines[2:] == [*a_round, *a_round]

    summary = turns.print_table(costs, images=8)
    assert summary["light"]["minor_faults"] < 10_000 < 20_000 <= summary["heavy"]["minor_faults"]
    assert summary["light"]["time_ratio"] == summary["light"]["cpu_ratio"] == 1
    assert 0 <= summary["heavy"]["system_seconds"] < PATIENCE
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split()[-3:] == ["system", "s", "faults"]
    faults = f"{summary['heavy']['minor_faults']:,.0f}"
    assert [line.split()[0] for line in lines] == ["light", "heavy"]
    assert lines[1].endswith(faults)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["avx2", "fma"], ", without AVX-512, VNNI, bfloat16 and AMX"),
        (["avx2", "avx_vnni"], " with VNNI, without AVX-512, bfloat16 and AMX"),
        (
            ["avx512f", "avx512_vnni", "avx512_bf16"],
            " with AVX-512, VNNI and bfloat16, without AMX",
        ),
        (
            ["avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16"],
            " with AVX-512, VNNI, bfloat16 and AMX",
        ),
        (["asimd", "asimddp"], " with asimd and asimddp"),
    ],
)
def test_a_processor_is_named_by_what_it_can_multiply(benchmark, flags, words):
    facts = {"processor": "P", "cores": 2, "flags": flags}
    assert benchmark("machine").processor_of(facts) == f"2 cores of P{words}"


# ---- all.py, with rows that take no time ---------------------------------------------------------

STUB = """\
import json, pathlib, sys, time
name, number = sys.argv[1:3]
folder = pathlib.Path(__file__).parent
with (folder / "calls").open("a") as calls:
    print(*sys.argv[1:], file=calls)
if (folder / f"{name} breaks").exists():
    sys.exit("it is broken")
if (folder / f"{name} hangs").exists():
    import os
    (folder / "process").write_text(str(os.getpid()))
    time.sleep(120)
print("a table for people")
print(json.dumps({"benchmark": name, "number": float(number)}), flush=True)
print("a remark of another library")
"""


@pytest.fixture
def stub(benchmark, tmp_path):
    """Rows that run a script, and the folder in which files say how it behaves."""
    (tmp_path / "stub.py").write_text(STUB)
    rows = benchmark("rows")
    script = shlex.quote(str(tmp_path / "stub.py"))

    def row(name: str, *peers: object, number: str = "1.5") -> object:
        command = f"{script} {name} {number}"
        return rows.Row(name, f"{name} | others", "2", command, "{number:.2f} times", peers)

    return row


def run_all(benchmark, folder: Path, *rows: object, words: tuple[str, ...] = ()) -> int:
    return benchmark("all").main(["--out", str(folder / "out"), *words], rows)


def calls(folder: Path) -> list[str]:
    return [line.split()[0] for line in (folder / "calls").read_text().splitlines()]


def table(folder: Path) -> dict[str, list[str]]:
    """The cells of each row of the Markdown table, by name."""
    text = (folder / "out" / "benchmarks.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [line.replace("\\|", "").strip("|").split("|") for line in lines]
    heading, rule, *body = ([cell.strip() for cell in line] for line in cells)
    assert heading == ["row", "what", "goal", "measured", "minutes", "busy elsewhere"]
    assert len(rule) == 6 and all(len(line) == 6 for line in body)
    return {name.strip("`"): rest for name, *rest in body}


def report(folder: Path) -> dict:
    return json.loads((folder / "out" / "benchmarks.json").read_text())


def test_a_failing_row_is_told_and_only_it_starts_again(benchmark, stub, tmp_path, capsys):
    rows = [stub(name) for name in ("first", "second", "third")]
    (tmp_path / "second breaks").touch()
    assert run_all(benchmark, tmp_path, *rows) == 1
    assert calls(tmp_path) == ["first", "second", "third"]
    figures = [row.get("figures") for row in report(tmp_path)["rows"]]
    assert figures == ["1.50 times", None, "1.50 times"]
    assert "it is broken" in table(tmp_path)["second"][2]
    assert "failed: exit status 1: it is broken; see" in capsys.readouterr().out

    (tmp_path / "second breaks").unlink()
    assert run_all(benchmark, tmp_path, *rows) == 0
    assert calls(tmp_path) == ["first", "second", "third", "second"]
    assert [row[2] for row in table(tmp_path).values()] == ["1.50 times"] * 3


def test_a_table_names_the_machine_and_what_was_measured(benchmark, stub, tmp_path):
    run_all(benchmark, tmp_path, stub("first"))
    facts = report(tmp_path)["machine"]
    assert {"processor", "flags", "cores", "versions", "date"} <= facts.keys()
    text = (tmp_path / "out" / "benchmarks.md").read_text()
    processor = benchmark("machine").processor_of(facts)
    assert f"On {processor};" in text and f"on {facts['date']}" in text
    record = report(tmp_path)["rows"][0]
    assert record["processor"] == processor
    assert record["result"] == {"benchmark": "first", "number": 1.5}
    assert table(tmp_path)["first"][:3] == ["first  others", "2", "1.50 times"]


@pytest.mark.parametrize("change", ["command", "processor", "damaged"])
def test_a_row_that_was_measured_otherwise_is_measured_again(benchmark, stub, tmp_path, change):
    run_all(benchmark, tmp_path, stub("first"))
    file = tmp_path / "out" / "rows" / "first.json"
    row = stub("first", number="2.5" if change == "command" else "1.5")
    if change == "processor":
        file.write_text(json.dumps(json.loads(file.read_text()) | {"processor": "another"}))
    if change == "damaged":
        file.write_text(file.read_text()[:40])
    assert run_all(benchmark, tmp_path, row) == 0
    assert calls(tmp_path) == ["first", "first"]


def test_only_the_rows_asked_for_are_measured(benchmark, stub, tmp_path, capsys):
    rows = [stub("first"), stub("second")]
    assert run_all(benchmark, tmp_path, *rows, words=("--rows", "second")) == 0
    assert calls(tmp_path) == list(table(tmp_path)) == ["second"]
    assert run_all(benchmark, tmp_path, *rows, words=("--rows", "first")) == 0
    assert calls(tmp_path) == ["second", "first"]
    assert list(table(tmp_path)) == ["first", "second"]  # what was measured stays in the table
    with pytest.raises(SystemExit) as stopped:
        run_all(benchmark, tmp_path, *rows, words=("--rows", "third"))
    assert stopped.value.code == 2
    assert "third" in capsys.readouterr().err


def test_what_is_not_installed_is_named_and_no_failure(benchmark, stub, tmp_path):
    peer = benchmark("rows").Peer
    rows = [
        stub("torch", peer("PyTorch", ("torch",), "{torch} times PyTorch", "torch")),
        stub("module", peer("Nothing", ("no_such_module",), "{nothing}", "nothing")),
        stub("program", peer("A program", ("json",), "{program}", program="no-such-program")),
        stub("there", peer("JSON", ("json",), "{benchmark} again", "json")),
    ]
    assert run_all(benchmark, tmp_path, *rows) == 0
    assert [cells[2] for cells in table(tmp_path).values()] == [
        "1.50 times; PyTorch: not measured without --torch-python",
        "1.50 times; Nothing: no_such_module not installed",
        "1.50 times; A program: no-such-program not installed",
        "1.50 times; there again",
    ]
    # Once there is a Python with it, the row is measured again.
    other = tmp_path / "python"
    (tmp_path / "torch.py").touch()
    other.write_text(
        f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(tmp_path))} exec {sys.executable} "$@"\n'
    )
    other.chmod(0o755)
    assert run_all(benchmark, tmp_path, rows[0], words=("--torch-python", str(other))) == 1
    last = (tmp_path / "calls").read_text().splitlines()[-1]
    assert last == f"torch 1.5 torch --torch-python {other}"
    # The stub's result has no such side.
    assert "failed: its result has another form" in table(tmp_path)["torch"][2]


def test_a_program_that_is_no_python_is_named(benchmark, stub, tmp_path):
    row = stub("torch", benchmark("rows").Peer("PyTorch", ("torch",), "{torch}", "torch"))
    (other := tmp_path / "other").write_text("#!/bin/sh\nexit 3\n")
    other.chmod(0o755)
    assert run_all(benchmark, tmp_path, row, words=("--torch-python", str(other))) == 0
    assert f"PyTorch: {other} does not run Python code" in table(tmp_path)["torch"][2]


def test_cpu_time_of_others_is_that_of_the_machine_without_ours(benchmark, tmp_path, monkeypatch):
    machine = benchmark("machine")
    (stat := tmp_path / "stat").write_text("cpu  100 10 50 9999 99 5 5 30 0 0\ncpu0 1 1\n")
    usage = SimpleNamespace(ru_utime=0.25, ru_stime=0.25)  # of this process, and of its children
    monkeypatch.setattr(machine.resource, "getrusage", lambda who: usage)
    others = machine.busy_elsewhere(stat)
    assert others == 200 / os.sysconf("SC_CLK_TCK") - 1.0
    assert machine.busy_elsewhere(tmp_path / "missing") is None


@pytest.mark.parametrize(("others", "cell"), [(3.0, "3.00"), (None, "")])
def test_a_row_says_how_busy_other_programs_were(
    benchmark, stub, tmp_path, monkeypatch, others, cell
):
    clock = iter([0.0, 10.0])
    time = SimpleNamespace(perf_counter=lambda: next(clock))
    monkeypatch.setattr(benchmark("all"), "time", time)
    seconds = iter([100.0, 130.0] if others else [None])
    monkeypatch.setattr(benchmark("all"), "busy_elsewhere", lambda: next(seconds))
    assert run_all(benchmark, tmp_path, stub("first")) == 0
    assert report(tmp_path)["rows"][0].get("busy_elsewhere") == others
    assert table(tmp_path)["first"][4] == cell


def test_a_folder_that_cannot_be_written_is_named(benchmark, stub, tmp_path, capsys):
    (tmp_path / "out").write_text("a file")
    assert run_all(benchmark, tmp_path, stub("first")) == 1
    assert f"error: {tmp_path / 'out'} cannot be written" in capsys.readouterr().err


def test_a_python_that_is_not_there_is_refused(benchmark, stub, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        run_all(benchmark, tmp_path, stub("first"), words=("--torch-python", "/no/python"))
    assert stopped.value.code == 2
    assert "there is no program /no/python" in capsys.readouterr().err


MAIN = """\
import sys
sys.path.insert(0, {benchmarks!r})
import all, rows
sys.exit(all.main(["--out", {out!r}], [rows.Row(*row) for row in {rows!r}]))
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_what_was_measured_before_a_stop_is_kept(benchmark, stub, tmp_path, number, status):
    rows = [stub(name) for name in ("first", "second")]
    code = MAIN.format(
        benchmarks=str(BENCHMARKS),
        out=str(tmp_path / "out"),
        rows=[(row.name, row.what, row.goal, row.command, row.figures) for row in rows],
    )
    (tmp_path / "second hangs").touch()
    command = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE
    while not (tmp_path / "process").exists() or not (tmp_path / "process").read_text():
        assert time.monotonic() < deadline and command.poll() is None
        time.sleep(0.01)
    script = int((tmp_path / "process").read_text())
    try:
        command.send_signal(number)
        assert command.wait(PATIENCE) == status
        if number == signal.SIGINT:  # which ends the script, too
            with pytest.raises(ProcessLookupError):
                os.kill(script, 0)
    finally:
        if number == signal.SIGKILL:
            os.kill(script, signal.SIGKILL)
    assert [row["row"] for row in report(tmp_path)["rows"]] == ["first"]
    assert table(tmp_path)["second"][2] == "not measured yet"

    (tmp_path / "second hangs").unlink()
    assert run_all(benchmark, tmp_path, *rows) == 0
    assert calls(tmp_path) == ["first", "second", "second"]


def test_every_row_has_a_script_and_a_name_in_the_readme(benchmark):
    rows = benchmark("rows").ROWS
    assert len({row.name for row in rows}) == len(rows)
    readme = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    assert [row.name for row in rows if f"`{row.name}`" not in readme] == []
    scripts = {shlex.split(row.command)[0] for row in rows}
    assert [script for script in scripts if not (BENCHMARKS / script).is_file()] == []


def test_scripts_end_with_a_line_for_programs(benchmark, capsys):
    benchmark("output").print_result("stub", number=1)
    result = json.loads(capsys.readouterr().out)
    assert result["benchmark"] == "stub" and result["number"] == 1
    assert " of " in result["processor"]


def test_a_command_that_fails_says_why(benchmark):
    code = "import sys; sys.exit('error: no such thing')"
    with pytest.raises(SystemExit, match=r"error: no such thing \(this failed: .*"):
        benchmark("processes").run_silently([sys.executable, "-c", code])


def test_the_cost_of_a_command_is_that_of_its_process(benchmark, tmp_path):
    (output := tmp_path / "output").touch()
    code = "memory = bytearray(200 * 2**20); print(sum(range(1000)))"
    cost = benchmark("processes").run_silently([sys.executable, "-c", code], output)
    assert output.read_text() == "499500\n"
    assert cost.peak_mb > 200
    assert cost.cpu > 0 and cost.wall > 0


def test_loaders_can_run_in_a_python_without_reszoo():
    code = "import sys; sys.modules['reszoo'] = None; import input_pipeline"
    subprocess.run([sys.executable, "-c", code], cwd=BENCHMARKS, check=True)
