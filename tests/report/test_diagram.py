"""A picture shows every stage and one block of each kind, alike as SVG and as PNG."""

from __future__ import annotations

import io
import itertools
import re
from xml.etree import ElementTree

import pytest
from PIL import Image

from reszoo.planning.network import plan
from reszoo.report.block_picture import draw_block
from reszoo.report.diagram import draw_network, kinds
from reszoo.report.drawing import Arrow, Box, Disc, Drawing, Text
from reszoo.spec import from_mapping, load, names_of

HARD = {
    "name": "hard",
    "input": {"shape": [32, 32, 3]},
    "stem": {"filters": 16},
    "block": {
        "transform": "bottleneck",
        "connection": "highway",
        "gate": {"coupled": False},
        "attention": "se",
        "order": "full_pre",
        "survival_probability": 0.8,
    },
    "stages": [{"depth": 3, "width": 16}, {"depth": 2, "width": 32, "stride": 2}],
    "classes": 10,
}


def texts(drawing):
    """All words of a drawing, those in boxes included."""
    lines = [shape.text for shape in drawing.shapes if isinstance(shape, Text)]
    return lines + [
        line for shape in drawing.shapes if isinstance(shape, Box) for line in shape.lines
    ]


def edges(shape):
    """Left, top, right and bottom."""
    if isinstance(shape, Disc):
        r = shape.radius
        return shape.x - r, shape.y - r, shape.x + r, shape.y + r
    return shape.x, shape.y, shape.x + shape.width, shape.y + shape.height


def apart(one, other):
    a, b = edges(one), edges(other)
    return a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


@pytest.mark.parametrize("name", names_of("architecture"))
def test_every_network_of_the_zoo_fits_on_its_sheet(name):
    spec = load(name)
    if spec.name == "resnet1202":
        spec = load(name, ["stages[*].depth=9"])
    drawing = draw_network(plan(spec), spec.title or name)
    for shape in drawing.shapes:
        points = shape.points if isinstance(shape, Arrow) else [(shape.x, shape.y)]
        assert all(0 <= x <= drawing.width and 0 <= y <= drawing.height for x, y in points)
    assert len(kinds(plan(spec))) <= 6


@pytest.mark.parametrize(
    "spec", [load("resnet50"), load("highway10_w16_mnist"), from_mapping(HARD)]
)
def test_no_two_layers_of_a_block_overlap(spec):
    for rows, _ in kinds(plan(spec)):
        nodes = [s for s in draw_block(plan(spec), rows).shapes if isinstance(s, Box | Disc)]
        assert all(apart(one, other) for one, other in itertools.combinations(nodes, 2))


@pytest.mark.parametrize("spec", [load("resnet50"), load("resnet20"), from_mapping(HARD)])
def test_no_line_runs_through_a_layer(spec):
    for rows, _ in kinds(plan(spec)):
        drawing = draw_block(plan(spec), rows)
        boxes = [shape for shape in drawing.shapes if isinstance(shape, Box)]
        for arrow in (shape for shape in drawing.shapes if isinstance(shape, Arrow)):
            for start, end in itertools.pairwise(arrow.points):
                middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
                for left, top, right, bottom in map(edges, boxes):
                    assert not (left < middle[0] < right and top < middle[1] < bottom)


def test_a_residual_net_has_the_kinds_of_its_paper():
    found = kinds(plan(load("resnet50")))
    assert [where for _, where in found] == [
        ["stage 1: block 1", "stage 2: block 1", "stage 3: block 1", "stage 4: block 1"],
        [
            "stage 1: blocks 2-3",
            "stage 2: blocks 2-4",
            "stage 3: blocks 2-6",
            "stage 4: blocks 2-3",
        ],
    ]


def test_every_weighted_layer_of_a_block_is_named():
    network = plan(from_mapping(HARD))
    for rows, _ in kinds(network):
        words = texts(draw_block(network, rows))
        layers = [row for row in rows if row.op == "conv"]
        assert sum(" conv, " in word for word in words) == len(layers)


def test_the_svg_is_well_formed_and_holds_every_word():
    drawing = draw_network(plan(from_mapping(HARD)), "a <title> & more")
    root = ElementTree.fromstring(drawing.svg())
    written = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert set(texts(drawing)) <= set(written)
    assert root.get("width") == str(round(drawing.width))


def test_the_png_is_twice_the_size_of_the_sheet_and_not_empty():
    drawing = draw_network(plan(load("resnet20")), "ResNet-20")
    with Image.open(io.BytesIO(drawing.png())) as image:
        assert image.size == (round(drawing.width * 2), round(drawing.height * 2))
        assert len(image.getcolors(1_000_000)) > 100


def test_words_need_no_letters_that_pillows_font_lacks():
    for name in ("resnet50", "highway10_w16_mnist"):
        spec = load(name)
        for word in texts(draw_network(plan(spec), spec.title)):
            assert re.fullmatch(r"[\x20-\x7e]*", word)


def test_both_forms_come_from_the_same_shapes():
    drawing = Drawing(40, 20, [Box(5, 5, 30, 10, "#ff0000")])
    with Image.open(io.BytesIO(drawing.png())) as image:
        assert image.getpixel((40, 20)) == (255, 0, 0)
        assert image.getpixel((2, 2)) == (255, 255, 255)
    assert 'x="5" y="5" width="30" height="10"' in drawing.svg()
