"""The command ``freqfake completion``: scripts for completion with the Tab key."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

from .._optional import extra
from .common import OK, add_command

_EXAMPLES = """
    # for one shell session
    eval "$(freqfake completion bash)"
    # permanently, in bash; source the file in ~/.bashrc
    freqfake completion bash > ~/.freqfake.bash
    # in zsh; the folder must be in $fpath before compinit is called
    freqfake completion zsh > ~/.zfunc/_freqfake
    # in tcsh; source the file in ~/.tcshrc
    freqfake completion tcsh > ~/.freqfake.tcsh
"""


def add_completion(commands: Any, whole: Callable[[], argparse.ArgumentParser]) -> None:
    """Add the command; `whole` makes the parser of the program."""
    text = "print a script for completion in a shell"
    completion = add_command(commands, "completion", _completion, text, jobs=False,
                             examples=_EXAMPLES)  # fmt: skip
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"), help="name of the shell")
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
    """Mark for shtab the arguments that are files, recognised by their metavars."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _name_files(command, complete)
        elif action.metavar in complete:
            action.complete = complete[str(action.metavar)]  # type: ignore[attr-defined]
