"""The help of every command, as it was when somebody last looked at it.

Made again with ``python tests/cli/test_help.py``.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from freqfake.cli import make_parser

REFERENCE = Path(__file__).with_name("help.txt")


def helps(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield parser.format_help()
    commands = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    for command in commands:
        for below in command.choices.values():
            yield from helps(below)


def all_helps() -> str:
    os.environ["COLUMNS"] = "80"
    return "\n".join(helps(make_parser()))


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="argparse 3.13 lays out help differently")
def test_the_help_is_the_reference(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert all_helps() == REFERENCE.read_text(encoding="utf-8")


if __name__ == "__main__":
    REFERENCE.write_text(all_helps(), encoding="utf-8")
