"""The command ``freqfake completion``: what the Tab key needs to know."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

from .._optional import extra
from .common import OK, add_command

_EXAMPLES = """
    # for one shell session
    eval "$(freqfake completion bash)"
    # for good, in bash: to be sourced in ~/.bashrc
    freqfake completion bash > ~/.freqfake.bash
    # in zsh, in a folder that $fpath names before compinit is called
    freqfake completion zsh > ~/.zfunc/_freqfake
    # in tcsh, to be sourced in ~/.tcshrc
    freqfake completion tcsh > ~/.freqfake.tcsh
"""


def add_completion(commands: Any, whole: Callable[[], argparse.ArgumentParser]) -> None:
    """Add the command; `whole` makes the parser of the whole program."""
    text = "print a script by which a shell completes what is typed"
    completion = add_command(commands, "completion", _completion, text, jobs=False,
                             examples=_EXAMPLES)  # fmt: skip
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"), help="which one")
    completion.set_defaults(whole=whole)


def _completion(args: argparse.Namespace) -> int:
    with extra("cli", "shtab"):
        import shtab

    parser = args.whole()
    files = dict.fromkeys(("PATH", "FILE", "MODEL", "OUT"), shtab.FILE)
    _name_files(parser, {**files, "FOLDER": shtab.DIRECTORY})
    sys.stdout.write(f"{shtab.complete(parser, shell=args.shell)}\n")
    return OK


def _name_files(parser: argparse.ArgumentParser, complete: dict[str, Any]) -> None:
    """Mark the arguments that are files, as their metavars tell, for shtab."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _name_files(command, complete)
        elif action.metavar in complete:
            action.complete = complete[str(action.metavar)]  # type: ignore[attr-defined]
