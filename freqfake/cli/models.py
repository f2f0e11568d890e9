"""The commands about models: ``train``, ``adapt``, ``evaluate`` and ``info``."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .common import (
    OK,
    add_command,
    add_labelled,
    add_model,
    add_paths,
    add_spectrum,
    check_folder,
    check_not_read,
    paths_of,
    print_metrics,
    show_bar,
    tell,
)
from .terminal import on_terminal, shown, write_line, write_table

if TYPE_CHECKING:
    from ..detector.cards import ModelCard

_TRAIN = """
    freqfake train --real photographs/ --fake generated/ --out my.npz
    freqfake score face.jpg --model my.npz
"""
_ADAPT = """
    freqfake adapt --model my.npz unlabelled/ --out adapted.npz
    freqfake score face.jpg --model adapted.npz
"""
_EVALUATE = """
    freqfake evaluate --real photographs/ --fake generated/
    # another model, for a program to read
    freqfake evaluate --model my.npz --real a/ b/ --fake c/ --json
"""

_EXPORT = """
    freqfake export --model my.npz --onnx my.onnx
    # and what a verdict needs beside it, where the file cannot be asked for it
    freqfake export --onnx faces.onnx > faces.json
"""
_INFO = """
    freqfake info
    freqfake info my.npz
    # what the file states, for a program to read
    freqfake info my.npz --json
"""


def add_train(commands: Any) -> None:
    """Add ``train``."""
    text = "train a model on real and generated pictures"
    train = add_command(commands, "train", _train, text, examples=_TRAIN)
    train.add_argument(
        "--features",
        choices=("rich", "asynchrony"),
        default="rich",
        help="the rich features, trained on delivered copies too (default); or the six of the "
        "paper, for full-size lossless originals",
    )
    add_spectrum(train)
    add_labelled(train)
    output = train.add_argument_group("output")
    output.add_argument("--out", metavar="MODEL", required=True, help="model file to write")


def add_adapt(commands: Any) -> None:
    """Add ``adapt``."""
    text = "adapt a model to unlabelled pictures"
    adapt = add_command(commands, "adapt", _adapt, text, examples=_ADAPT)
    add_paths(adapt)
    add_model(adapt)
    adapt.add_argument(
        "--expectations",
        choices=("joint", "per_feature", "moments"),
        default="joint",
        help="how the two expectations of a feature are found (default: joint)",
    )
    adapt.add_argument("--out", metavar="MODEL", required=True, help="model file to write")


def add_evaluate(commands: Any) -> None:
    """Add ``evaluate``."""
    text = "measure a model on labelled pictures"
    evaluate = add_command(commands, "evaluate", _evaluate, text, examples=_EVALUATE)
    add_model(evaluate)
    evaluate.add_argument("--json", action="store_true", help="print JSON")
    add_labelled(evaluate)


def add_export(commands: Any) -> None:
    """Add ``export``."""
    text = "write a model as an ONNX file, for pipelines in other languages"
    export = add_command(commands, "export", _export, text, jobs=False, examples=_EXPORT)
    add_model(export)
    export.add_argument("--onnx", metavar="FILE", required=True, help="ONNX file to write")


def add_info(commands: Any) -> None:
    """Add ``info``."""
    text = "tell what a model was trained on and with, and how good it is"
    info = add_command(commands, "info", _info, text, jobs=False, examples=_INFO)
    text = "model file, or the name of an embedded model: faces (default) or lewoo"
    info.add_argument("model", nargs="?", default="faces", metavar="MODEL", help=text)
    text = "print the manifest of the file; nothing is built of it"
    info.add_argument("--json", action="store_true", help=text)


def _train(args: argparse.Namespace) -> int:
    from ..detector.training import train_detector

    check_folder(args.out)
    real, fake = paths_of(args.real), paths_of(args.fake)
    check_not_read(args.out, real + fake)
    detector = train_detector(
        real,
        fake,
        features=args.features,
        spectrum=args.spectrum,
        name=Path(args.out).stem,
        n_jobs=args.jobs,
        progress=show_bar(real + fake),
    )
    detector.save(args.out)
    tell(
        f"trained on {detector.info['n_real']} real and {detector.info['n_fake']} generated "
        f"pictures: {args.out}"
    )
    return OK


def _adapt(args: argparse.Namespace) -> int:
    from ..detector.detector import load_detector

    check_folder(args.out)
    paths = paths_of(args.paths)
    check_not_read(args.out, paths)
    detector = load_detector(args.model).adapt(
        paths, expectations=args.expectations, n_jobs=args.jobs, progress=show_bar(paths)
    )
    detector.save(args.out)
    tell(f"{detector.info['adapted_to']} pictures looked at, model written: {args.out}")
    return OK


def _evaluate(args: argparse.Namespace) -> int:
    from ..detector.detector import load_detector

    real, fake = paths_of(args.real), paths_of(args.fake)
    metrics = load_detector(args.model).evaluate(
        real, fake, n_jobs=args.jobs, progress=show_bar(real + fake)
    )
    print_metrics(metrics, args.json)
    return OK


def _export(args: argparse.Namespace) -> int:
    from ..detector.detector import load_detector
    from ..export import export_onnx

    check_folder(args.onnx, "--onnx")
    check_not_read(args.onnx, [args.model], "--onnx")
    about = export_onnx(load_detector(args.model), args.onnx)
    print(json.dumps(about, indent=2))
    tell(f"ONNX file written: {args.onnx}")
    return OK


def _info(args: argparse.Namespace) -> int:
    from ..detector.detector import load_detector
    from ..model_files.state import read_manifest

    if args.json:
        print(json.dumps(read_manifest(args.model), indent=2))
    else:
        card = load_detector(args.model).card()
        if on_terminal(sys.stdout):
            _show(card)
        else:
            print(*map(shown, str(card).splitlines()), sep="\n")
    return OK


def _show(card: "ModelCard") -> None:
    """Show a model card on a terminal, which need not obey what a model file says."""
    write_line(card.title)
    for heading, rows in card.sections:
        write_table({heading: "left", "": "left"}, rows)
    for limit in card.limits:
        write_line(f"- {limit}")
