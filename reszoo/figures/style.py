"""The look of all figures, and how they are saved."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from reszoo.atomic_files import atomic_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#4D4D4D")
"""Colours of lines, which colour-blind readers tell apart (Okabe and Ito 2008)."""
LINE_STYLES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D")
"""Markers of single points, beside the line styles."""
MISSING = "#E8E8E8"
"""The colour of cells without a value in a heat map."""

_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#4D4D4D",
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E0E0E0",
    "grid.linewidth": 0.6,
    "xtick.color": "#4D4D4D",
    "ytick.color": "#4D4D4D",
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    # Equal figures are equal files.
    "svg.hashsalt": "reszoo",
}
_PIXELS_PER_INCH = 160


@contextlib.contextmanager
def figure_style() -> Iterator[None]:
    """Draws in the house's style inside the context, whatever the user's settings are."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def new_figure(width: float, height: float) -> Figure:
    """Returns an empty figure of a size in inches; no window and no global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def figure_bytes(figure: Figure, kind: str) -> bytes:
    """Returns a figure as `svg` or `png`; equal figures give equal bytes."""
    stream = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    with figure_style():
        figure.savefig(stream, format=kind, dpi=_PIXELS_PER_INCH, metadata=metadata)
    return stream.getvalue()


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a figure to `path` with the suffixes .svg and .png.

    Raises:
      MachineError: a file cannot be written.
    """
    for kind in ("svg", "png"):
        with atomic_file(path.with_suffix(f".{kind}")) as temporary:
            temporary.write_bytes(figure_bytes(figure, kind))
