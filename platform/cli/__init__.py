"""The command line: `primafacie COMMAND`.

Exit codes: 0 done, 2 refused by policy, 3 bad input, 4 verification failed, 1 anything else.
Answers go to stdout, logs to stderr; with `--json` an answer is exactly one JSON document. Every
command's module is imported when it is called, so that starting costs nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final

import click

from primafacie.platform.cli.lazy import Lazy

# Before numpy is imported anywhere: with more threads than one, the linear algebra of the worker
# and of its children get in each other's way, and small searches take many times as long.
for _library in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_library, "1")

#: command -> module in this folder. The command's object bears the same name.
COMMANDS: Final = {
    "serve": "serve",
    "worker": "worker",
    "demo": "demo",
    "doctor": "doctor",
    "generate": "generate",
    "verify": "verify",
    "consent": "consent",
    "takedown": "takedown",
    "optout": "optout",
    "audit": "audit",
    "bench": "bench",
    "keys": "keys",
    "signer": "signer",
    "law": "law",
    "watermark": "watermark",
    "migrate": "migrate",
    "user": "user",
    "policy": "policy",
    "motion": "motion",
}
DONE, FAILED, REFUSED, BAD_INPUT, UNVERIFIED = 0, 1, 2, 3, 4


@click.group(cls=Lazy, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="primafacie")
def cli() -> None:
    """Talking faces with consent first, marked, signed and logged."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; the console script exits with it."""
    from primafacie.platform.cli import answer

    try:
        answer.log_to_stderr()
        code = cli.main(args=arguments, prog_name="primafacie", standalone_mode=False)
        return code if isinstance(code, int) else DONE
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.UsageError as error:
        error.show()
        return BAD_INPUT
    except click.Abort:
        click.echo("Stopped.", err=True)
        return FAILED
    except Exception as error:
        return answer.explain(error)


if __name__ == "__main__":
    sys.exit(main())
