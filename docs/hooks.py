"""MkDocs hooks: pages from outside `docs/`, links, and what a browser shows of code.

Links on the pages are those of the repository, so that they work there too.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

PAGES = {
    "how_it_works.md": "ARCHITECTURE.md",
    "benchmarks.md": "benchmarks/README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
}
"""Pages of the site whose text stands elsewhere in the repository."""

LINK = re.compile(
    r"(?<!!)\[(?P<text>[^\]\n]*(?:\n[^\]\n]+)?)\]\((?P<path>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)"
)
"""A link to a file; addresses have a colon."""

INLINE_CODE = re.compile(r"(?<!</span>)<code>[^<]*</code>")
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")
DOCTEST_FLAG = re.compile(r" *# doctest: \+\w+")
NAMED_PAGE = re.compile(r"(?<![\w/\"])(?<!<code>)docs/(\w+\.md)")
"""A page that a docstring or the changelog names without a link."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages from outside `docs/`."""
    for name, source in PAGES.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Points links to where pages are on the site; files that are not there are only named."""
    source = ROOT / PAGES[name] if (name := page.file.src_uri) in PAGES else DOCS / name

    def relink(link: re.Match[str]) -> str:
        target = Path(os.path.normpath(source.parent / link["path"]))
        path = next((page for page, text in PAGES.items() if ROOT / text == target), None)
        if path is None and target.is_relative_to(DOCS):
            path = target.relative_to(DOCS).as_posix()
        if path is None and target.exists():
            return link["text"]
        return f"[{link['text']}]({path or link['path']}{link['anchor'] or ''})"

    return LINK.sub(relink, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    r"""Makes code legible, and links pages that are only named.

    Options stay in one piece, flags of doctests are hidden, and `\|`, which GitHub needs in
    tables, loses its backslash.
    """

    def link(name: re.Match[str]) -> str:
        file = files.get_file_from_path(name[1])
        if file is None or file.page is None:
            return name[0]
        return f'<a href="{file.url_relative_to(page.file)}">{file.page.title}</a>'

    def legible(code: re.Match[str]) -> str:
        return OPTION.sub(r'<span class="option">\g<0></span>', code[0].replace(r"\|", "|"))

    html = INLINE_CODE.sub(legible, html)
    return NAMED_PAGE.sub(link, DOCTEST_FLAG.sub("", html))
