"""The command ``freqfake audit``: whether the files alone separate real from fake."""

import argparse
import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Any

from .common import OK, SOME_UNREADABLE, add_command, add_labelled, paths_of, tell
from .terminal import STYLES, write_line, write_table
from .words import counted

if TYPE_CHECKING:
    from ..evidence.audit import Audit

_MOST_PAIRS = 10
_EXAMPLES = """
    freqfake audit --real photographs/ --fake generated/
    # as JSON; the exit status is 1 if the audit fails
    freqfake audit --real photographs/ --fake generated/ --json
"""


def add_audit(commands: Any) -> None:
    """Add ``audit``."""
    text = "check whether the files alone separate real from fake"
    audit = add_command(commands, "audit", _audit, text, jobs=False, examples=_EXAMPLES)
    add_labelled(audit)
    audit.add_argument("--json", action="store_true", help="print JSON")


def _audit(args: argparse.Namespace) -> int:
    from ..evidence.audit import audit_files

    audit = audit_files(paths_of(args.real), paths_of(args.fake))
    for reason in audit.errors.values():
        tell(f"warning: left out: {reason}")
    if args.json:
        print(json.dumps({**dataclasses.asdict(audit), "passed": audit.passed}, indent=2))
    elif sys.stdout.isatty():
        _show(audit)
    else:
        print(audit)
    return OK if audit.passed and not audit.errors else SOME_UNREADABLE


def _show(audit: "Audit") -> None:
    """Show an audit on a terminal: its facts as a table, its verdict in colour."""
    from ..evidence.audit import MAX_AUC

    sizes = counted(audit.n_sizes, "picture size")
    write_line(f"{audit.n_real} real and {audit.n_fake} fake files, {sizes}")
    facts = [(fact, f"{auc:.3f}", common) for fact, auc, common in audit.rows]
    styles = [STYLES["warning"] if auc > MAX_AUC else "" for _, auc, _ in audit.rows]
    write_table({"fact": "left", "AUC": "right", "commonest": "left"}, facts, styles)
    write_line(f"files with the same pixels as another: {len(audit.duplicates)}")
    for pair in audit.duplicates[:_MOST_PAIRS]:
        write_line("  " + " = ".join(pair))
    mark = ("passed: ", STYLES["real"]) if audit.passed else ("failed: ", STYLES["fake"])
    write_line(audit.verdict, mark)
