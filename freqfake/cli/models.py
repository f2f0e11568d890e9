"""The commands ``train``, ``adapt``, ``evaluate``, ``export`` and ``info``."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._text import printable
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
    wrote,
)
from .terminal import write_line, write_table

if TYPE_CHECKING:
    from ..detector.cards import ModelCard

_TRAIN = """
    freqfake train --real photographs/ --fake generated/ --out my.safetensors
    freqfake score face.jpg --model my.safetensors
    # without pictures of the generator
    freqfake train --real photographs/ --simulate --out my.safetensors
"""
_ADAPT = """
    freqfake adapt --model my.safetensors unlabelled/ --out adapted.safetensors
    freqfake score face.jpg --model adapted.safetensors
"""
_EVALUATE = """
    freqfake evaluate --real photographs/ --fake generated/
    # another model, as JSON
    freqfake evaluate --model my.safetensors --real a/ b/ --fake c/ --json
"""

_EXPORT = """
    freqfake export --model my.safetensors --onnx my.onnx
    # the default model
    freqfake export --onnx faces.onnx
"""
_INFO = """
    freqfake info
    freqfake info my.safetensors
    # the manifest of the file, as JSON
    freqfake info my.safetensors --json
"""


def add_train(commands: Any) -> None:
    """Add ``train``."""
    text = "train a model on real and generated pictures"
    train = add_command(commands, "train", _train, text, examples=_TRAIN)
    train.add_argument(
        "--features",
        choices=("rich", "asynchrony"),
        default="rich",
        help="rich features, trained on delivered copies too (default); or the paper's six, for "
        "full-size lossless originals",
    )
    add_spectrum(train)
    labelled = add_labelled(train, fake_required=False)
    text = "add a simulated fake of each real picture; --fake may then be missing"
    labelled.add_argument("--simulate", action="store_true", help=text)
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
        help="how the two expectations of a feature are estimated (default: joint)",
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
    text = "write a model as an ONNX file, for use from other languages"
    export = add_command(commands, "export", _export, text, jobs=False, examples=_EXPORT)
    add_model(export)
    export.add_argument("--onnx", metavar="FILE", required=True, help="ONNX file to write")


def add_info(commands: Any) -> None:
    """Add ``info``."""
    text = "show how a model was trained and how well it performs"
    info = add_command(commands, "info", _info, text, jobs=False, examples=_INFO)
    text = "model file, or the name of an embedded model: faces (default) or lewoo"
    info.add_argument("model", nargs="?", default="faces", metavar="MODEL", help=text)
    text = "print the manifest of the file, without loading the model"
    info.add_argument("--json", action="store_true", help=text)


def _train(args: argparse.Namespace) -> int:
    from ..detector.training import train_detector

    if args.simulate and args.features != "rich":
        raise ValueError(f"--simulate needs --features rich; got --features {args.features}")
    check_folder(args.out)
    real, fake = paths_of(args.real), paths_of(args.fake)
    check_not_read([args.out], real + fake)
    detector = train_detector(
        real,
        fake,
        simulate=args.simulate,
        features=args.features,
        spectrum=args.spectrum,
        name=Path(args.out).stem,
        n_jobs=args.jobs,
        progress=show_bar(real + fake),
    )
    detector.save(args.out)
    info = detector.info
    of_these = f", {info['n_simulated']} of them simulated" if args.simulate else ""
    wrote(
        args.out,
        f"trained on {info['n_real']} real and {info['n_fake']} generated pictures{of_these}",
    )
    return OK


def _adapt(args: argparse.Namespace) -> int:
    from ..detector.detector import load_detector

    check_folder(args.out)
    paths = paths_of(args.paths)
    check_not_read([args.out], [*paths, args.model])
    detector = load_detector(args.model).adapt(
        paths, expectations=args.expectations, n_jobs=args.jobs, progress=show_bar(paths)
    )
    detector.save(args.out)
    wrote(args.out, f"adapted to {detector.info['adapted_to']} pictures")
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
    check_not_read([args.onnx], [args.model], "--onnx")
    about = export_onnx(load_detector(args.model), args.onnx)
    name = printable(str(about["info"].get("name", args.model)))
    wrote(args.onnx, f"model {name}; what a verdict needs is in its metadata")
    return OK


def _info(args: argparse.Namespace) -> int:
    from ..detector.detector import load_detector
    from ..model_files.state import read_manifest

    if args.json:
        print(json.dumps(read_manifest(args.model), indent=2))
    else:
        card = load_detector(args.model).card()
        if sys.stdout.isatty():
            _show(card)
        else:
            print(*map(printable, str(card).splitlines()), sep="\n")
    return OK


def _show(card: "ModelCard") -> None:
    """Show a model card on a terminal, with control characters escaped."""
    write_line(card.title)
    for heading, rows in card.sections:
        write_table({heading: "left", "": "left"}, rows)
    for limit in card.limits:
        write_line(f"- {limit}")
