import json
import re
import shutil
from pathlib import Path

from reszoo.report.pages.report import write_report
from reszoo.tuning import SearchResult

SEARCH = Path(__file__).parents[1] / "fixtures" / "v0_1" / "search"


def a_search(folder: Path, page: str, *rows: dict) -> Path:
    """The search of the fixtures with further lines of its page, and further trainings."""
    shutil.copytree(SEARCH, folder)
    fields = (folder / "search.yaml").read_text().replace("objective: val_accuracy\n", "")
    (folder / "search.yaml").write_text(fields + page)
    log = folder / "trials.jsonl"
    first = json.loads(log.read_text().splitlines()[0])
    with log.open("a") as file:
        file.writelines(json.dumps({**first, **row}) + "\n" for row in rows)
    return folder


def cells(page: str) -> list[list[str]]:
    """The rows of the table of trials."""
    table = page[page.index("Trials, best first") :]
    body = re.search(r"<tbody>(.*?)</tbody>", table, re.DOTALL)[1]
    rows = re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    return [
        [cell.strip().replace("<wbr>", "") for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)]
        for row in rows
    ]


def test_objectives_confirmations_and_references_are_told_apart(tmp_path):
    folder = a_search(
        tmp_path / "search",
        "objectives: {val_accuracy: max, macs: min}\n"
        "confirm: {best: 2, seeds: 1}\nreferences: [resnet8_digits]\n",
        {"kind": "confirm", "trial": 1, "repeat": 1, "val_accuracy": 0.9},
        {"kind": "confirm", "trial": 2, "repeat": 1, "val_accuracy": 0.5},
        {"kind": "reference", "trial": 1, "reference": "resnet8_digits", "changes": {}},
    )
    page = write_report([folder], tmp_path / "page.html").read_text("utf-8")
    rows = cells(page)
    assert [row[0] for row in rows] == ["2", "1", "resnet8_digits"]
    assert [row[4] for row in rows] == ["63.85 %", "76.88 %", "-"]
    assert rows[2][-1] == "outside the space"
    assert "trial 1, 63.76 % on held-out training images, 76.88 % on average over all" in page
    assert "validation accuracy (max), multiply-adds (min)" in page
    assert re.search(r"trials 2, 1; specs in \S+/pareto", page)
    assert page.count('"group": "references"') == page.count('"trial": "resnet8_digits"') == 4


def test_a_search_with_one_objective_has_neither(tmp_path):
    page = write_report([SEARCH], tmp_path / "page.html").read_text("utf-8")
    for absent in ("mean of seeds", "<dt>objectives", "specs in", '"group": "references"'):
        assert absent not in page


def test_every_accuracy_has_its_interval_where_the_held_out_images_are_known(tmp_path, monkeypatch):
    monkeypatch.setattr(SearchResult, "held_out_images", 100)
    page = write_report([SEARCH], tmp_path / "page.html").read_text("utf-8")
    assert "95 % interval" in page
    for _, _, accuracy, interval, *_ in cells(page):
        low, high = re.fullmatch(r"(\S+) to (\S+) %", interval).groups()
        assert float(low) < float(accuracy.removesuffix(" %")) < float(high)
