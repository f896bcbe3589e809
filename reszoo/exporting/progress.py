"""Progress of a long comparison: a bar on a terminal, a plain line per minute elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from tqdm import tqdm  # type: ignore[import-untyped]

from reszoo.visible_output import unfiltered

_DELAY_SECONDS = 2.0
_LINE_SECONDS = 60.0

Item = TypeVar("Item")


def report_progress(
    items: Sequence[Item],
    title: str,
    unit: str = "images",
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Item]:
    """Yields the items, and reports on standard error how many are done.

    What is over within seconds reports nothing.
    """
    stream = unfiltered(sys.stderr)
    if stream.isatty():
        yield from tqdm(
            items, desc=title, unit=f" {unit}", delay=_DELAY_SECONDS, leave=False, file=stream
        )
        return
    shown_at = clock()
    for done, item in enumerate(items):
        if clock() - shown_at >= _LINE_SECONDS:
            shown_at = clock()
            stream.write(f"{title}: {done:,} of {len(items):,} {unit}\n")
            stream.flush()
        yield item
