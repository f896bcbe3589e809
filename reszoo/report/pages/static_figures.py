"""Figures of a page as SVG by matplotlib, in the colours of the page's theme."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reszoo.errors import visible
from reszoo.runs.evaluation_file import ReliabilityBin

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes

_THEME = {
    "#010101": "var(--ink)",
    "#020202": "var(--faint)",
    "#030303": "var(--line)",
    "#040404": "var(--blue)",
    "#050505": "var(--orange)",
    "#060606": "var(--paper)",
}
"""Colours that matplotlib draws with, and the colours of the page that replace them."""
INK, FAINT, RULE, BLUE, ORANGE, PAPER = _THEME
_STYLE = {
    "svg.fonttype": "none",  # Text stays text: it is read aloud, found and scaled.
    "svg.hashsalt": "reszoo",
    "text.parse_math": False,  # A class may be named `$x$`.
    "font.size": 10,
    "font.family": "sans-serif",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": RULE,
    "axes.labelcolor": FAINT,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "text.color": INK,
    "legend.frameon": False,
    "legend.labelcolor": INK,
}
_WRITTEN_CLASSES, _NAMED_CLASSES = 20, 40
"""Up to so many classes a confusion matrix has its counts and its names written."""
_NAME_LENGTH = 14


def curves_figure(
    title: str, series: Mapping[str, Sequence[tuple[float, float]]], *, percent: bool = False
) -> Markup:
    """Returns curves over the epochs, of up to two series of (epoch, value)."""
    from matplotlib.ticker import MaxNLocator

    def draw(axes: Axes) -> None:
        for (name, points), colour in zip(series.items(), (BLUE, ORANGE), strict=False):
            marker = "o" if len(points) < 10 else None
            axes.plot(*zip(*points, strict=True), color=colour, label=name, marker=marker, ms=4)
        if percent:
            _percent(axes.yaxis)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlabel("epoch")
        if len(series) > 1:
            axes.legend(loc="best")

    described = ", ".join(
        f"{name} from {points[0][1]:.4g} to {points[-1][1]:.4g}" for name, points in series.items()
    )
    return _figure(draw, title, f"{title} over the epochs: {described}", (4.2, 2.6), fixed=True)


def calibration_figure(bins: Sequence[ReliabilityBin], error: float) -> Markup:
    """Returns a reliability diagram: accuracy against confidence, and how many images each has."""
    filled = [each for each in bins if each.accuracy is not None]
    total = sum(each.examples for each in filled) or 1

    def draw(axes: Axes) -> None:
        width = bins[0].high - bins[0].low
        lows = [each.low for each in filled]
        shares = [each.examples / total for each in filled]
        axes.bar(lows, shares, width, align="edge", color=RULE, label="share of the images")
        axes.plot([0, 1], [0, 1], color=FAINT, linestyle=":", label="perfect calibration")
        axes.plot(
            [each.confidence or 0.0 for each in filled],
            [each.accuracy or 0.0 for each in filled],
            color=BLUE,
            marker="o",
            markersize=4,
            label="accuracy",
        )
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="confidence", ylabel="accuracy")
        _percent(axes.xaxis)
        _percent(axes.yaxis)
        axes.legend(loc="upper center", bbox_to_anchor=(0.45, -0.17), ncols=2, fontsize=9)

    text = f"Reliability diagram; expected calibration error {100 * error:.2f} %"
    return _figure(draw, "Calibration", text, (4.2, 4.0))


def confusion_figure(confusion: Mapping[tuple[int, int], int], classes: Sequence[str]) -> Markup:
    """Returns the confusion matrix; each row is coloured by its share of the true class."""
    import numpy as np
    from matplotlib.colors import ListedColormap

    count = len(classes)
    matrix = np.zeros((count, count))
    for pair, number in confusion.items():
        matrix[pair] = number
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    # Transparent where nothing is, so that it fits both themes.
    blue = ListedColormap([(0.26, 0.49, 0.85, alpha) for alpha in np.linspace(0, 0.9, 256)])

    def draw(axes: Axes) -> None:
        axes.imshow(shares, cmap=blue, vmin=0, vmax=1)
        axes.set(xlabel="predicted class", ylabel="true class")
        axes.grid(visible=False)
        if count <= _NAMED_CLASSES:
            names = [_short(name) for name in classes]
            axes.set_xticks(range(count), names, rotation=90)
            axes.set_yticks(range(count), names)
        if count <= _WRITTEN_CLASSES:
            for (true, predicted), number in confusion.items():
                text = f"{number:,}"
                axes.text(predicted, true, text, ha="center", va="center", fontsize=8, color=INK)

    right = sum(number for (true, predicted), number in confusion.items() if true == predicted)
    text = f"Confusion matrix of {count} classes; {right:,} images lie on its diagonal"
    side = 6.2 if count > 12 else 4.6
    return _figure(draw, "Confusion matrix", text, (side, side))


def bars_figure(title: str, names: Sequence[str], values: Sequence[float], label: str) -> Markup:
    """Returns horizontal bars, from the top."""

    def draw(axes: Axes) -> None:
        axes.barh(range(len(values)), values, color=BLUE, height=0.7)
        axes.set_yticks(range(len(values)), [_short(name, 28) for name in names])
        axes.invert_yaxis()
        axes.set_xlabel(label)
        axes.grid(visible=False, axis="y")

    listed = ", ".join(f"{name} {value:.2g}" for name, value in zip(names, values, strict=True))
    return _figure(draw, title, f"{title}: {listed}", (5.4, 0.9 + 0.32 * len(values)))


def arena_figure(live_bytes: Sequence[int], peak: str) -> Markup:
    """Returns the bytes of feature maps that are alive while each operator runs."""

    def draw(axes: Axes) -> None:
        axes.fill_between(range(len(live_bytes)), live_bytes, step="mid", color=BLUE, alpha=0.35)
        axes.step(range(len(live_bytes)), live_bytes, where="mid", color=BLUE, linewidth=1)
        axes.set(xlabel="operator", xlim=(0, max(1, len(live_bytes) - 1)))
        axes.set_ylim(0)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value / 1000:,.0f} kB")
        axes.locator_params(axis="x", integer=True)

    text = f"Bytes of feature maps while each of {len(live_bytes)} operators runs; at most {peak}"
    return _figure(draw, "Arena over time", text, (7.6, 2.6))


def heat_map_figure(
    values: Mapping[tuple[int, int], float],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    row_title: str,
    column_title: str,
) -> Markup:
    """Returns shares by row and column as a map; each cell has its number written."""
    import numpy as np

    matrix = np.full((len(rows), len(columns)), np.nan)
    for place, value in values.items():
        matrix[place] = value

    def draw(axes: Axes) -> None:
        axes.imshow(matrix, cmap="viridis", aspect="auto", alpha=0.45)
        axes.set_xticks(range(len(columns)), [_short(name) for name in columns])
        axes.set_yticks(range(len(rows)), [_short(name) for name in rows])
        axes.set(xlabel=_short(column_title, 60), ylabel=_short(row_title, 40))
        axes.grid(visible=False)
        for (row, column), value in values.items():
            axes.text(column, row, f"{100 * value:.1f}", ha="center", va="center", fontsize=9)

    text = f"Best validation accuracy in percent by {row_title} and {column_title}"
    size = (2.2 + 0.75 * len(columns), 1.2 + 0.45 * len(rows))
    return _figure(draw, "Map", text, size)


def _figure(
    draw: Callable[[Axes], None],
    title: str,
    text: str,
    size: tuple[float, float],
    *,
    fixed: bool = False,
) -> Markup:
    """Returns a figure with `text` for screen readers."""
    import matplotlib as mpl
    from markupsafe import Markup, escape
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # Browsers have the characters of class names that matplotlib's own font lacks.
        warnings.simplefilter("ignore")
        # A fixed layout is drawn once; one that fits names of any length, twice.
        figure = Figure(size, layout=None if fixed else "constrained")
        axes = figure.subplots(gridspec_kw=_margins(size) if fixed else None)
        axes.set_title(title)
        draw(axes)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    drawn = file.getvalue()
    svg = _own_names(drawn[drawn.index("<svg") :])
    head = f'<svg role="img" aria-label="{escape(visible(text))}" '
    return Markup(f'<div class="figure">{svg.replace("<svg ", head, 1)}</div>')


def _margins(size: tuple[float, float]) -> dict[str, float]:
    """Returns margins with room for the labels of numbers, as shares of a size in inches."""
    width, height = size
    return {
        "left": 0.62 / width,
        "right": 1 - 0.1 / width,
        "bottom": 0.48 / height,
        "top": 1 - 0.3 / height,
    }


def _own_names(svg: str) -> str:
    """Removes ids that nothing names, makes the others unique, and takes the theme's colours."""
    salt = f"f{hashlib.sha256(svg.encode()).hexdigest()[:8]}"
    used = set(re.findall(r'(?:url\(#|href="#)([\w.-]+)', svg))

    def rename(match: re.Match[str]) -> str:
        return f' id="{salt}{match[1]}"' if match[1] in used else ""

    svg = re.sub(r' id="([\w.-]+)"', rename, svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{salt}", svg)
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    for colour, name in _THEME.items():
        svg = svg.replace(colour, name)
    return svg


def _percent(axis: Any) -> None:
    axis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")


def _short(name: str, length: int = _NAME_LENGTH) -> str:
    name = visible(" ".join(name.split()))
    return name if len(name) <= length else name[: length - 1] + "…"
