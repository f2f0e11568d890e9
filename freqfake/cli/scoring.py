"""The commands ``features`` and ``score``."""

import argparse
from collections import Counter
from collections.abc import Iterator
from typing import Any

from ..batch.tables import Row
from .common import (
    SOME_UNREADABLE,
    add_cluster,
    add_command,
    add_out,
    add_paths,
    add_spectrum,
    add_verdict,
    tell,
    write_rows,
)

VERDICTS = ("fake", "real", "inconclusive")

_FEATURES = """
    freqfake features face.png
    # a folder, with all processor cores, into a Parquet file
    freqfake features pictures/ --jobs -1 --out features.parquet
"""
_SCORE = """
    freqfake score face.jpg 'more/*.png'
    # each face in a group picture
    freqfake score group.jpg --faces
    # at most 1 in 200 real pictures called fake; 1 in 10 expected to be fake
    freqfake score pictures/ --max-fpr 0.005 --prior 0.1
    # many pictures: use all processor cores, and continue a stopped run
    freqfake score pictures/ --jobs -1 --out scores.csv --resume
    # full-size originals, losslessly stored
    freqfake score original.png --model lewoo
    # status 1 if a picture is called fake
    freqfake score uploads/ --fail-on fake
    # to repeat it later: with the SHA-256 of picture and model, and versions
    freqfake score evidence/ --provenance --out scores.csv
"""


def add_features(commands: Any) -> None:
    """Add ``features``."""
    text = "write the six features of pictures"
    features = add_command(commands, "features", _features, text, examples=_FEATURES)
    add_paths(features)
    add_spectrum(features)
    add_cluster(features)
    add_out(features)


def add_score(commands: Any) -> None:
    """Add ``score``."""
    text = "score pictures: real, fake or inconclusive"
    score = add_command(commands, "score", _score, text, examples=_SCORE)
    add_paths(score)
    add_cluster(score)
    add_verdict(score)
    faces = score.add_argument_group("faces")
    text = "score each face found in a picture, one row per face"
    faces.add_argument("--faces", action="store_true", help=text)
    text = "margin to score around a face, as a fraction of its size (default: 0.3)"
    faces.add_argument("--margin", type=float, metavar="PART", help=text)
    text = "let the embedded network judge the largest face, too, in columns of its own"
    faces.add_argument("--deep", action="store_true", help=text)
    add_out(score, form=True)
    text = "exit with status 1 if a row has this verdict: fake, real or inconclusive"
    score.add_argument("--fail-on", choices=VERDICTS, metavar="VERDICT", help=text)
    text = "add the columns needed to repeat a score: SHA-256 of file and model, versions"
    score.add_argument("--provenance", action="store_true", help=text)


def _features(args: argparse.Namespace) -> int:
    from ..batch.extraction import feature_row, iter_features
    from ..features.asynchrony import FEATURE_NAMES

    def rows(paths: list[str], bar: bool) -> Iterator[list[Row]]:
        done = iter_features(
            paths,
            spectrum=args.spectrum,
            dtype="float32",
            max_pixels=args.max_pixels,
            n_jobs=args.jobs,
            progress=bar,
        )
        return ([feature_row(extraction)] for extraction in done)

    columns = ["path", *FEATURE_NAMES, "error"]
    return write_rows(rows, args, columns, command="features", spectrum=args.spectrum)


def _score(args: argparse.Namespace) -> int:
    from ..crops.faces import MARGIN
    from ..detector.detector import load_detector
    from ..detector.scoring import score_pictures

    if args.margin is not None and not args.faces:
        raise ValueError("--margin needs --faces: a whole picture has no margin")
    if args.fail_on and args.resume:
        raise ValueError("--fail-on needs the rows of one run: leave out --resume")
    terms = load_detector(args.model).terms(
        max_fpr=args.max_fpr,
        prior=args.prior,
        faces=args.faces,
        margin=MARGIN if args.margin is None else args.margin,
        deep=args.deep,
        provenance=args.provenance,
        max_pixels=args.max_pixels,
    )

    verdicts: Counter[str] = Counter()

    def rows(paths: list[str], bar: bool) -> Iterator[list[Row]]:
        for picture in score_pictures(terms, paths, n_jobs=args.jobs, progress=bar):
            verdicts.update(row["verdict"] for row in picture)
            yield picture

    status = write_rows(
        rows,
        args,
        terms.columns,
        args.format,
        command="score",
        model_sha256=terms.model.sha256,
        max_fpr=args.max_fpr,
        prior=args.prior,
        margin=terms.margin if args.faces else None,
        student_sha256=terms.student.model.sha256 if terms.student else None,
    )
    if not verdicts[args.fail_on]:
        return status
    tell(f"rows with the verdict {args.fail_on}: {verdicts[args.fail_on]}")
    return max(status, SOME_UNREADABLE)
