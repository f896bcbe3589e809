import re

from reszoo.report.pages.rendering import PageTable, Section, markdown, render_page
from tests.report.sample_runs import HOSTILE


def test_every_value_is_escaped():
    table = PageTable((HOSTILE,), [[HOSTILE]], "l")
    values = {"facts": [(HOSTILE, HOSTILE)], "table": table}
    page = render_page(HOSTILE, [Section(HOSTILE, "search.html", values)])
    assert HOSTILE not in page
    assert page.count("&lt;script&gt;alert") >= 5


def test_only_the_scripts_of_the_page_may_run():
    page = render_page("x", [])
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert policy.count("'sha256-") == page.count("<script>") == 1
    assert "unsafe-inline' 'sha256" not in policy


def test_markdown_runs_no_html_and_fetches_nothing():
    html = markdown(
        "# T\n<script>x</script>\n\n![i](http://h/i.png) [l](javascript:x)\n\n|a|\n|-|\n|b|"
    )
    assert "<script" not in html
    assert "<img" not in html
    assert "href" not in html
    assert "<h3>T</h3>" in html
    assert "<td>b</td>" in html


def test_control_characters_are_written_out():
    page = render_page("a\x1b[31mb", [])
    assert "\x1b" not in page
    assert "\\x1b[31m" in page


def test_equal_titles_have_anchors_of_their_own():
    sections = [Section("Front", "problem.html", {"what": "x", "hint": None})] * 2
    page = render_page("x", sections)
    assert page.count('id="front"') == page.count('id="front-2"') == 1
