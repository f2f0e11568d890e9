"""The command line: each command calls the public functions and writes what they return.

Data go to stdout or ``--out``, messages to stderr. Exit status: 0; 1 when some input could not
be read, or an audit fails; 2 for wrong use.
"""

import argparse
import os
import sys
import warnings
from collections.abc import Iterable, Sequence

from .._version import __version__
from ..exceptions import FreqFakeError, UnreadableImageWarning
from .audit import add_audit
from .common import OK, SOME_UNREADABLE, WRONG_USE, epilog, tell
from .completion import add_completion
from .deep import add_deep
from .models import add_adapt, add_evaluate, add_train
from .parser import Parser
from .report import add_report
from .scoring import add_features, add_score

_FREQFAKE = """
    freqfake score face.jpg
    freqfake score pictures/ --out scores.csv
    # whether a data set gives the answer away by its files
    freqfake audit --real photographs/ --fake generated/
    # more about a command
    freqfake score --help
"""
_EXIT_STATUS = """\
exit status:
  0  done
  1  some input could not be read (the others are done all the same), or an
     audit fails
  2  wrong use"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process by default.
    """
    args = make_parser().parse_args(argv)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        warnings.simplefilter("ignore", DeprecationWarning)  # of packages: not the user's to mend
        try:
            status = int(args.run(args))
        except BrokenPipeError:  # the reader, say `head`, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return OK
        except KeyboardInterrupt:
            tell("interrupted")
            return 130
        except (FreqFakeError, OSError, ValueError) as error:
            _report(caught)
            tell(f"error: {error}")
            return WRONG_USE
    return max(status, _report(caught))


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the whole program."""
    parser = Parser(
        prog="freqfake",
        description="Was this face made by a GAN? Its frequencies and its noise may tell.",
        epilog=f"{epilog(_FREQFAKE)}\n\n{_EXIT_STATUS}",
    )
    parser.add_argument("--version", action="version", version=f"freqfake {__version__}")
    commands = parser.add_subparsers(
        title="commands", required=True, metavar="COMMAND", prog="freqfake"
    )

    add_features(commands)
    add_score(commands)
    add_train(commands)
    add_adapt(commands)
    add_evaluate(commands)
    add_report(commands)
    add_audit(commands)
    add_deep(commands)
    add_completion(commands, make_parser)
    return parser


def _report(caught: Iterable[warnings.WarningMessage]) -> int:
    """Pass warnings on to stderr; whether some input could not be read."""
    status = OK
    for warning in caught:
        tell(f"warning: {warning.message}")
        if issubclass(warning.category, UnreadableImageWarning):
            status = SOME_UNREADABLE
    return status
