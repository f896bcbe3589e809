"""Summary of a run: its folder, its accuracy and the commands that use it."""

from __future__ import annotations

from reszoo.report.text import facts, format_accuracy, format_command, format_percent
from reszoo.runs import Run


def run_text(run: Run) -> str:
    """Returns the run's folder, state and accuracy, and the next commands."""
    lines = [("run", str(run.path)), ("state", run.state)]
    if start := run.info.get("start"):
        lines.append(("from", str(start["source"])))
    lines += [("teacher", text) for text in teacher_texts(run)]
    lines += _accuracies(run)
    lines += [
        ("network", str(run.model_path)),
        ("next", format_command("evaluate", run.path)),
        ("", format_command("export", run.path, "--target", "mobile-int8")),
    ]
    return facts(lines)


def teacher_texts(run: Run) -> list[str]:
    """Returns the networks that taught a run, with the accuracy that run.json records."""
    texts = []
    for teacher in run.info.get("teachers", ()):
        name = str(teacher.get("path") or "a network in memory")
        if (accuracy := teacher.get("accuracy")) is not None:
            name += f" ({teacher.get('split')} accuracy {format_percent(accuracy)})"
        texts.append(name)
    return texts


def _accuracies(run: Run) -> list[tuple[str, str]]:
    lines = []
    best = run.info.get("best") or {}
    if "val_accuracy" in best:
        epoch = f"in epoch {best['epoch']}" if "epoch" in best else ""
        lines.append(
            ("validation", f"{format_percent(best['val_accuracy'])} at best {epoch}".rstrip())
        )
    if (accuracy := run.info.get("test_accuracy")) is not None:
        text = format_accuracy(accuracy, run.info["test_interval95"])
        lines.append((str(run.info["test_split"]), text))
    return lines
