"""Command line: ``python -m benchmarks reenact STEP --work FOLDER``."""

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from ..harness.report import ROOT, Report
from .detecting import detect
from .embedding import train_embedder
from .extractors import load_content, load_embedder
from .generating import generate, sheet
from .losses import WEIGHTS
from .measuring import measure
from .neighbours import make_neighbours
from .networks import BACKBONES, NORMS
from .persons import LAYOUTS, PARTS, chosen, load, prepare
from .pictures import save_marked
from .training import CHECKPOINT, Options, Run, read_checkpoint

_NETWORK = "{}=FILE, or MODULE:CALLABLE, see benchmarks/reenactment/extractors.py"


def count(text: str) -> int:
    """Parse a number from 1 up; argparse says so if it is none."""
    if (number := int(text)) < 1:
        raise ValueError
    return number


def parser_of_steps() -> argparse.ArgumentParser:
    """Make the parser; `run` of what it parses is the step to run."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks reenact",
        description="Make reenacted faces of known origin, and measure detectors on them.",
    )
    steps = parser.add_subparsers(required=True, metavar="STEP")

    def step(run: Any, text: str) -> argparse.ArgumentParser:
        added = steps.add_parser(run.__name__.strip("_"), help=text, description=text)
        added.set_defaults(run=run)
        added.add_argument("--work", type=Path, required=True, metavar="FOLDER")
        return added

    step(_neighbours, "make pictures of persons who do not exist")

    prepare = step(_prepare, "find faces, and turn them to the template")
    prepare.add_argument("--pictures", type=Path, required=True, metavar="FOLDER")
    prepare.add_argument("--layout", choices=tuple(LAYOUTS), default="folders")
    prepare.add_argument("--by", choices=("five points", "interocular"), default="five points")

    embedder = step(_embedder, "train a small embedder of faces")
    embedder.add_argument("--epochs", type=count, default=30, metavar="N")

    train = step(_train, "train the networks, or continue where they were stopped")
    train.add_argument("--content", required=True, help=_NETWORK.format("vgg19=FILE, resnet50"))
    train.add_argument("--embedder", required=True, help=_NETWORK.format("arcface=FILE, resnet50"))
    train.add_argument("--epochs", type=count, default=100, metavar="N")
    train.add_argument("--scenario", choices=("many-to-many", "one-to-one"), default="many-to-many")
    train.add_argument("--persons", nargs="+", default=(), metavar="NAME", help="only these")
    train.add_argument("--backbone", choices=tuple(BACKBONES), default="MobileNetV2")
    train.add_argument("--pretrained", action="store_true", help="download ImageNet's weights")
    train.add_argument("--norm", choices=NORMS, default="batch")
    train.add_argument("--siamese", action="store_true", help="one encoder for both pictures")
    train.add_argument("--identity", choices=("squared", "cosine"), default="squared")
    train.add_argument(
        "--size", type=int, default=256, choices=range(64, 257, 32), metavar="PIXELS"
    )
    train.add_argument("--batch", type=count, default=8, metavar="N")
    train.add_argument("--rate", type=float, default=1e-4, help="that the training starts with")
    train.add_argument("--patience", type=count, default=10, help="epochs on a plateau")
    train.add_argument("--weights", type=float, nargs=3, default=WEIGHTS, help="of the losses")
    train.add_argument("--mixed-precision", action="store_true", help="faster, in bfloat16")
    train.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="cpu")

    made = step(_generate, "write reenacted faces of all parts, marked as synthetic")
    measure = step(_measure, "NMSE, CSIM and Frechet distance")
    measure.add_argument("--names", nargs="+", default=["run"], help="of trainings")
    measure.add_argument("--features", help=_NETWORK.format("resnet50"))
    detect = step(_detect, "the detectors of freqfake on them, before and after training")
    detect.add_argument("--epochs", type=count, default=5, metavar="N", help="of the networks")
    detect.add_argument("--dldfd", type=Path, metavar="FILE", help="a trained DLDFD")
    for of_run in (train, made, detect):
        of_run.add_argument("--name", default="run", help="of the training; default: run")
    for judge in (measure, detect):
        judge.add_argument("--write", action="store_true", help="write the table into docs/")
    return parser


def _neighbours(args: argparse.Namespace) -> None:
    make_neighbours(args.work / "pictures")
    print(f"{args.work / 'pictures'}: pass this to prepare, with --layout cfee")


def _prepare(args: argparse.Namespace) -> None:
    table = prepare(args.pictures, args.work, args.layout, args.by).table
    print(f"{len(table)} faces of {table.person.nunique()} persons in {args.work}")


def _embedder(args: argparse.Namespace) -> None:
    persons = chosen(load(args.work), "many-to-many", ())
    file = args.work / "arcface.pt"
    losses = train_embedder(persons, file, args.epochs)
    print(f"{file}: loss {losses[0]:.3f} in the first epoch, {losses[-1]:.3f} in the last")


def _train(args: argparse.Namespace) -> None:
    given = vars(args) | {"persons": tuple(args.persons), "weights": (*args.weights,)}
    options = Options(**{one.name: given[one.name] for one in fields(Options) if one.name in given})
    persons = chosen(load(args.work), options.scenario, options.persons)
    networks = load_content(args.content), load_embedder(args.embedder)
    run = Run(options, *networks, args.device, "imagenet" if args.pretrained else None)
    folder = args.work / args.name
    if (folder / CHECKPOINT).exists():
        run.resume(folder)
    while len(run.log) < args.epochs:
        row = run.epoch(persons)
        run.save(folder)
        print("  ".join(f"{key} {value:.6g}" for key, value in row.items()), flush=True)


def _generate(args: argparse.Namespace) -> None:
    persons, folder = _of_run(args, args.name)
    for part in PARTS:
        print(f"{part}: {len(generate(persons, folder, part))} pictures in {folder / 'generated'}")


def _measure(args: argparse.Namespace) -> None:
    features = None if args.features is None else load_embedder(args.features)
    runs = [_of_run(args, name) for name in args.names]
    tables = [measure(*run, "test", features) for run in runs]
    report = Report(args.work, ROOT / "docs" if args.write else None)
    report.table("reenactment_measures", pd.concat(tables).drop_duplicates())
    for folder in (args.work, *([ROOT / "docs" / "figures"] if args.write else [])):
        save_marked(folder / "reenactment.png", sheet(runs[0][0], [run[1] for run in runs], "test"))


def _detect(args: argparse.Namespace) -> None:
    table = detect(*_of_run(args, args.name), args.epochs, args.dldfd)
    report = Report(args.work, ROOT / "docs" if args.write else None)
    report.table("reenactment_detectors", table)


def _of_run(args: argparse.Namespace, name: str) -> tuple[Any, Path]:
    """Persons with the parts of a training, and its folder."""
    folder = args.work / name
    options = read_checkpoint(folder)["options"]
    return chosen(load(args.work), options["scenario"], options["persons"]), folder
