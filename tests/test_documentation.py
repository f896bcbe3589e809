"""The pages hang together: every link leads somewhere, and every page can be reached."""

from __future__ import annotations

import ast
import os
import re
import shlex
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from reszoo.cli.program import COMMANDS, command_parser
from reszoo.errors import UserError
from tests.test_examples import ROOT, code_of_page, pages

DOCS = ROOT / "docs"
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
HOOKS = ast.parse((DOCS / "hooks.py").read_text(encoding="utf-8"))
GENERATED = next(
    ast.literal_eval(node.value)
    for node in HOOKS.body
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PAGES"
)
"""Pages of the site whose text stands elsewhere in the repository."""

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|^\[[^\]]+\]:\s*(\S+)|(?:src|href)=\"([^\"]+)\"", re.M)
PLACEHOLDER = re.compile(r"\.\.\.|\$\w|\bCOMMAND\b|\bKIND\b|\[OPTIONS\]")


def without_code(text: str) -> str:
    text = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    text = "\n".join(line for line in text.splitlines() if not line.startswith("    "))
    return re.sub(r"`[^`\n]*`", "`code`", text)


def links(text: str) -> list[str]:
    found = [next(filter(None, match)) for match in LINK.findall(without_code(text))]
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as far as GitHub and Python-Markdown agree on them."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    headings = [
        re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        for heading in re.findall(r"^#{1,6} +(.+?) *$", text, flags=re.M)
    ]
    words = [re.sub(r"[^\w\s-]", "", heading.replace("`", "")) for heading in headings]
    github = [word.lower().replace(" ", "-") for word in words]
    site = [re.sub(r"[-\s]+", "-", word.strip().lower()) for word in words]
    return {name for name, other in zip(github, site, strict=True) if name == other}


def broken_links(page: Path, text: str) -> list[str]:
    wrong = []
    for link in links(text):
        path, _, anchor = unquote(link).partition("#")
        target = Path(os.path.normpath(page.parent / path)) if path else page
        if not target.exists():
            wrong.append(f"{page.name}: there is no {link}")
        elif anchor and target.suffix == ".md":
            known = anchors(text if target == page else target.read_text(encoding="utf-8"))
            wrong += [f"{page.name}: no heading for {link}"] if anchor not in known else []
    return wrong


def navigation(entries: list) -> list[str]:
    """The files of the navigation, from top to bottom."""
    values = [next(iter(entry.values())) if isinstance(entry, dict) else entry for entry in entries]
    return [
        file
        for value in values
        for file in (navigation(value) if isinstance(value, list) else [value])
    ]


def commands(page: Path) -> list[str]:
    """The commands on a page that a reader could type as they stand, but for names of files."""
    blocks = code_of_page("", page.read_text(encoding="utf-8"))[:-1]
    text = "\n".join(
        block.text for block in blocks if "\n" in block.text or block.text.startswith("    ")
    )
    lines = text.replace("\\\n", " ").splitlines()
    found = [re.match(r"\s*(?:\$ )?(?:\w+=\S+ )?reszoo (.+)", line) for line in lines]
    return [re.split(r"\s+#|\s[>|&;]|;", match[1])[0] for match in found if match]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page):
    assert not broken_links(page, page.read_text(encoding="utf-8"))


def test_a_broken_link_would_be_found(tmp_path):
    page = tmp_path / "page.md"
    text = (
        "# Top\n[a](page.md#top) [b](page.md#no) [c](no.md)\n`[d](no.md)`\n\n"
        '    [e](no.md)\n\n[f](https://x.org)\n<img src="no.png">\n## `--dashes`\n[g](#--dashes)\n'
    )
    page.write_text(text)
    assert broken_links(page, text) == [
        "page.md: no heading for page.md#no",
        "page.md: there is no no.md",
        "page.md: there is no no.png",
        "page.md: no heading for #--dashes",
    ]


def test_every_page_is_in_the_navigation_once():
    assert sorted(navigation(SITE["nav"])) == sorted(
        [*(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")), *GENERATED]
    )


def test_pages_from_elsewhere_exist():
    assert all((ROOT / source).is_file() for source in GENERATED.values())


def test_the_site_is_strict_and_fetches_nothing():
    validation = SITE["validation"]
    assert {level for checks in validation.values() for level in checks.values()} == {"warn"}
    assert SITE["theme"]["font"] is False
    scripts = [*SITE.get("extra_javascript", []), *SITE.get("extra_css", [])]
    assert not [script for script in scripts if ":" in script]


def test_every_page_that_the_package_names_exists():
    """In help, messages and docstrings, so that a reader finds it."""
    named = {
        (path.relative_to(ROOT), name)
        for path in (ROOT / "reszoo").rglob("*.py")
        for name in re.findall(r"docs/[\w/]+\.\w+", path.read_text(encoding="utf-8"))
    }
    assert named
    assert not [f"{path}: {name}" for path, name in named if not (ROOT / name).is_file()]


def errors_in_commands(lines: list[str]) -> list[str]:
    """What is wrong with command lines, but for the values of arguments."""
    wrong = []
    for line in lines:
        words = shlex.split(line)
        name = next((word for word in words if not word.startswith("-")), None)
        if name is not None and name not in COMMANDS:
            wrong.append(f"reszoo {line}: no command {name}")
            continue
        try:
            _, unknown = command_parser(name)[0].parse_known_args(words)
            wrong += [f"reszoo {line}: {unknown}"] if unknown else []
        except UserError as error:
            wrong.append(f"reszoo {line}: {error.what}")
        except SystemExit:
            pass  # --help and --version
    return wrong


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_on_a_page_is_one(page):
    complete = [line for line in commands(page) if not PLACEHOLDER.search(line)]
    assert not errors_in_commands(complete)


def test_commands_are_found_on_the_pages():
    counts = {page.name: len(commands(page)) for page in pages()}
    assert counts["first_network.md"] > 8
    assert sum(counts.values()) > 50


def test_a_wrong_command_would_be_found():
    lines = ["trian resnet20", "train resnet20 --epoch 3", "benchmark", "list --json"]
    assert errors_in_commands(lines) == [
        "reszoo trian resnet20: no command trian",
        "reszoo train resnet20 --epoch 3: ['--epoch', '3']",
        "reszoo benchmark: the following arguments are required: BUNDLE|FILE|RUN",
    ]


def outline(text: str) -> list[str]:
    """The paragraphs and list items of a page as Markdown reads them, without code blocks."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    return re.split(r"\n\s*\n|\n\s*(?:[-*+]|\d+\.) ", f"\n{text}")


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_no_line_of_a_sentence_becomes_a_list_item(page):
    """As a line does that begins with the minus of `1 / (1 - x)`."""
    parts = outline(page.read_text(encoding="utf-8"))
    assert not [part for part in parts if part.count("(") != part.count(")") and "|" not in part]


def test_a_minus_at_the_start_of_a_line_would_be_found():
    parts = outline("- over 1 / (1\n  - momentum) steps.\n")
    assert [part.count("(") - part.count(")") for part in parts if part.strip()] == [1, -1]


@pytest.mark.parametrize(
    "page",
    [*DOCS.glob("*.md"), *(ROOT / source for source in GENERATED.values())],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_code_fits_beside_the_sidebars_of_the_site(page):
    """85 columns, in a window of 1,280 pixels."""
    text = page.read_text(encoding="utf-8")
    fenced = [
        line
        for block in re.findall(r"^```.*?^```$", text, re.M | re.S)
        for line in block.splitlines()
    ]
    indented = re.findall(r"^ {4}(.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M)
    assert not [line for line in [*fenced, *indented] if len(line) > 85]
