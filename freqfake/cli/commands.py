"""The parser of all commands, and running one of them."""

import argparse
import errno
import io
import os
import sys
import traceback
import warnings
from collections.abc import Iterable, Sequence

from .._version import __version__
from ..exceptions import FreqFakeError, UnreadableImageWarning
from .audit import add_audit
from .common import OK, OUR_MISTAKE, SOME_UNREADABLE, WRONG_USE, epilog, tell
from .completion import add_completion
from .deep import add_deep
from .models import add_adapt, add_evaluate, add_export, add_info, add_train
from .parser import Parser
from .processes import worker_processes
from .rank import add_rank
from .report import add_report
from .scoring import add_features, add_score
from .serve import add_serve
from .signals import interrupted, over_errors
from .temporary import temporary_caches
from .terminal import write_message

_FREQFAKE = """
    freqfake score face.jpg
    freqfake score pictures/ --out scores.csv
    # check whether files alone separate the classes of a data set
    freqfake audit --real photographs/ --fake generated/
    # more about a command
    freqfake score --help
"""
_EXIT_STATUS = """\
exit status:
  0  success
  1  an input could not be read (the others are still processed), an audit
     failed, or a picture has the verdict of --fail-on
  2  wrong usage, or the result cannot be written"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; by default those of the process.
    """
    _prepare_streams()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        warnings.simplefilter("ignore", DeprecationWarning)  # from packages; users cannot fix them
        warnings.filterwarnings("ignore", module=r"PIL\.")  # damaged metadata change no pixels
        try:
            status = _run(argv)
        except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
            _leave_stdout()
            return OK
        except KeyboardInterrupt:
            _leave_stdout()
            return interrupted()
        except (FreqFakeError, OSError, ValueError) as error:
            _report(caught)
            tell(f"error: {_in_words(error)}")
            _leave_stdout()
            return WRONG_USE
        except Exception:  # a bug; file names in the traceback must not control a terminal
            for line in traceback.format_exc().splitlines():
                write_message(line)
            return OUR_MISTAKE
    return max(status, _report(caught))


def _run(argv: Sequence[str] | None) -> int:
    """Run a command and flush stdout, to detect failed writes."""
    with over_errors():
        try:
            args = make_parser().parse_args(argv)
            n_jobs = args.jobs if args.dask is None else None
            with temporary_caches(), worker_processes(n_jobs):  # which inherit their folder
                return int(args.run(args))
        finally:
            try:
                sys.stdout.flush()
            except OSError as error:
                raise OSError(error.errno, error.strerror, "stdout") from None


class _Closed(io.TextIOBase):
    """Replacement for a closed stdout; writing to it is an error."""

    def write(self, text: str) -> int:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), "stdout")


def _prepare_streams() -> None:
    """Let stdout accept names of any bytes, and replace closed streams."""
    if sys.stdout is None:
        sys.stdout = _Closed()
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    if hasattr(sys.stdout, "reconfigure"):
        keep_bytes = os.name == "posix" and not sys.stdout.isatty()
        sys.stdout.reconfigure(errors="surrogateescape" if keep_bytes else "backslashreplace")


def _leave_stdout() -> None:
    """Discard output that cannot be written, so that Python does not report it again at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _in_words(error: Exception) -> str:
    """Describe an error without the number and quotes of the operating system."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error)


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the program."""
    parser = Parser(
        prog="freqfake",
        description="Detect GAN-made faces by their frequencies and noise.",
        epilog=f"{epilog(_FREQFAKE)}\n\n{_EXIT_STATUS}",
    )
    parser.add_argument("--version", action="version", version=f"freqfake {__version__}")
    commands = parser.add_subparsers(
        title="commands", required=True, metavar="COMMAND", prog="freqfake"
    )

    add_features(commands)
    add_score(commands)
    add_rank(commands)
    add_train(commands)
    add_adapt(commands)
    add_evaluate(commands)
    add_info(commands)
    add_export(commands)
    add_report(commands)
    add_serve(commands)
    add_audit(commands)
    add_deep(commands)
    add_completion(commands, make_parser)
    return parser


def _report(caught: Iterable[warnings.WarningMessage]) -> int:
    """Write warnings to stderr; return the exit status that they imply."""
    status = OK
    for warning in caught:
        tell(f"warning: {warning.message}")
        if issubclass(warning.category, UnreadableImageWarning):
            status = SOME_UNREADABLE
    return status
