"""The parser of the command line: coloured help on a terminal, hints for mistyped words."""

import argparse
import difflib
import importlib.util
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Any, NoReturn

from .._text import did_you_mean
from .terminal import coloured, console, write_message


class Parser(argparse.ArgumentParser):
    """Parser of a command, or of the program.

    Each parser reports unknown arguments itself, because it has the options to suggest instead.
    In argparse, the parser of the program reports them.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": argparse.RawDescriptionHelpFormatter, **options})
        self._given: list[str] = []

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse, and refuse unknown arguments."""
        self._given = list(sys.argv[1:] if args is None else args)
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return known, []

    def error(self, message: str) -> NoReturn:
        """Print the error and a hint, and exit."""
        self.print_usage(sys.stderr)
        write_message(f"{self.prog}: error: {message}{self._meant_options()}")
        self.exit(2)

    def print_help(self, file: Any = None) -> None:
        """Print the help, in colour on a terminal."""
        stream = file or sys.stdout
        if coloured(stream) and importlib.util.find_spec("rich_argparse") is not None:
            self.formatter_class = _coloured_formatter(stream)
        if self.description is not None:
            width = shutil.get_terminal_size().columns - 2  # as in argparse
            self.description = textwrap.fill(self.description, width)
        super().print_help(stream)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            error.message += did_you_mean(str(value), map(str, action.choices or ()))
            raise

    def _meant_options(self) -> str:
        known = self._option_string_actions
        names = (given.partition("=")[0] for given in self._given if given.startswith("--"))
        # argparse accepts abbreviated options.
        unknown = [name for name in names if not any(option.startswith(name) for option in known)]
        hints = {name: difflib.get_close_matches(name, known, n=1) for name in unknown}
        return "".join(
            f"; did you mean {close[0]} instead of {name}?"
            for name, close in hints.items()
            if close
        )


def _coloured_formatter(stream: Any) -> Any:
    from rich_argparse import RawDescriptionRichHelpFormatter

    class Formatter(RawDescriptionRichHelpFormatter):
        """Use the terminal's own colours, and read no markup."""

        group_name_formatter = str
        help_markup = text_markup = False
        styles = {  # noqa: RUF012
            **RawDescriptionRichHelpFormatter.styles,
            "argparse.groups": "bold",
            "argparse.help": "none",
            "argparse.text": "none",
            "argparse.metavar": "green",
            "argparse.prog": "bold",
            "argparse.comment": "dim",
        }
        highlights = [  # noqa: RUF012
            *RawDescriptionRichHelpFormatter.highlights,
            r"(?m)^(?P<groups>examples:|exit status:)$",
            r"(?m)^  (?P<comment># .*)$",
        ]

    return lambda prog: Formatter(prog, console=console(stream))
