"""The command ``freqfake report``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .common import (
    OK,
    SOME_UNREADABLE,
    add_command,
    add_max_pixels,
    add_paths,
    add_verdict,
    check_not_read,
    paths_of,
    show_bar,
    wrote,
)
from .words import Tally

if TYPE_CHECKING:
    from ..detector.terms import VerdictOptions

_PAGE_ENDINGS = (".html", ".htm")
_EXAMPLES = """
    freqfake report face.png -o report.html
    # the faces in a video, over time
    freqfake report video.mp4 -o report.html
    # one page per file and a table of them, with all processor cores
    freqfake report pictures/ -o reports/ --jobs -1
    # if 1 in 100 pictures is expected to be fake
    freqfake report face.png -o report.html --prior 0.01
"""


def add_report(commands: Any) -> None:
    """Add ``report``."""
    text = "write HTML reports on pictures and videos: verdict, evidence, and what the file claims"
    report = add_command(commands, "report", _report, text, examples=_EXAMPLES)
    add_paths(report)
    add_max_pixels(report)
    add_verdict(report, default=None)
    output = report.add_argument_group("output")
    text = "file that ends in .html, for one input; or folder, for any number"
    output.add_argument("-o", "--out", required=True, metavar="OUT", help=text)


def _report(args: argparse.Namespace) -> int:
    paths = paths_of(args.paths)
    options: VerdictOptions = {
        "max_fpr": args.max_fpr,
        "prior": args.prior,
        "max_pixels": args.max_pixels,
    }
    if args.out.lower().endswith(_PAGE_ENDINGS):
        return _write_page(paths, args, options)
    return _write_folder(paths, args, options)


def _write_page(paths: list[str], args: argparse.Namespace, options: "VerdictOptions") -> int:
    from ..report import make_report
    from ..report.page import check_replaceable

    out = Path(args.out)
    if len(paths) != 1:
        raise ValueError(
            f"--out {args.out} is a page for one picture or video; got {len(paths)}: give "
            "a folder for one page per file and a table of them"
        )
    if not out.absolute().parent.is_dir():
        raise FileNotFoundError(f"no such folder for --out: {out.absolute().parent}")
    check_not_read([out], [*paths, *filter(None, [args.model])])
    check_replaceable(out)  # before the work
    report = make_report(paths[0], args.model, **options)
    report.save(out)
    wrote(args.out, report.verdict or f"the {report.examination.kind} could not be read")
    return SOME_UNREADABLE if report.error else OK


def _write_folder(paths: list[str], args: argparse.Namespace, options: "VerdictOptions") -> int:
    from ..crops.video import is_video
    from ..detector.columns import FRAME_COLUMNS
    from ..report import write_reports
    from ..report.batch import INDEX

    bar = show_bar(paths)
    done = write_reports(paths, args.out, args.model, **options, n_jobs=args.jobs, progress=bar)
    tally = Tally(FRAME_COLUMNS if any(map(is_video, paths)) else ())
    for row in done:
        tally.add([vars(row)])
    wrote(Path(args.out, INDEX), str(tally))
    return SOME_UNREADABLE if tally.n_failed else OK
