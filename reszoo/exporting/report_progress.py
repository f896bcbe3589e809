"""Progress of a long comparison: a bar on a terminal, otherwise a line per minute."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from tqdm import tqdm  # type: ignore[import-untyped]

from reszoo.visible_output import unfiltered

_DELAY_SECONDS = 2.0
_LINE_SECONDS = 60.0

Item = TypeVar("Item", covariant=True)


class Countable(Protocol[Item]):
    """Items whose number is known: a sequence, or an array."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Item]: ...


def report_progress(
    items: Countable[Item],
    title: str,
    unit: str = "images",
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Item]:
    """Yields the items, and reports on standard error how many are done.

    Nothing is reported if it is done within seconds.
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
