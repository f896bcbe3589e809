"""Line panels and heat maps: what is drawn, and that equal figures are equal files."""

from __future__ import annotations

import math
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from PIL import Image

from reszoo.figures.heat_maps import HeatMap, heat_maps
from reszoo.figures.line_panels import Line, LinePanel, line_panels
from reszoo.figures.style import figure_bytes, save_figure


def lines():
    y = [3.0, None, 1.0]
    return line_panels(
        [
            LinePanel("left", "x", "y", [Line("a", [1, 2, 3], y), Line("b", [1, 2, 3], [1, 2, 3])]),
            LinePanel("right", "x", "y", [Line("a", [1], [0.0])], log=True, baseline=1.0),
        ]
    )


def maps():
    return heat_maps(
        [
            HeatMap("m", [[0.0, math.nan], [1.0, -1.0]], "unit", "block", "diverging"),
            HeatMap("image", [[[0, 128, 255]]], kind="image"),
        ]
    )


@pytest.mark.parametrize("draw", [lines, maps])
@pytest.mark.parametrize("kind", ["svg", "png"])
def test_equal_figures_are_equal_files(draw, kind):
    assert figure_bytes(draw(), kind) == figure_bytes(draw(), kind)


@pytest.mark.parametrize("draw", [lines, maps])
def test_a_figure_is_saved_as_svg_and_png(draw, tmp_path):
    save_figure(draw(), tmp_path / "figure")
    assert ElementTree.parse(tmp_path / "figure.svg").getroot().tag.endswith("svg")
    with Image.open(tmp_path / "figure.png") as picture:
        assert min(picture.size) > 300


def test_panels_share_one_legend_with_each_label_once():
    (legend,) = lines().legends
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b"]


@pytest.mark.parametrize("words", ["", "layers, training error", "of a network with a long name"])
def test_a_legend_of_many_labels_is_no_wider_than_the_figure(words):
    lines = [Line(f"{number} {words}", [1, 2], [1, 2]) for number in range(8)]
    figure = line_panels([LinePanel("", "x", "y", lines)] * 2)
    figure.canvas.draw()
    (legend,) = figure.legends
    assert legend.get_window_extent().x1 <= figure.bbox.x1


def test_panels_that_share_an_axis_show_the_lines_of_all():
    panels = [
        LinePanel("", "x", "y", [Line("", [1, 2], y)], y_range=(None, 9)) for y in ([3, 4], [1, 99])
    ]
    figure = line_panels(panels, share_y=True)
    low, high = figure.axes[0].get_ylim()
    assert low <= 1 and high == 9


def tick_texts(axis):
    low, high = sorted(axis.get_view_interval())
    return [
        text.get_text()
        for place, text in zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)
        if low <= place <= high
    ]


def test_a_single_place_has_a_single_mark():
    (axes,) = line_panels([LinePanel("", "epoch", "y", [Line("", [1], [0.5])])]).axes
    assert tick_texts(axes.xaxis) == ["1"]


@pytest.mark.parametrize(
    ("y", "texts"),
    [
        ([0.55, 2.3], ["1", "1.5", "2"]),
        ([2.0, 2.08], ["2", "2.02", "2.04", "2.06", "2.08"]),
        ([0.4, 20], ["0.5", "1", "2", "5", "10", "20"]),
    ],
)
def test_a_short_logarithmic_axis_has_plain_numbers(y, texts):
    (axes,) = line_panels([LinePanel("", "x", "y", [Line("", [1, 2], y)], log=True)]).axes
    assert tick_texts(axes.yaxis) == texts


def test_lines_of_a_single_point_differ_in_their_markers():
    lines = [Line(f"{style}", [1], [1.0], 0, style) for style in range(2)]
    (axes,) = line_panels([LinePanel("", "x", "y", lines)]).axes
    assert len({line.get_marker() for line in axes.lines}) == 2


def test_a_diverging_map_is_white_at_zero():
    picture = maps().axes[0].images[0]
    assert picture.get_clim() == (-1.0, 1.0)


def test_settings_of_the_user_change_nothing():
    import matplotlib

    before = figure_bytes(lines(), "svg")
    with matplotlib.rc_context({"lines.linewidth": 9.0, "font.size": 30.0}):
        assert figure_bytes(lines(), "svg") == before


def test_matplotlib_is_imported_when_a_figure_is_drawn():
    program = (
        "import sys, reszoo.cli, reszoo.figures.line_panels, reszoo.figures.heat_maps\n"
        "from reszoo.cli.program import main\n"
        "main(['list', 'resnet20']); main(['show', 'resnet20'])\n"
        "print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False", done.stderr
