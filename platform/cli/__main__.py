"""`python -m primafacie.platform.cli`: the same as the console script."""

from __future__ import annotations

import sys

from primafacie.platform.cli import main

sys.exit(main())
