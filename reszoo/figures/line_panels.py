"""Figures of lines: one or more panels that share their legend."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any

from reszoo.figures.style import LINE_STYLES, MARKERS, PALETTE, figure_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a panel."""

    label: str
    x: Sequence[float]
    y: Sequence[float | None]
    """None is a gap."""
    color: int | str = 0
    """Index of the palette, or a colour."""
    style: int = 0
    """Index of the line styles: solid, dashed, dotted, dash-dotted; and of the markers of lines
    that are a single point."""
    width: float = 1.6
    marker: str = ""
    low: Sequence[float] | None = None
    """Lower edge of the band of spread around the line."""
    high: Sequence[float] | None = None


@dataclass(frozen=True, slots=True)
class LinePanel:
    """One panel: a title, its axes and its lines."""

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    log: bool = False
    """Whether the vertical axis is logarithmic."""
    x_ticks: Sequence[tuple[float, str]] = ()
    """Positions and texts of the marks of the horizontal axis. Defaults to whole numbers."""
    y_range: tuple[float | None, float | None] = (None, None)
    baseline: float | None = None
    """A thin horizontal line to compare with."""
    baseline_label: str = ""
    separators: Sequence[float] = field(default=())
    """Thin vertical lines, as between stages."""


def line_panels(
    panels: Sequence[LinePanel],
    *,
    columns: int | None = None,
    title: str = "",
    panel_size: tuple[float, float] = (3.4, 2.7),
    share_y: bool = False,
) -> Figure:
    """Draws panels in rows of `columns` (default: one row), with one legend below.

    Args:
      panels: the panels, first row first.
      columns: number of panels in a row.
      title: a title above all panels.
      panel_size: width and height of a panel in inches.
      share_y: whether the panels of one row have one vertical axis.
    """
    columns = columns or len(panels)
    rows = -(-len(panels) // columns)
    labels = {line.label for panel in panels for line in panel.lines if line.label}
    with figure_style():
        width = max(4.2, panel_size[0] * columns)
        per_row = _labels_per_row(labels, width)
        legend = 0.1 + 0.2 * -(-len(labels) // per_row) if len(labels) > 1 else 0.1
        figure = new_figure(width, panel_size[1] * rows + legend)
        grid = figure.subplots(
            rows, columns, squeeze=False, sharey="row" if share_y else False
        ).flatten()
        for index, (axes, panel) in enumerate(zip(grid, panels, strict=False)):
            _draw(axes, panel, show_y_label=not share_y or index % columns == 0)
        # Only now: the axis of panels that share it ends where the lines of all of them do.
        for axes, panel in zip(grid, panels, strict=False):
            if panel.y_range != (None, None):
                axes.set_ylim(*panel.y_range)
            if panel.log:
                _label_short_log_axis(axes)
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
        _draw_legend(figure, grid[: len(panels)], per_row)
    return figure


def _labels_per_row(labels: Collection[str], width: float) -> int:
    """Returns how many labels of a legend fit beside each other in `width` inches."""
    longest = max(map(len, labels), default=0)
    return max(1, int(width // (0.55 + 0.07 * longest)))


def _draw(axes: Axes, panel: LinePanel, *, show_y_label: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    if panel.log:
        axes.set_yscale("log")
    for separator in panel.separators:
        axes.axvline(separator, color="#B0B0B0", linewidth=0.8)
    if panel.baseline is not None:
        axes.axhline(
            panel.baseline,
            color="#4D4D4D",
            linewidth=0.9,
            linestyle=(0, (4, 3)),
            label=panel.baseline_label or None,
        )
    for line in panel.lines:
        _draw_line(axes, line, log=panel.log)
    axes.set_title(panel.title)
    axes.set_xlabel(panel.x_label)
    if show_y_label:
        axes.set_ylabel(panel.y_label)
    if panel.x_ticks:
        axes.set_xticks([position for position, _ in panel.x_ticks])
        axes.set_xticklabels([text for _, text in panel.x_ticks])
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))


def _draw_line(axes: Axes, line: Line, *, log: bool) -> None:
    color = PALETTE[line.color % len(PALETTE)] if isinstance(line.color, int) else line.color
    style = line.style % len(LINE_STYLES)
    y = [_drawable(value, log) for value in line.y]
    if line.low is not None and line.high is not None:
        low, high = ([_drawable(value, log) for value in edge] for edge in (line.low, line.high))
        axes.fill_between(line.x, low, high, color=color, alpha=0.18, linewidth=0)
    axes.plot(
        line.x,
        y,
        color=color,
        linestyle=LINE_STYLES[style],
        linewidth=line.width,
        marker=line.marker or (MARKERS[style] if len(line.x) == 1 else None),
        markersize=3.5,
        label=line.label or None,
    )


def _label_short_log_axis(axes: Axes) -> None:
    """Labels a logarithmic axis with plain decimals where it has fewer than two powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    low, high = axes.get_ylim()
    if high < 100 * low:
        few = MaxNLocator(nbins=5, steps=[1, 2, 5, 10])
        axes.yaxis.set_major_locator(few if high < 10 * low else LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())


def _drawable(value: float | None, log: bool) -> float:
    good = value is not None and isfinite(value) and (value > 0 or not log)
    return float(value) if good and value is not None else float("nan")


def _draw_legend(figure: Figure, grid: Any, per_row: int) -> None:
    handles: dict[str, Any] = {}
    for axes in grid:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if len(handles) > 1:
        figure.legend(
            handles.values(),
            handles.keys(),
            loc="outside lower left",
            ncols=min(per_row, len(handles)),
        )
