"""Command line: ``python -m benchmarks reenact STEP --work FOLDER``."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .errors import ReenactmentError

_NETWORK = "{}=FILE, or MODULE:CALLABLE, see benchmarks/reenactment/extractors.py"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks reenact",
        description="Make reenacted faces of known origin, and measure detectors on them.",
    )
    steps = parser.add_subparsers(required=True, metavar="STEP")

    def step(run: Any, text: str, *, of_run: bool = True) -> argparse.ArgumentParser:
        added = steps.add_parser(run.__name__.strip("_"), help=text, description=text)
        added.set_defaults(run=run)
        added.add_argument("--work", type=Path, required=True, metavar="FOLDER")
        if of_run:
            added.add_argument(
                "--name", default="run", help="of the training, a folder in --work; default: run"
            )
        return added

    neighbours = step(_neighbours, "make pictures of persons who do not exist", of_run=False)
    neighbours.add_argument("--pictures", type=Path, required=True, metavar="FOLDER")
    neighbours.add_argument("--persons", type=int, default=40, metavar="N")
    neighbours.add_argument("--each", type=int, default=12, metavar="N", help="pictures of each")

    prepare = step(_prepare, "find faces, and turn them to the template", of_run=False)
    prepare.add_argument("--pictures", type=Path, required=True, metavar="FOLDER")
    prepare.add_argument("--layout", choices=("folders", "cfee"), default="folders")
    prepare.add_argument("--by", choices=("five points", "interocular"), default="five points")
    prepare.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N")

    embedder = step(_embedder, "train a small embedder of faces", of_run=False)
    embedder.add_argument("--epochs", type=int, default=30, metavar="N")

    train = step(_train, "train the networks, or continue where they were stopped")
    train.add_argument("--content", required=True, help=_NETWORK.format("vgg19=FILE, resnet50"))
    train.add_argument("--embedder", required=True, help=_NETWORK.format("arcface=FILE, resnet50"))
    train.add_argument("--epochs", type=int, default=100, metavar="N")
    train.add_argument("--scenario", choices=("many-to-many", "one-to-one"), default="many-to-many")
    train.add_argument("--persons", nargs="+", default=(), metavar="NAME", help="only these")
    train.add_argument(
        "--backbone",
        choices=("MobileNetV2", "InceptionResNetV2", "ResNeXt-101 32x8d"),
        default="MobileNetV2",
    )
    train.add_argument("--pretrained", action="store_true", help="download ImageNet's weights")
    train.add_argument("--norm", choices=("batch", "instance"), default="batch")
    train.add_argument("--siamese", action="store_true", help="one encoder for both pictures")
    train.add_argument("--identity", choices=("squared", "cosine"), default="squared")
    train.add_argument("--size", type=int, default=256, metavar="PIXELS")
    train.add_argument("--batch", type=int, default=8, metavar="N")
    train.add_argument("--device", default="cpu")

    step(_generate, "write reenacted faces of all parts, marked as synthetic")
    measure = step(_measure, "NMSE, CSIM and Frechet distance")
    measure.add_argument("--before", metavar="NAME", help="an earlier training, for comparison")
    measure.add_argument("--features", help=_NETWORK.format("resnet50"))
    detect = step(_detect, "the detectors of freqfake on them, before and after training")
    detect.add_argument("--epochs", type=int, default=5, metavar="N", help="of the networks")
    detect.add_argument("--dldfd", type=Path, metavar="FILE", help="a trained DLDFD")
    for judge in (measure, detect):
        judge.add_argument("--write", action="store_true", help="write the table into docs/")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    args = _parser().parse_args(arguments)
    try:
        args.run(args)
    except ReenactmentError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command continues from here", file=sys.stderr)
        return 130
    return 0


def _neighbours(args: argparse.Namespace) -> None:
    from .neighbours import make_neighbours

    make_neighbours(args.pictures, args.persons, args.each)


def _prepare(args: argparse.Namespace) -> None:
    from .persons import prepare

    table = prepare(args.pictures, args.work, args.layout, args.by, args.jobs).table
    print(f"{len(table)} faces of {table.person.nunique()} persons in {args.work}")


def _embedder(args: argparse.Namespace) -> None:
    from .embedding import train_embedder
    from .persons import load, split

    persons = load(args.work)
    persons = persons._replace(table=split(persons.table, "many-to-many"))
    file = args.work / "arcface.pt"
    losses = train_embedder(persons, file, args.epochs)
    print(f"{file}: loss {losses[0]:.3f} in the first epoch, {losses[-1]:.3f} in the last")


def _train(args: argparse.Namespace) -> None:
    from .extractors import load_content, load_embedder
    from .persons import chosen, load
    from .training import CHECKPOINT, Options, Run

    names = ("scenario", "backbone", "norm", "siamese", "size", "batch", "identity")
    options = Options(**{name: getattr(args, name) for name in names}, persons=tuple(args.persons))
    persons = chosen(load(args.work), options.scenario, options.persons)
    weights = "imagenet" if args.pretrained else None
    networks = load_content(args.content), load_embedder(args.embedder)
    run = Run(options, *networks, args.device, weights)
    folder = args.work / args.name
    if (folder / CHECKPOINT).exists():
        run.resume(folder)
    while len(run.log) < args.epochs:
        row = run.epoch(persons)
        run.save(folder)
        print("  ".join(f"{key} {value:.6g}" for key, value in row.items()), flush=True)


def _generate(args: argparse.Namespace) -> None:
    from .generating import generate, sheet
    from .persons import PARTS
    from .pictures import save_marked

    persons, folder = _of_run(args)
    for part in PARTS:
        table = generate(persons, folder, part)
        print(f"{part}: {len(table)} pictures in {folder / 'generated' / part}")
    save_marked(folder / "sheet.png", np.asarray(sheet(persons, folder, "test")))
    print(f"{folder / 'sheet.png'}: source, target, reenacted, truth")


def _measure(args: argparse.Namespace) -> None:
    from .extractors import load_embedder
    from .measuring import measure

    features = None if args.features is None else load_embedder(args.features)
    names = [name for name in (args.before, args.name) if name]
    tables = [measure(*_of_run(args, name), "test", features) for name in names]
    table = pd.concat(tables).drop_duplicates("faces")  # the targets are the same
    _report(args).table("reenactment_measures", table)


def _detect(args: argparse.Namespace) -> None:
    from .detecting import detect

    table = detect(*_of_run(args), epochs=args.epochs, dldfd=args.dldfd)
    _report(args).table("reenactment_detectors", table)


def _of_run(args: argparse.Namespace, name: str = "") -> tuple[Any, Path]:
    """Persons with the parts of a training, and its folder."""
    from .persons import chosen, load
    from .training import read_checkpoint

    folder = args.work / (name or args.name)
    options = read_checkpoint(folder)["options"]
    return chosen(load(args.work), options["scenario"], options["persons"]), folder


def _report(args: argparse.Namespace) -> Any:
    from ..harness.report import ROOT, Report

    return Report(args.work / args.name, ROOT / "docs" if args.write else None)
