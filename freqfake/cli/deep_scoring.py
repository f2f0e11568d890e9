"""The command ``deep score``, and what other commands of networks share with it."""

import argparse
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..batch.tables import Row
from .common import add_command, add_operating_point, add_out, add_paths, write_rows
from .crops import add_margin

if TYPE_CHECKING:
    from ..deep.detector import DeepDetector, DeepOptions

NETWORKS = ("dldfd", "meso4", "mesoinception4", "student")
_OF_NETWORKS = ("threshold", "margin", "batch_size", "device")
_OF_STUDENT = ("max_fpr", "prior", "jobs")
_PRIOR = 0.5
_SCORE = """
    # by the embedded network, the student
    freqfake deep score pictures/ video.mp4
    # by a network of one's own
    freqfake deep score --weights best.safetensors pictures/ video.mp4
    # one of the published MesoNets, on the faces in a folder of pictures
    freqfake deep score --weights Meso4_DF.h5 --faces pictures/ --out scores.csv
"""


def add_score(parts: Any) -> None:
    """Add ``score``."""
    text = "score pictures and videos"
    score = add_command(parts, "score", _score, text, examples=_SCORE)
    add_paths(score)
    add_operating_point(score.add_argument_group("verdict"), prior=None)
    add_weights(score, required=False)
    add_looking(score)
    add_out(score, form=True)


def add_weights(command: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the options of a network from a file."""
    network = command.add_argument_group("network")
    text = "best.safetensors from training, or a Keras file (.h5) of Afchar et al."
    text += "" if required else " (default: the embedded network)"
    network.add_argument("--weights", metavar="FILE", required=required, help=text)
    text = "network that the weights must belong to (default: any)"
    if not required:
        text = "without --weights, the embedded network to use: student (default), meso4 or "
        text += "mesoinception4; otherwise the network that the weights must belong to"
    network.add_argument("--model", choices=NETWORKS, help=text)
    text = "pictures or frames per batch (default: 32)"
    network.add_argument("--batch-size", type=int, metavar="N", help=text)
    add_device(network)


def add_looking(command: argparse.ArgumentParser) -> None:
    """Add the options that say what a network looks at."""
    looking = command.add_argument_group("what is scored")
    text = "frames to score per video, evenly spread (default: %(default)s)"
    looking.add_argument("--frames", type=int, default=20, metavar="N", help=text)
    text = "score the largest face of each picture or frame; the networks were made for faces"
    looking.add_argument("--faces", action="store_true", help=text)
    add_margin(looking, default=None)
    text = "call a frame fake above this probability (default: 0.5)"
    looking.add_argument("--threshold", type=float, metavar="P", help=text)


def add_device(command: Any) -> None:
    """Add ``--device``."""
    text = "auto (the GPU if there is one), cpu, cuda, ... (default: auto)"
    command.add_argument("--device", help=text)


def _score(args: argparse.Namespace) -> int:
    by_student = args.weights is None and args.model in (None, "student")
    unfit = _OF_NETWORKS if by_student else _OF_STUDENT
    for option in unfit:
        if getattr(args, option) is not None:
            whom = "the embedded student" if by_student else "another network"
            words = f"--{option.replace('_', '-')} is not an option of {whom}"
            raise ValueError(f"{words}" + ("; it is one of --weights" if by_student else ""))
    return _by_student(args) if by_student else _by_network(args)


def _by_student(args: argparse.Namespace) -> int:
    from ..detector.columns import FRAME_COLUMNS
    from ..detector.detector import load_detector
    from ..detector.frames import score_faces
    from ..detector.terms import Terms

    prior = _PRIOR if args.prior is None else args.prior
    model = load_detector("student")
    terms = Terms(model, max_fpr=args.max_fpr, prior=prior, max_pixels=args.max_pixels)

    def rows(paths: list[str], bar: bool) -> Iterator[list[Row]]:
        options = {"n_frames": args.frames, "n_jobs": args.jobs, "progress": bar}
        return ([scored.row] for scored in score_faces(terms, paths, **options))

    return write_rows(
        rows,
        args,
        FRAME_COLUMNS,
        args.format,
        command="deep score",
        model_sha256=model.sha256,
        max_fpr=args.max_fpr,
        prior=prior,
        frames=args.frames,
    )


def _by_network(args: argparse.Namespace) -> int:
    from ..detector.columns import FRAME_COLUMNS

    detector, options = loaded(args), deep_options(args)
    options["max_pixels"] = args.max_pixels

    def rows(paths: list[str], bar: bool) -> Iterator[list[Row]]:
        return ([row] for row in detector.iter_scores(paths, progress=bar, **options))

    return write_rows(
        rows,
        args,
        FRAME_COLUMNS,
        args.format,
        command="deep score",
        weights_sha256=_sha256(args.weights),
        device=detector.device.type,
        frames=args.frames,
        threshold=args.threshold,
        margin=args.margin if args.faces else None,
    )


def loaded(args: argparse.Namespace) -> "DeepDetector":
    """Load the network that the options name."""
    from ..deep import load_deep_detector

    given = {"device": args.device, "batch_size": args.batch_size}
    options = {name: value for name, value in given.items() if value is not None}
    weights = args.model if args.weights is None else args.weights
    return load_deep_detector(weights, model=args.model, **options)


def _sha256(path: str | None) -> str | None:
    if path is None:
        return None
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def deep_options(args: argparse.Namespace) -> "DeepOptions":
    """Gather the options of scoring that were given."""
    options: DeepOptions = {"n_frames": args.frames, "faces": args.faces}
    if args.threshold is not None:
        options["threshold"] = args.threshold
    if args.margin is not None:
        options["margin"] = args.margin
    return options
