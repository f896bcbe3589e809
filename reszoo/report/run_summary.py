"""What does a run folder hold, and what did the training reach?"""

from __future__ import annotations

from reszoo.report.text import command, facts, percent
from reszoo.runs import Run


def run_text(run: Run) -> str:
    """The end of a training in a few lines: where it lies, what it reached, what to do next."""
    lines = [("run", str(run.path)), ("state", run.state)]
    if start := run.info.get("start"):
        lines.append(("from", str(start["source"])))
    lines += _reached(run)
    lines += [
        ("network", str(run.model_path)),
        ("next", command("evaluate", run.path)),
        ("", command("export", run.path, "--target", "mobile-int8")),
    ]
    return facts(lines)


def _reached(run: Run) -> list[tuple[str, str]]:
    lines = []
    best = run.info.get("best") or {}
    if "val_accuracy" in best:
        epoch = f"in epoch {best['epoch']}" if "epoch" in best else ""
        lines.append(("validation", f"{percent(best['val_accuracy'])} at best {epoch}".rstrip()))
    if (accuracy := run.info.get("test_accuracy")) is not None:
        low, high = run.info["test_interval95"]
        interval = f"(95 % interval {100 * low:.2f} to {percent(high)})"
        lines.append((str(run.info["test_split"]), f"{percent(accuracy)} {interval}"))
    return lines
