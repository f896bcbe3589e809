"""One drawing of four primitives becomes an SVG file and a PNG file that look alike."""

from __future__ import annotations

import io
from xml.etree import ElementTree

import pytest
from PIL import Image

from reszoo.fonts import font_for
from reszoo.report.drawing import (
    FAINT,
    PAPER,
    Arrow,
    Box,
    Circle,
    Drawing,
    Text,
    below,
    beside,
    bounds,
    one_line,
    text_width,
)

SHAPES = [
    Box(0, 0, 60, 30, "#ff0000", "#0000ff"),
    Circle(90, 15, 12, "#00ff00"),
    Arrow(((30, 30), (30, 60), (90, 60))),
    Text(30, 15, "a & b < c", anchor="middle"),
]


def png_of(drawing):
    with Image.open(io.BytesIO(drawing.png())) as image:
        return image.convert("RGB")


def tags(drawing):
    root = ElementTree.fromstring(drawing.svg())
    return [element.tag.rpartition("}")[2] for element in root]


def test_each_shape_is_in_both_files():
    drawing = Drawing.around("shapes", SHAPES)
    image = png_of(drawing)
    scale = image.width / drawing.width
    elements = {Box: "rect", Circle: "circle", Arrow: "polyline", Text: "text"}
    heads = sum(isinstance(shape, Arrow) and shape.head for shape in drawing.shapes)
    expected = sorted([elements[type(shape)] for shape in drawing.shapes] + ["polygon"] * heads)
    assert sorted(tag for tag in tags(drawing) if tag != "title") == expected
    for shape in drawing.shapes[1:3]:
        left, top, right, bottom = bounds([shape])
        x = left + 6 if isinstance(shape, Box) else (left + right) / 2
        color = image.getpixel((round(x * scale), round((top + bottom) / 2 * scale)))
        assert f"#{bytes(color).hex()}" == shape.fill
    assert f"#{bytes(image.getpixel((round(10 * scale), round(10 * scale)))).hex()}" == PAPER


@pytest.mark.parametrize(("side", "png_side"), [(100, 312), (744, 1600), (2000, 2056)])
def test_a_png_has_two_pixels_for_one_up_to_1600_and_never_less_than_one(side, png_side):
    drawing = Drawing.around("box", [Box(0, 0, side, 20, FAINT)])
    assert png_of(drawing).width == png_side


def test_both_files_are_the_same_each_time():
    one, other = (Drawing.around("shapes", SHAPES) for _ in range(2))
    assert (one.svg(), one.png()) == (other.svg(), other.png())


@pytest.mark.parametrize(
    "name",
    [
        '<script>alert("&")</script>',
        "犬と猫の分類",
        "\N{DOG FACE}\N{VARIATION SELECTOR-16} caf\u0065\u0301",
        "bell \x07, null \x00, lone \ud83d, \ufffe",
        "",
    ],
)
def test_any_name_can_be_drawn(name):
    line = one_line(name)
    drawing = Drawing.around(line, [Text(0, 0, line, 20, bold=True), *SHAPES])
    root = ElementTree.fromstring(drawing.svg().encode())
    written = [element.text or "" for element in root if element.tag.endswith(("text", "title"))]
    assert written == [line, line, "a & b < c"]
    assert png_of(drawing).width > 0


def test_wide_characters_take_more_space_and_accents_none():
    assert text_width("犬", 10) == 10
    assert text_width("犬" * 5, 10) > text_width("abcde", 10)
    assert text_width("e\u0301", 10) == text_width("e", 10)


@pytest.mark.parametrize("text", ["3x3 conv, 64, /2", "y = relu(C * x + T * H(x))", "2,256,838 M"])
@pytest.mark.parametrize("size", [11.5, 20])
def test_a_text_is_not_wider_than_thought(text, size):
    width = font_for(text, 8 * size).getlength(text) / 8
    assert 0.8 * text_width(text, size) < width <= text_width(text, size)


def test_groups_are_moved_beside_and_below_each_other():
    group = [Box(7, 9, 10, 20, PAPER), Circle(30, 30, 5)]
    assert bounds(group) == (7, 9, 35, 35)
    assert bounds(beside([group, group], 4)) == (0, 0, 60, 26)
    assert bounds(below([group, group], 4)) == (0, 0, 28, 56)
