"""Templates to one self-contained HTML file: every value is escaped, nothing is fetched."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from reszoo.errors import visible
from reszoo.report import text
from reszoo.version import VERSION

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_PACKAGE = "reszoo.report.pages"


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table of a page: texts, or `Cell`s where a value sorts by more than its text."""

    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    align: str
    """`l` or `r` for each column."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell with the number that it is sorted by, and what pointing at it shows."""

    text: str
    sort: float | None = None
    title: str | None = None
    is_chosen: bool | None = None
    """Whether the box of a run is ticked; None without a box."""
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page under a heading, drawn by a template of its own."""

    title: str
    template: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def anchor(self) -> str:
        """The id of the heading."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-") or "section"


def render_page(
    title: str, sections: Sequence[Section], charts: Mapping[str, Any] | None = None
) -> str:
    """Returns a page as HTML.

    Args:
      title: the heading.
      sections: the parts of the page, in order.
      charts: what `reszoo.report.pages.charts` returns; its scripts are embedded once.
    """
    environment = _environment()
    scripts = [_asset("page.js")]
    if charts:
        from reszoo.report.pages.charts import chart_library

        scripts = [chart_library(), *scripts, _asset("charts.js")]
    return environment.get_template("page.html").render(
        title=title,
        sections=sections,
        numbered=_anchors(sections),
        style=_trusted(_asset("page.css")),
        scripts=[_trusted(script) for script in scripts],
        # Of scripts, only these run, whatever a name or a file may hold.
        hashes=" ".join(map(_hash, scripts)),
        charts=charts,
        version=VERSION,
    )


def markdown(source: str) -> Markup:
    """Returns Markdown as HTML, without raw HTML; links and images leave their text or nothing."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    for rule in ("image", "link_open", "link_close"):
        parser.add_render_rule(rule, _nothing)
    # The page has headings of its own above these.
    html = re.sub(r"(</?h)([1-3])>", _lower_heading, parser.render(source))
    return _trusted(html.replace("<p></p>\n", ""))


def _nothing(*_: Any) -> str:
    return ""


def _lower_heading(match: re.Match[str]) -> str:
    return f"{match[1]}{int(match[2]) + 2}>"


def picture_address(content: bytes, kind: str) -> str:
    """Returns a picture as a `data:` address; `kind` is such as `png` or `svg+xml`."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters |= {
        "percent": text.format_percent,
        "si": text.format_si,
        "bytes": text.format_bytes,
        "shape": text.format_shape,
        "markdown": markdown,
        "breakable": _breakable,
        "png": partial(picture_address, kind="png"),
        "svg": partial(picture_address, kind="svg+xml"),
    }
    return environment


def _breakable(value: Any) -> Markup:
    """Returns the text of a cell, in which a line may end after every underscore of a name."""
    from markupsafe import escape

    return _trusted(str(escape(_finalize(value))).replace("_", "_<wbr>"))


def _finalize(value: Any) -> Any:
    """Writes control characters out, and what does not exist as in the tables of a terminal."""
    if value is None:
        return text.MISSING
    return visible(value) if type(value) is str else value


def _anchors(sections: Sequence[Section]) -> list[str]:
    """Returns an id for each section; equal titles are numbered."""
    taken: list[str] = []
    for section in sections:
        count = sum(each.anchor == section.anchor for each in sections[: len(taken)])
        taken.append(f"{section.anchor}-{count + 1}" if count else section.anchor)
    return taken


def _asset(name: str) -> str:
    from importlib.resources import files

    return (files(_PACKAGE) / "assets" / name).read_text("utf-8")


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _trusted(content: str) -> Markup:
    from markupsafe import Markup

    return Markup(content)
