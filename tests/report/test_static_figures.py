import xml.etree.ElementTree as ElementTree

from reszoo.report.pages.static_figures import (
    arena_figure,
    bars_figure,
    calibration_figure,
    confusion_figure,
    curves_figure,
    heat_map_figure,
)
from reszoo.runs.evaluation_file import ReliabilityBin
from tests.report.sample_runs import CLASSES, HOSTILE


def texts(figure) -> str:
    return "".join(ElementTree.fromstring(figure).itertext())


def test_names_of_classes_are_text_and_nothing_else():
    figure = confusion_figure({(0, 0): 3, (0, 1): 2, (2, 2): 1}, CLASSES)
    assert "<script" not in figure
    assert HOSTILE[:13] in texts(figure)
    assert "$\\frac{c}$" in texts(figure)  # no formula


def test_figures_take_the_colours_of_the_page():
    figure = curves_figure("Loss", {"training": [(1, 2.0), (2, 1.0)], "validation": [(1, 2.0)]})
    assert "var(--blue)" in figure
    assert "#040404" not in figure
    assert 'role="img" aria-label="Loss over the epochs: training from 2 to 1' in figure


def test_a_single_epoch_is_a_point():
    assert "<use" in curves_figure("Accuracy", {"training": [(1, 0.5)]}, percent=True)


def test_ids_of_two_figures_differ_and_equal_figures_are_equal():
    def ids(figure):
        return {each.get("id") for each in ElementTree.fromstring(figure).iter() if each.get("id")}

    one, two = (curves_figure(title, {"a": [(1, 1.0)]}) for title in ("One", "Two"))
    assert ids(one)
    assert not ids(one) & ids(two)
    assert one == curves_figure("One", {"a": [(1, 1.0)]})


def test_every_figure_is_xml_with_a_text():
    bins = [ReliabilityBin(0.0, 0.5, 0, None, None), ReliabilityBin(0.5, 1.0, 4, 0.8, 0.7)]
    cells = {(0, 0): 0.5, (1, 1): 0.75}
    for figure in (
        calibration_figure(bins, 0.1),
        bars_figure("Importances", ["a", HOSTILE], [0.5, 0.1], "share"),
        arena_figure([3, 9, 1], "9 B"),
        heat_map_figure(cells, ["1", "2"], ["3", "4"], row_title="depth", column_title=HOSTILE),
    ):
        (svg,) = ElementTree.fromstring(figure)
        assert svg.get("aria-label")
