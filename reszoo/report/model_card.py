"""A model card of a run in Markdown, with the front matter that model hubs read.

The sections are those of Mitchell 2019, "Model Cards for Model Reporting", as far as a run knows
them. What only the author knows is left as a comment to fill in.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import yaml

from reszoo.errors import visible
from reszoo.planning.cost import cost
from reszoo.report.exported_files import bundles_of
from reszoo.report.network_summary import cost_lines
from reszoo.report.run_summary import teacher_texts
from reszoo.report.text import (
    format_accuracy,
    format_bytes,
    format_percent,
    markdown_table,
)
from reszoo.runs import Run
from reszoo.runs.evaluation_file import StoredEvaluation, read_evaluation

_AUTHOR = "<!-- The author fills this in: {} -->"
_LISTED_CLASSES, _WEAK_CLASSES = 50, 5


def model_card(run: Run) -> str:
    """Returns the card of a run.

    Raises:
      UserError: a file of the run is missing or damaged.
    """
    evaluation = read_evaluation(run.path)
    parts = [
        _front_matter(run, evaluation),
        _heading(run),
        _section("Intended use", _AUTHOR.format("what it is for, and what it is not for.")),
        _section("Data", *_data(run)),
        _section("Metrics", *_metrics(run, evaluation)),
        _section("Cost", *_cost(run)),
        _section("Limits", *_limits(run, evaluation)),
        _section("How to use it", *_use(run)),
        _section("How it was trained", *_training(run)),
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(run: Run, evaluation: StoredEvaluation | None) -> str:
    """Returns the metadata of model hubs; the license is the author's to choose."""
    data = run.data()
    values: dict[str, Any] = {
        "library_name": "keras",
        "pipeline_tag": "image-classification",
        "tags": ["reszoo", run.architecture().name],
        "datasets": [str(data.get("name"))],
    }
    split, accuracy = _accuracy(run, evaluation)
    if accuracy is not None:
        metric = {"type": "accuracy", "value": round(accuracy, 4)}
        result = {
            "task": {"type": "image-classification"},
            "dataset": {"name": str(data.get("name")), "type": "image", "split": split},
            "metrics": [metric],
        }
        values["model-index"] = [{"name": run.name, "results": [result]}]
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    return f"---\n# license: to be chosen by the author\n{text}---"


def _accuracy(run: Run, evaluation: StoredEvaluation | None) -> tuple[str, float | None]:
    if evaluation is not None:
        return evaluation.split, evaluation.accuracy
    return str(run.info.get("test_split", "test")), run.info.get("test_accuracy")


def _heading(run: Run) -> str:
    architecture, classes = run.architecture(), run.data()["classes"]
    title = architecture.title or architecture.name
    sides = " x ".join(map(str, architecture.input.shape[:2]))
    lines = [
        f"# {_plain(run.name)}",
        "",
        f"{_plain(title)}, which classifies images of {sides} pixels into {len(classes):,} "
        "classes. The input is the raw image, 0..255.",
    ]
    if run.state != "finished":
        lines += ["", f"**The training has not finished: its state is {run.state}.**"]
    if architecture.source:
        lines += ["", f"Architecture: {_plain(architecture.source)}."]
    return "\n".join(lines)


def _section(title: str, *lines: str) -> str:
    return "\n".join([f"## {title}", "", *lines])


def _data(run: Run) -> Iterator[str]:
    data = run.data()
    splits = [f"{name} {count:,}" for name, count in (data.get("splits") or {}).items()]
    yield f"{_plain(str(data.get('name')))}: {', '.join(splits) or 'splits unknown'} images."
    held_out = (data.get("validation") or {}).get("images")
    if held_out:
        yield f"{held_out:,} images of the training split were held out to choose the best epoch."
    names = [_plain(name) for name in data["classes"][:_LISTED_CLASSES]]
    more = len(data["classes"]) - len(names)
    yield ""
    yield f"Classes: {', '.join(names)}{f' and {more:,} more' if more else ''}."
    yield ""
    yield _AUTHOR.format("where the images come from, their license, and whom they show.")


def _metrics(run: Run, evaluation: StoredEvaluation | None) -> Iterator[str]:
    if evaluation is None:
        if (accuracy := run.info.get("test_accuracy")) is not None:
            split = run.info.get("test_split", "test")
            yield f"- {split} accuracy: {format_accuracy(accuracy, run.info['test_interval95'])}"
        else:
            yield "The network was not evaluated on a test split."
        return
    yield f"On the split {evaluation.split}, {evaluation.examples:,} images:"
    yield ""
    yield f"- accuracy: {format_accuracy(evaluation.accuracy, evaluation.interval)}"
    if evaluation.top5 is not None:
        yield f"- top-5 accuracy: {format_percent(evaluation.top5)}"
    yield f"- cross-entropy: {evaluation.loss:.4f}"
    if (error := evaluation.expected_calibration_error) is not None:
        yield f"- expected calibration error, 15 bins: {format_percent(error)}"


def _cost(run: Run) -> Iterator[str]:
    architecture = run.architecture()
    yield markdown_table(("", ""), cost_lines(architecture, cost(architecture)))
    rows = [
        (
            bundle.target,
            file.path,
            format_bytes(file.bytes),
            format_percent(file.accuracy),
            "-" if file.latency_ms is None else f"{file.latency_ms:g} ms",
        )
        for bundle in bundles_of(run.path)
        for file in bundle.files
    ]
    if rows:
        yield ""
        yield markdown_table(("export", "file", "size", "accuracy", "latency"), rows)


def _limits(run: Run, evaluation: StoredEvaluation | None) -> Iterator[str]:
    yield "- Every image is put into one of the classes, also one that shows none of them."
    if evaluation is not None:
        if weak := _weakest(evaluation):
            yield f"- Lowest recall: {', '.join(weak)}."
        examples = {true for true, _ in evaluation.confusion}
        if missing := len(evaluation.classes) - len(examples):
            yield f"- {missing:,} classes were not tested: the split has no images of them."
    skipped = run.data().get("skipped") or ()
    if skipped:
        yield f"- {len(skipped):,} files of the data could not be read and were left out."
    yield ""
    yield _AUTHOR.format("on which images it should not be trusted.")


def _weakest(evaluation: StoredEvaluation) -> list[str]:
    totals: dict[int, int] = {}
    for (true, _), count in evaluation.confusion.items():
        totals[true] = totals.get(true, 0) + count
    recall = {true: evaluation.confusion.get((true, true), 0) / n for true, n in totals.items()}
    weakest = sorted((share, true) for true, share in recall.items() if share < 1)[:_WEAK_CLASSES]
    return [
        f"{_plain(evaluation.classes[true])} {format_percent(share, 1)}" for share, true in weakest
    ]


def _use(run: Run) -> Iterator[str]:
    yield "```python"
    yield "import reszoo"
    yield ""
    yield 'model = reszoo.load_model("model.keras")  # raw pixels in, logits out'
    yield 'reszoo.predict(model, "image.png")'
    yield "```"


def _training(run: Run) -> Iterator[str]:
    recipe, info = run.recipe(), run.info
    yield f"- recipe: {_plain(recipe.name)}, {info.get('epochs', '-')} of {recipe.epochs} epochs"
    yield f"- seed: {info.get('seed', '-')}"
    if start := info.get("start"):
        yield f"- initial weights: {_plain(str(start.get('source')))}"
    for teacher in teacher_texts(run):
        yield f"- teacher: {_plain(teacher)}"
    versions = info.get("versions") or {}
    made = ", ".join(f"{name} {versions[name]}" for name in ("reszoo", "keras") if name in versions)
    yield f"- made with {made or 'unknown versions'}"
    yield ""
    command = info.get("command")
    text = shlex.join(map(str, command)) if isinstance(command, list) else None
    if text:
        yield from ("```bash", _one_line(text), "```")
    if note := info.get("command_note"):
        yield from ("", f"{_plain(str(note))}.")


def _one_line(text: str) -> str:
    return visible(" ".join(text.split()))


def _plain(text: str) -> str:
    r"""Returns a name that Markdown shows as it is.

    >>> _plain("<b> *x*")
    '\\<b\\> \\*x\\*'
    """
    escaped = "".join(f"\\{sign}" if sign in "\\`*_{}[]<>()#!|~" else sign for sign in text)
    return _one_line(escaped)
