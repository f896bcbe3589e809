"""`python -m reszoo`, the same as the command `reszoo`."""

import sys

from reszoo.cli import main

if __name__ == "__main__":
    sys.exit(main())
