import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reszoo.errors import UserError
from reszoo.report.pages.report import write_report
from tests.report.sample_runs import HOSTILE, finished_run

FIXTURES = Path(__file__).parents[1] / "fixtures" / "v0_1"


def page_of(tmp_path, *paths) -> str:
    return write_report(paths, tmp_path / "page.html").read_text("utf-8")


def headings(page: str) -> list[str]:
    return re.findall(r"<h2[^>]*>(.*?)</h2>", page)


def test_the_page_of_a_run_has_all_parts(tmp_path):
    page = page_of(tmp_path, finished_run(tmp_path / "run").path)
    assert headings(page) == [
        *("Summary", "Network", "Training", "Accuracy", "Classes", "Most confident mistakes"),
        *("Studies", "Exports", "How to repeat it"),
    ]
    assert "<strong>Broken" not in page
    assert "reszoo export" in page


def test_names_with_scripts_stay_text(tmp_path):
    one = finished_run(tmp_path / "one").path
    assert "<script>alert" not in page_of(tmp_path, one)
    two = finished_run(tmp_path / "two", accuracy=0.5).path
    info = two / "run.json"
    info.write_text(info.read_text().replace('"reszoo"', f'"{HOSTILE}"').replace("finished", "<i>"))
    for paths in ((two,), (one, two)):
        page = page_of(tmp_path, *paths)
        assert "<script>alert" not in page
        assert "<i>" not in page


def test_broken_runs_are_shown_as_broken_beside_the_others(tmp_path):
    runs = tmp_path / "runs"
    finished_run(runs / "good")
    finished_run(runs / "good2", seed=2)
    (finished_run(runs / "bad").path / "run.json").write_text("{")
    (finished_run(runs / "lost").path / "run.json").unlink()
    page = page_of(tmp_path, runs)
    assert headings(page)[0] == "Runs"
    assert "Broken runs" in headings(page)
    assert "Over seeds" in headings(page)
    assert len(re.findall('<strong class="bad">broken', page)) == 2


@pytest.mark.parametrize(
    ("classes", "epochs"),
    [([str(number) for number in range(10_000)], 1), (["a", "b"], 1)],
)
def test_many_classes_and_one_epoch(tmp_path, classes, epochs):
    run = finished_run(tmp_path / "run", classes=classes, epochs=epochs)
    page = page_of(tmp_path, run.path)
    assert "<strong>Broken" not in page
    assert len(page) < 1_000_000


def test_an_unfinished_run_shows_the_command_that_resumes_it(tmp_path):
    page = page_of(tmp_path, FIXTURES / "interrupted")
    assert f"reszoo resume {FIXTURES / 'interrupted'}" in page
    assert "Training" in headings(page)


def test_without_an_evaluation_its_command_is_shown(tmp_path):
    assert f"reszoo evaluate {FIXTURES / 'finished'}" in page_of(tmp_path, FIXTURES / "finished")


def test_a_run_that_no_command_repeats_says_why(tmp_path):
    run = finished_run(tmp_path / "run")
    run.set_state("finished", command_note="Started from Python with callbacks")
    assert "<p>Started from Python with callbacks.</p>" in page_of(tmp_path, run.path)


def test_a_damaged_part_does_not_hide_the_others(tmp_path):
    run = finished_run(tmp_path / "run")
    (run.path / "evaluation.json").write_text("{")
    page = page_of(tmp_path, run.path)
    assert "cannot be read" in page
    assert "How to repeat it" in headings(page)


def test_searches_bundles_and_studies_have_pages(tmp_path):
    assert "Trials, best first" in page_of(tmp_path, FIXTURES / "search")
    page = page_of(tmp_path, FIXTURES / "bundle")
    assert "Arena over time" in page
    assert "CONV_<wbr>2D" in page
    study = tmp_path / "study"
    study.mkdir()
    (study / "study.json").write_text('{"study": "gates"}')
    (study / "summary.md").write_text("# Found\n\nGates **open**.")
    (study / "table.csv").write_text("layer,openness\nb1,0.123456\n")
    page = page_of(tmp_path, study)
    assert "<strong>open</strong>" in page
    assert "0.1235" in page


def test_studies_and_exports_of_a_run_are_on_its_page(tmp_path):
    run = finished_run(tmp_path / "run").path
    shutil.copytree(FIXTURES / "bundle", run / "export" / "mobile-int8")
    (run / "study" / "gates").mkdir(parents=True)
    (run / "study" / "gates" / "study.json").write_text("{")
    page = page_of(tmp_path, run)
    assert "mobile-int8" in page
    assert "study.json cannot be read" in page


def test_names_may_break_after_underscores_and_accuracies_are_in_percent(tmp_path):
    for name in ("a_run", "b_run"):
        finished_run(tmp_path / "runs" / name)
    page = page_of(tmp_path, tmp_path / "runs")
    assert "a_<wbr>run" in page
    assert 'data-run="a_run"' in page
    chart = json.loads(re.search(r'id="charts">(.*?)</script>', page, re.DOTALL)[1])["chart-curves"]
    assert chart["encoding"]["x"]["axis"]["values"] == [1, 2]
    assert "~p" in chart["encoding"]["y"]["axis"]["labelExpr"]
    assert "validation accuracy" in chart["title"]["text"]["expr"]


def study(folder: Path, **values) -> Path:
    folder.mkdir(parents=True)
    (folder / "study.json").write_text(json.dumps({"study": "gating", **values}))
    return folder


def title_of(page: str) -> str:
    return re.search(r"<h1>(.*?)</h1>", page)[1]


def test_an_unfinished_study_says_so_and_how_to_resume_it(tmp_path):
    command = ["reszoo", "study", "gating", "-o", "my study"]
    begun = study(tmp_path / "my study", state="running", command=command)
    page = page_of(tmp_path, begun)
    assert "Unfinished" in page and "an earlier one" not in page
    assert "reszoo study gating -o &#39;my study&#39;" in page
    (begun / "summary.md").write_text("# Gating\n\nOld.")
    page = page_of(tmp_path, begun)
    assert "what follows was found by an earlier one" in page and title_of(page) == "Gating"
    without = study(tmp_path / "other", state="running", command=None)
    assert "The command that began it resumes it." in page_of(tmp_path, without)
    assert "Unfinished" not in page_of(tmp_path, study(tmp_path / "done", state="finished"))


def test_the_title_names_what_is_alone_of_its_kind(tmp_path):
    run = finished_run(tmp_path / "run").path
    gates = study(tmp_path / "s", title="Gates of resnet20")
    (gates / "summary.md").write_text("# Gates of resnet20\n\n- Open.")
    assert title_of(page_of(tmp_path, run)) == "Run run"
    page = page_of(tmp_path, gates)
    assert (title_of(page), headings(page)) == ("Gates of resnet20", ["Findings"])
    assert page.count("Gates of resnet20</h") == 1
    page = page_of(tmp_path, run, gates)
    assert title_of(page) == "Run run, Gates of resnet20"
    assert headings(page)[-1] == "Gates of resnet20"
    other = finished_run(tmp_path / "b", seed=2).path
    assert title_of(page_of(tmp_path, run, other, gates)) == "2 runs, Gates of resnet20"


@pytest.mark.parametrize("name", ["missing", "empty", "file"])
def test_what_is_no_subject_is_refused(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"no folder|nothing to report|is a file"):
        page_of(tmp_path, tmp_path / name)


def test_the_only_run_is_opened_or_refused(tmp_path):
    run = finished_run(tmp_path / "run").path
    (run / "run.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        page_of(tmp_path, run)


def test_only_an_earlier_report_is_replaced(tmp_path):
    run = finished_run(tmp_path / "run").path
    file = write_report([run], tmp_path / "page.html")
    write_report([run], file)
    file.write_text("mine")
    with pytest.raises(UserError, match="not replaced"):
        write_report([run], file)
    assert file.read_text() == "mine"


def test_no_page_loads_tensorflow(tmp_path):
    for name in "ab":
        finished_run(tmp_path / "runs" / name)
    program = (
        "import sys; from reszoo.cli import main; "
        f"assert main(['report', {str(tmp_path / 'runs')!r}, {str(FIXTURES / 'search')!r}, "
        f"{str(FIXTURES / 'bundle')!r}, '-o', {str(tmp_path / 'page.html')!r}]) == 0; "
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
