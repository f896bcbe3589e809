"""A diagram shows the stages of a network and a block of each kind, and nothing overlaps."""

from __future__ import annotations

import io
import itertools
import re
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from reszoo.errors import UserError
from reszoo.fonts import font_for
from reszoo.report.block_kinds import block_kinds
from reszoo.report.diagram import Subject, check_diagram_name, draw_network, draw_twins
from reszoo.report.drawing import Arrow, Box, Circle, Text, bounds, text_width
from tests.report.diagrams import hard_subjects, plan_of, subject_of, words
from tests.zoo import networks

TWINS = Path(__file__).parents[2] / "docs" / "images" / "twins.svg"


@cache
def diagram_of(name):
    return draw_network(subject_of(name))


def overlap(one, other):
    """Width and height of what two rectangles have in common, if positive."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return across > 0.01 and down > 0.01


def contains(outer, inner):
    corners = (outer[0] <= inner[0], outer[1] <= inner[1], inner[2] <= outer[2])
    return all(corners) and inner[3] <= outer[3]


def segments(arrow):
    for (x0, y0), (x1, y1) in itertools.pairwise(arrow.points):
        yield min(x0, x1) - 0.6, min(y0, y1) - 0.6, max(x0, x1) + 0.6, max(y0, y1) + 0.6


def faults(drawing):
    """What a reader would trip over: texts on texts, on edges or on lines, shapes off the card."""
    card, *shapes = drawing.shapes
    boxes = {shape: bounds([shape]) for shape in (card, *shapes)}
    texts = [shape for shape in shapes if isinstance(shape, Text)]
    lines = [(shape, list(segments(shape))) for shape in shapes if isinstance(shape, Arrow)]
    for shape in shapes:
        if not contains(boxes[card], boxes[shape]):
            yield "off the card", shape
    for one, other in itertools.combinations(texts, 2):
        if overlap(boxes[one], boxes[other]):
            yield "text on text", one, other
    for text in texts:
        for arrow, parts in lines:
            if any(overlap(boxes[text], part) for part in parts):
                yield "text on a line", text, arrow
        for shape in reversed(shapes[: shapes.index(text)]):
            if not isinstance(shape, Box | Circle):
                continue
            if contains(boxes[shape], boxes[text]):
                break  # it covers what lies behind it
            if overlap(boxes[text], boxes[shape]):
                yield "text on an edge", text, shape


@pytest.mark.quick_rows(4)
@pytest.mark.parametrize("name", networks())
def test_nothing_overlaps_in_any_diagram_of_the_zoo(name):
    """And every text is as wide as was thought, or less."""
    assert list(faults(diagram_of(name))) == []
    texts = {shape for shape in diagram_of(name).shapes if isinstance(shape, Text)}
    for text, size, bold in {(shape.text, shape.size, shape.bold) for shape in texts}:
        assert re.fullmatch(r"[\x20-\x7e]+", text), "Pillow's own font has no other letters"
        assert font_for(text, 8 * size).getlength(text) / 8 <= text_width(text, size, bold=bold)


@pytest.mark.parametrize("subject", list(hard_subjects()), ids=lambda subject: subject.title)
def test_nothing_overlaps_in_diagrams_that_are_hard_to_draw(subject):
    assert list(faults(draw_network(subject))) == []
    assert list(faults(draw_twins(subject, subject_of("resnet20")))) == []


@pytest.mark.parametrize("name", ["resnet50", "highway19_cifar10", "resnet9", "plain20"])
def test_a_diagram_names_each_block_with_its_numbers(name):
    shown = words(diagram_of(name).shapes)
    for kind in block_kinds(plan_of(name)):
        drawn = kind.places[0]
        assert f"Drawn: {drawn}" in shown
        for place in kind.places:
            assert {f"stage {place.stage}", place.blocks} <= set(shown)
        for (layer, numbers), row in zip(drawn.labels, drawn.rows, strict=True):
            if row.op == "conv":
                assert f"{layer}, {numbers}" in shown


def test_the_stages_are_those_of_the_network():
    shown = words(diagram_of("resnet20").shapes)
    stages = [shown[i : i + 4] for i, word in enumerate(shown) if word == "3 blocks"]
    assert [stage[1] for stage in stages] == ["32x32x16", "16x16x32", "8x8x64"]
    assert shown[1] == "269,722 parameters, 40.6 M multiply-adds"


@pytest.mark.quick_rows(3)
@pytest.mark.parametrize("name", ["resnet20", "highway10_w16_mnist", "resnet8_mlperf"])
def test_the_png_of_a_small_net_is_at_most_1600_pixels_wide(name):
    with Image.open(io.BytesIO(diagram_of(name).png())) as image:
        assert 1000 <= image.width <= 1600
        assert len(image.getcolors(1_000_000)) > 100


def test_a_title_of_the_users_is_written_as_it_is():
    title = "a <title> & 犬 " + "long " * 40
    drawing = draw_network(Subject(plan_of("resnet20"), title, ["classes=<10>"]))
    root = ElementTree.fromstring(drawing.svg().encode())
    written = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert " ".join(written).startswith(title.strip())
    assert "with classes=<10>" in written
    assert list(faults(drawing)) == []


def test_twins_say_what_differs_and_which_blocks_are_not_drawn():
    twin = subject_of("resnet20", "block.connection=highway")
    shown = words(draw_twins(subject_of("resnet20"), twin).shapes)
    assert shown.count("ResNet-20 for CIFAR-10") == 2
    for text in (
        *("with block.connection=highway", "y = relu(x + H(x))"),
        "y = relu(C * x + T * H(x)),  C = 1 - T",
        "Not drawn: two-layer residual block, zero-padded shortcut",
    ):
        assert shown.count(text) == 1
    assert shown.count("stage 2, block 1; stage 3, block 1") == 2


def test_the_readmes_picture_is_current():
    """`make diagrams` draws it."""
    twin = subject_of("resnet20", "block.connection=highway")
    assert TWINS.read_text() == draw_twins(subject_of("resnet20"), twin).svg()


@pytest.mark.parametrize("path", ["net.pdf", "net", "", "folder/my net.jpeg"])
def test_the_hint_for_another_ending_is_a_name_that_can_be_drawn(path):
    with pytest.raises(UserError) as error:
        check_diagram_name(path)
    check_diagram_name(error.value.hint.removeprefix("write --diagram ").strip("'"))
