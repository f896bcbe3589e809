"""MkDocs hooks: pages from outside `docs/`, and links to files that are not on the site.

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
