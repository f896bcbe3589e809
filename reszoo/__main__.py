"""`python -m reszoo` is `reszoo`."""

import sys

from reszoo.cli import main

if __name__ == "__main__":
    sys.exit(main())
