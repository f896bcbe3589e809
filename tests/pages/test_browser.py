"""What a reader does with a page works: sorting, filtering, themes, hovering, printing."""

from __future__ import annotations

import pytest

KINDS = ("run", "runs", "search", "bundle", "mixed")


class Visit:
    """A page that was opened, with what its console said and what it asked the network for."""

    def __init__(self, browser, path, width=1280, **options) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def scroll(self) -> None:
        """Brings every chart into view, and waits until it is drawn."""
        for chart in self.page.locator(".chart").all():
            chart.scroll_into_view_if_needed()
            chart.locator("svg.marks").wait_for()


@pytest.fixture
def visit(browser, reports):
    visits = []

    def open_page(kind, **options):
        visits.append(Visit(browser, reports[kind], **options))
        return visits[-1]

    yield open_page
    for each in visits:
        each.context.close()


def column(page, number: int) -> list[str]:
    return page.locator(
        f"table.sortable >> nth=0 >> tbody tr:visible td:nth-child({number})"
    ).all_inner_texts()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [1280, 360])
def test_nothing_is_said_fetched_or_too_wide(visit, kind, width):
    opened = visit(kind, width=width)
    opened.scroll()
    assert opened.said == []
    assert [url for url in opened.asked if not url.startswith(("file:", "data:"))] == []
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("kind", ["run", "mixed"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit, kind, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    opened = visit(kind, color_scheme=scheme)
    opened.scroll()
    found = axe.Axe().run(opened.page).response["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    assert [(each["id"], each["nodes"][0]["html"][:200]) for each in serious] == []


def test_a_click_on_a_heading_sorts_and_another_turns_it_round(visit):
    page = visit("runs").page
    heading = page.get_by_role("button", name="accuracy", exact=True)
    heading.click()
    accuracies = [float(text.removesuffix(" %")) for text in column(page, 5) if text != "-"]
    assert accuracies == sorted(accuracies)
    assert column(page, 5)[-1] == "-"  # What is missing comes last.
    heading.press("Enter")
    turned = [float(text.removesuffix(" %")) for text in column(page, 5) if text != "-"]
    assert turned == accuracies[::-1]
    assert column(page, 5)[-1] == "-"


def test_words_filter_the_rows(visit):
    page = visit("runs").page
    page.get_by_label("Filter").fill("run-1 FINISHED")
    assert sorted(text.strip() for text in column(page, 1)) == ["run-1", "run-10", "run-11"]
    assert page.locator("output").first.inner_text() == "3 of 13"


def test_the_theme_changes_and_charts_follow(visit):
    opened = visit("runs", color_scheme="light")
    opened.scroll()
    page = opened.page

    def background():
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    def labels():
        return page.locator("#chart-curves svg.marks text").first.get_attribute("fill")

    before = (background(), labels())
    page.get_by_role("button", name="Dark theme").click()
    page.wait_for_function("!document.querySelector('#chart-curves').textContent.includes('?')")
    page.wait_for_timeout(500)
    assert background() != before[0]
    assert labels() != before[1]


def test_pointing_at_a_run_shows_its_spec(visit):
    opened = visit("runs")
    opened.scroll()
    page = opened.page
    page.locator("#chart-parameters .mark-symbol path").first.hover()
    tooltip = page.locator("#vg-tooltip-element")
    tooltip.wait_for(state="visible")
    assert "widths 4; residual" in tooltip.inner_text()
    assert opened.said == []


def test_ticked_runs_are_drawn(visit):
    opened = visit("runs")
    opened.scroll()
    page = opened.page
    lines = page.locator("#chart-curves .mark-line path")
    assert lines.count() == 8
    page.locator("input[data-run]:checked").first.uncheck()
    page.wait_for_timeout(300)
    assert lines.count() == 7
    page.locator("#chart-curves select").select_option(label="training loss")
    page.wait_for_timeout(300)
    assert lines.count() == 7
    assert opened.said == []


@pytest.mark.parametrize("kind", ["run", "mixed"])
def test_a_page_prints(visit, kind):
    opened = visit(kind, color_scheme="dark")
    opened.scroll()
    assert opened.page.pdf().startswith(b"%PDF")


def test_without_scripts_the_tables_are_complete(visit):
    page = visit("runs", java_script_enabled=False).page
    assert page.locator("table >> nth=0 >> tbody tr").count() == 13
    assert page.locator("input[data-run]").first.is_hidden()
    assert page.get_by_label("Filter").first.is_hidden()
