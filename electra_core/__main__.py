"""The command line as a module: ``python -m electra_core``."""

import sys

from electra_core.cli import main

if __name__ == "__main__":
    sys.exit(main())
