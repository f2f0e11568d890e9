"""The command ``rank``."""

import argparse
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from ..batch.tables import Row
from .common import add_command, add_model, add_out, add_paths, show_bar, tell, write_rows

_RANK = """
    freqfake rank pictures/ --jobs -1
    # the first hundred, into a table
    freqfake rank pictures/ --top 100 --out first.csv
"""
_NO_VERDICT = "a rank is no verdict: it says which pictures to look at first, not which are fake"


def add_rank(commands: Any) -> None:
    """Add ``rank``."""
    text = "score pictures, and list the most suspicious ones first"
    rank = add_command(commands, "rank", _rank, text, examples=_RANK)
    add_paths(rank)
    text = "only the first N pictures, and those that could not be read (default: all)"
    rank.add_argument("--top", type=int, metavar="N", help=text)
    add_model(rank)
    add_out(rank, form=True, resume=False)


def _rank(args: argparse.Namespace) -> int:
    from ..detector.detector import load_detector
    from ..detector.scoring import score_pictures
    from ..detector.terms import Terms

    if args.top is not None and args.top < 1:
        raise ValueError(f"--top must be at least 1; got {args.top}")
    terms = Terms(load_detector(args.model), max_pixels=args.max_pixels)

    def rows(paths: list[str], _: bool) -> Iterator[list[Row]]:
        bar = show_bar(paths)  # no row is shown before the last picture is scored
        scored = score_pictures(terms, paths, n_jobs=args.jobs, progress=bar)
        return ranked(itertools.chain.from_iterable(scored), args.top)

    status = write_rows(
        rows,
        args,
        terms.columns,
        args.format,
        command="rank",
        model_sha256=terms.model.sha256,
        top=args.top,
    )
    tell(_NO_VERDICT)
    return status


def ranked(rows: Iterable[Row], top: int | None = None) -> Iterator[list[Row]]:
    """Yield rows by evidence and then by score, the largest first; rows with errors come last.

    With `top`, only so many rows, and all with errors.
    """
    kept = list(rows)
    good = [row for row in kept if not row["error"]]
    good.sort(key=lambda row: (row["llr"], row["score"]), reverse=True)
    for row in [*good[:top], *(row for row in kept if row["error"])]:
        yield [row]
