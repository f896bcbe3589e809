"""How do commands print?"""

from __future__ import annotations

import json
from typing import Any


def print_json(value: Any) -> None:
    """Indented JSON; NaN would not be JSON, so it is refused."""
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=str))
