"""Class names beyond ASCII are readable in pictures."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import ImageFont

from reszoo import fonts


@pytest.fixture
def one_font(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system on which Arial is the only font; Pillow's own comes out of memory, as ever."""
    real = ImageFont.truetype

    def truetype(font: Any, size: float = 10, **options: Any) -> Any:
        if font == "Arial.ttf":
            return "Arial", size
        if isinstance(font, str):
            raise OSError(font)
        return real(font, size, **options)

    monkeypatch.setattr(ImageFont, "truetype", truetype)


def test_ascii_is_drawn_alike_everywhere(one_font: None) -> None:
    assert fonts.font_for("cat", 12).getbbox("cat") == ImageFont.load_default(12).getbbox("cat")


def test_other_letters_take_a_font_of_the_system(one_font: None) -> None:
    assert fonts.font_for("café", 12) == ("Arial", 12)


def test_where_the_system_has_none_pillows_own_draws_what_it_can(
    one_font: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fonts, "_UNICODE_FONTS", ("no such font.ttf",))
    assert fonts.font_for("café", 12).getbbox("caf") == ImageFont.load_default(12).getbbox("caf")
