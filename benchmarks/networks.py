"""The embedded networks: their faces, training, weights, and the model ``student``.

    python -m benchmarks.networks prepare --dfdc FOLDER --pictures FOLDER ... --work FOLDER
    python -m benchmarks.networks train student|meso4|mesoinception4|dldfd --work FOLDER
    python -m benchmarks.networks embed --work FOLDER
    python -m benchmarks.networks table --work FOLDER [--write]

`prepare` reads the crops of the DFDC (source dfdc_crops of sources.toml) and the faces in the
pictures of the default model. `train` trains a network on both, and continues where it was
stopped. `embed` stores the trained weights in the package in half precision, and trains the model
``student``: ridge regression on the features of the student, on faces that it was not trained on.
`table` measures all detectors on the faces of the part ``test`` and of the sources left out.
"""

import argparse
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import freqfake
from freqfake.batch.extraction import Extraction
from freqfake.detector.training import train_on_extractions
from freqfake.exceptions import DeviceWarning, ModelFileError
from freqfake.pictures.facts import ImageFacts

from . import network_faces
from .network_faces import SETS, Faces, load

PACKAGE = Path(freqfake.__file__).parent
NETWORKS = ("student", "meso4", "mesoinception4", "dldfd")
MAX_FPR = 0.01
_MESO = {
    "epochs": 3,
    "batch_size": 32,
    "learning_rate": (2e-3, 1e-3, 2e-4),
    "augmentation": "mirrored",
}
_RECIPES = {"meso4": _MESO, "mesoinception4": _MESO, "dldfd": {"learning_rate": 1e-4}}
_NOTE = (
    "Trained on crops of the DFDC, whose pictures have terms of their own, and on the faces of the "
    "default model's pictures."
)


def pictures(sets: list[Faces], part: str, y: int) -> list[np.ndarray]:
    """Faces of a part and their copies, as they lie on disk; at most as many fake as real ones."""
    found = []
    for table, whole, copies in sets:
        of_part = table[table.part == part]
        rows = of_part.row[of_part.y == y]
        if y:
            n_real = int((of_part.y == 0).sum())
            rows = rows.sample(min(len(rows), n_real), random_state=0).sort_values()
        found += [pixels[row] for pixels in (whole, copies) for row in rows]
    return found


def _sets(work: Path, *, unenlarged: bool = False) -> list[Faces]:
    """Load the sets that were prepared, or the faces of the DFDC that were not enlarged."""
    if not unenlarged:
        return [load(work, name) for name in SETS if (work / name).exists()]
    faces = load(work, "dfdc")
    return [faces._replace(table=faces.table[faces.table.width >= network_faces.WIDE])]


def make_network(name: str, start: Path | None) -> Any:
    """Make a network to train, from random weights or from those of a file."""
    import torch

    from freqfake.deep import DLDFD, Meso4, MesoInception4, Student, load_deep_detector

    torch.manual_seed(0)
    if start is not None and start.suffix != ".h5":
        if name == "dldfd" and start.suffix != ".safetensors":
            return DLDFD.from_imagenet(start)
        return load_deep_detector(start, model=name, device="cpu").network
    if name in ("dldfd", "student"):
        if start is not None:
            raise ModelFileError(f"{start}: {name} does not start from a file of Keras")
        return DLDFD() if name == "dldfd" else Student()
    kind = Meso4 if name == "meso4" else MesoInception4
    network = kind(input_size=network_faces.SIZE, dropout=0)
    if start is not None:  # published for another size: the dense layers start anew
        own = network.state_dict()
        found = load_deep_detector(start, model=name, device="cpu").network.state_dict()
        fitting = {key: value for key, value in found.items() if value.shape == own[key].shape}
        network.load_state_dict(own | fitting)
    return network


def train(
    name: str,
    work: Path,
    epochs: int | None = None,
    teacher: str | None = None,
    start: Path | None = None,
    *,
    rates: list[float] | None = None,
    unenlarged: bool = False,
    compiled: bool = False,
) -> None:
    """Train a network, in 16 bits, and continue where it was stopped."""
    from freqfake.deep import load_network, train_network

    sets = _sets(work, unenlarged=unenlarged)
    sides = {part: [pictures(sets, part, y) for y in (0, 1)] for part in ("train", "validate")}
    for part, (real, fake) in sides.items():
        print(f"{part}: {len(real)} real and {len(fake)} fake", flush=True)
    network = make_network(name, start)
    asked = None if teacher is None else load_network(work / teacher / "best.safetensors")[0]
    if compiled:
        for used in filter(None, (network, asked)):
            used.compile(dynamic=False)
    given = {"epochs": epochs, "learning_rate": rates}
    given = {name: value for name, value in given.items() if value is not None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeviceWarning)
        training = train_network(
            network,
            *sides["train"],
            work / name,
            validation=tuple(sides["validate"]),
            teacher=asked,
            **_RECIPES.get(name, {}) | given,
            mixed_precision=True,
            resume=True,
            progress=True,
        )
    print(training.log.to_string(index=False))


def embed(work: Path, package: Path = PACKAGE) -> None:
    """Store trained weights in the package, and train the model on the student's features."""
    from freqfake.deep import load_network

    for name in ("meso4", "mesoinception4", "student"):
        trained = work / name / "best.safetensors"
        if trained.exists():
            network, info = load_network(trained)
            out = package / ("features/student_files" if name == "student" else "deep/weights")
            out.mkdir(parents=True, exist_ok=True)
            _save_half(out / f"{name}.safetensors", network, info)
    sets = _sets(work)
    real, fake = (list(_extractions(sets, "calibrate", y)) for y in (0, 1))
    detector = train_on_extractions(real, fake, features="student", name="student", max_fpr=MAX_FPR)
    detector.info["note"] = _NOTE
    detector.save(package / "model_files/embedded/student.safetensors")
    print(detector.card())


def _save_half(path: Path, network: Any, info: dict[str, Any]) -> None:
    """Write a network with its convolutions and dense layers in half precision."""
    from freqfake.deep.networks.weights import network_name, save_tensors

    weights = {
        name: value.half() if value.ndim > 1 else value
        for name, value in network.state_dict().items()
    }
    kept = {key: info[key] for key in ("epoch", "n_pictures", "validation") if key in info}
    about = {"network": network_name(network), "config": network.config, "info": kept}
    save_tensors(path, "network", about, weights)
    print(f"wrote {path.name}: {path.stat().st_size} bytes", flush=True)


def _extractions(sets: list[Faces], part: str, y: int) -> Iterator[Extraction]:
    """Features of the faces of a part, in single precision, each with its delivered copy."""
    from freqfake.features.student import student_features

    for table, whole, copies in sets:
        for face in table[(table.part == part) & (table.y == y)].itertuples():
            side = int(face.width)
            facts = ImageFacts(side, side, "RGB", face.coding)
            of_copy = ImageFacts(side, side, "RGB", face.copy_coding)
            own, other = (
                student_features(pixels[face.row]).astype(np.float32) for pixels in (whole, copies)
            )
            yield Extraction(face.path, own, facts, (Extraction(face.path, other, of_copy),))


def main() -> None:
    """Run the command that is asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.networks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", choices=("prepare", "train", "embed", "table"))
    parser.add_argument("network", nargs="?", choices=NETWORKS, help="network to train")
    parser.add_argument("--work", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--dfdc", type=Path, metavar="FOLDER")
    parser.add_argument("--pictures", nargs="+", default=[], metavar="FOLDER")
    parser.add_argument("--teacher", choices=NETWORKS, help="trained before, to learn from")
    text = "weights to start from: a network trained before, ImageNet's for dldfd, or a file of "
    text += "Afchar et al. for the MesoNets"
    parser.add_argument("--start", type=Path, metavar="FILE", help=text)
    parser.add_argument("--epochs", type=int, metavar="N", help="default: those of the recipe")
    text = "learning rates, each for an equal share of the epochs (default: those of the recipe)"
    parser.add_argument("--rates", type=float, nargs="+", metavar="R", help=text)
    text = "train only on faces of the DFDC that were not enlarged"
    parser.add_argument("--unenlarged", action="store_true", help=text)
    text = "compile the network: needs a C++ compiler; the student then trains 1.6 times as fast"
    parser.add_argument("--compile", action="store_true", help=text)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N")
    parser.add_argument("--write", action="store_true", help="write the table into the docs")
    args = parser.parse_args()
    if args.run == "prepare":
        if args.dfdc is not None:
            network_faces.prepare_dfdc(args.dfdc, args.work, args.jobs)
        if args.pictures:
            network_faces.prepare_generated(args.pictures, args.work, args.jobs)
    elif args.run == "train":
        if args.network is None:
            parser.error("train needs a network")
        options = (args.epochs, args.teacher, args.start)
        choices = {"unenlarged": args.unenlarged, "compiled": args.compile}
        train(args.network, args.work, *options, rates=args.rates, **choices)
    elif args.run == "embed":
        embed(args.work)
    else:
        from .network_table import write_table

        write_table(args.work, args.write)


if __name__ == "__main__":
    main()
