"""Figures of heat maps: matrices, such as units by layers, and maps over an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from reszoo.figures.style import MISSING, figure_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOR_MAPS = {"sequential": "viridis", "diverging": "RdBu_r", "image": "gray"}


@dataclass(frozen=True, slots=True)
class HeatMap:
    """One heat map."""

    title: str
    values: Any
    """A matrix `(rows, columns)`, first row on top, NaN where there is no value; or an image
    `(height, width, 3)` of 0..255."""
    x_label: str = ""
    y_label: str = ""
    kind: Literal["sequential", "diverging", "image"] = "sequential"
    """`diverging` is white at 0."""
    limits: tuple[float, float] | None = None
    """The values of the first and the last colour. Defaults to those of the values."""
    y_ticks: Sequence[tuple[float, str]] = ()
    """Rows and the texts beside them. Defaults to numbers from 1."""
    first_row: int = 1
    """Number of the first row."""


def heat_maps(
    maps: Sequence[HeatMap],
    *,
    columns: int | None = None,
    title: str = "",
    map_size: tuple[float, float] = (2.6, 3.0),
    bars: bool = True,
) -> Figure:
    """Draws heat maps in rows of `columns` (default: one row).

    Args:
      maps: the maps, first row first.
      columns: number of maps in a row.
      title: a title above all maps.
      map_size: width and height of a map in inches.
      bars: whether each map has a bar of its colours.
    """
    columns = columns or len(maps)
    rows = -(-len(maps) // columns)
    with figure_style():
        height = map_size[1] * rows + (0.3 if title else 0.0)
        figure = new_figure(map_size[0] * columns, height)
        grid = figure.subplots(rows, columns, squeeze=False).flatten()
        for axes, heat_map in zip(grid, maps, strict=False):
            _draw(figure, axes, heat_map, bar=bars and heat_map.kind != "image")
        for axes in grid[len(maps) :]:
            axes.set_axis_off()
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def _draw(figure: Figure, axes: Axes, heat_map: HeatMap, *, bar: bool) -> None:
    import matplotlib
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    values = np.asarray(heat_map.values, float)
    colors = matplotlib.colormaps[_COLOR_MAPS[heat_map.kind]].with_extremes(bad=MISSING)
    low, high = _limits(heat_map, values)
    is_image = heat_map.kind == "image"
    picture = axes.imshow(
        values / 255.0 if values.ndim == 3 else values,
        cmap=colors,
        vmin=low,
        vmax=high,
        aspect="equal" if is_image or not heat_map.x_label else "auto",
        interpolation="nearest",
    )
    axes.grid(False)
    axes.set_title(heat_map.title, fontsize=9)
    if is_image or not heat_map.x_label:
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(False)
    else:
        _label_axes(axes, heat_map, *values.shape[:2])
    if bar:
        few = MaxNLocator(nbins=4, steps=[1, 2, 5, 10])
        figure.colorbar(
            picture, ax=axes, orientation="horizontal", shrink=0.85, aspect=22, ticks=few
        )


def _limits(heat_map: HeatMap, values: Any) -> tuple[float | None, float | None]:
    import numpy as np

    if heat_map.limits is not None:
        return heat_map.limits
    if heat_map.kind == "diverging":
        finite = np.abs(values[np.isfinite(values)])
        most = float(finite.max()) if finite.size else 0.0
        return -(most or 1.0), most or 1.0
    return None, None


def _label_axes(axes: Axes, heat_map: HeatMap, rows: int, columns: int) -> None:
    axes.set_xlabel(heat_map.x_label)
    axes.set_ylabel(heat_map.y_label)
    if heat_map.y_ticks:
        axes.set_yticks([position for position, _ in heat_map.y_ticks])
        axes.set_yticklabels([text for _, text in heat_map.y_ticks])
    else:
        step = max(1, rows // 10) if rows < 50 else 10
        numbers = [n for n in range(rows) if (n + heat_map.first_row) % step == 0 or n == 0]
        axes.set_yticks(numbers)
        axes.set_yticklabels([str(n + heat_map.first_row) for n in numbers])
    step = max(1, columns // 5)
    axes.set_xticks(range(0, columns, step))
    axes.set_xticklabels([str(n + 1) for n in range(0, columns, step)])
