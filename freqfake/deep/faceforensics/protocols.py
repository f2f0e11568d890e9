"""The evaluations of DLDFD on FaceForensics++: Table 2 of Singh and Ramachandra (VISAPP 2022)."""

import functools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Unpack, get_args

import numpy as np
import pandas as pd
import torch

from ..._files import PathLike, whole_file
from ...batch.parallel import warn_left_out
from ...crops.faces import MARGIN
from ...detector.frames import N_FRAMES
from ...exceptions import DatasetError
from ..detector import DeepDetector
from ..device import find_device
from ..epochs import Training
from ..networks.dldfd import DLDFD
from ..networks.weights import NETWORKS, Network, network_name
from ..training import TrainingOptions, train_network
from .crops import extract_crops
from .dataset import METHODS, ORIGINAL, load_faceforensics, wanted

Protocol = Literal["combined", "single", "cross"]

SCORES = "scores.csv"

# True classification rates in percent, as printed in Table 2: of DLDFD and of the 3D networks of
# Wang & Dantcheva (2020). The missing ones could not be looked up, see docs/faceforensics.md; they
# can be filled in from the papers.
PUBLISHED: dict[str, dict[str, float]] = {
    "DLDFD": {
        "combined": 96.07,
        "single-Deepfakes": 94.64,
        "single-Face2Face": 81.4,
        "single-FaceSwap": 94.28,
        "single-NeuralTextures": 100.0,
        "cross-Deepfakes": 69.28,
        "cross-Face2Face": 40.0,
        "cross-FaceSwap": 94.28,
        "cross-NeuralTextures": 49.2,
    },
    "3D ResNet": {"combined": 83.86},
    "3D ResNeXt": {"combined": 85.14},
    "I3D": {"combined": 87.43},
}


def evaluate_protocol(
    root: PathLike,
    protocol: Protocol,
    out: PathLike,
    *,
    compression: str = "c40",
    methods: Collection[str] = METHODS,
    partial: bool = False,
    network: str | Callable[[], Network] = "dldfd",
    imagenet: PathLike | None = None,
    random_start: bool = False,
    n_frames: int | None = N_FRAMES,
    margin: float = MARGIN,
    device: str | torch.device = "auto",
    n_jobs: int | None = None,
    progress: bool = False,
    **training: Unpack[TrainingOptions],
) -> pd.DataFrame:
    """Train and test on FaceForensics++ as in Table 2 of Singh and Ramachandra (2022).

    Parameters
    ----------
    root, compression, methods, partial
        See :func:`.load_faceforensics`.
    protocol : {"combined", "single", "cross"}
        Train and test on all manipulations; train and test on each separately; or test on each
        after training on the others. The originals are in every training and test.
    out : path
        Folder for the crops (``out/crops``, see :func:`.extract_crops`), which are made once for
        all protocols, and for the trainings (``out/trainings``, see :func:`train_network`), each
        with the scores of its test crops in ``scores.csv``.
    network : {"dldfd", "meso4", "mesoinception4"} or callable
        Network to train, or a function that makes one.
    imagenet : path, optional
        Weights for "dldfd" to start from, as in the paper. See :func:`load_imagenet`.
    random_start : bool
        Start "dldfd" from random weights instead.
    n_frames, margin
        See :func:`.extract_crops`.
    epochs, batch_size, learning_rate, workers, seed, resume
        See :func:`train_network`.
    device
        See :mod:`freqfake.deep.device`.
    n_jobs : int, optional
        Processes that detect faces.
    progress : bool
        Show progress bars on stderr.

    Returns
    -------
    DataFrame
        One row for each training, with columns ``protocol``, ``trained on``, ``tested on``, those
        of :func:`true_classification_rates`, ``videos left out`` (of the test, because they gave
        no crop), ``best epoch``, and the published rates. If some of :data:`.METHODS` are left
        out, published rates are given only for "single": the others are not comparable.

    Raises
    ------
    DatasetError, TrainingError
        See :func:`.load_faceforensics`, :func:`.extract_crops` and :func:`train_network`.

    Warns
    -----
    DatasetWarning, UnreadableImageWarning, DeviceWarning
        Videos are missing; a video gives no crop; there is no GPU.
    """
    tasks = _tasks(protocol, wanted(methods))
    make = _maker(network, imagenet, random_start, training.get("seed", 0))
    name = network_name(make()) + ("-imagenet" if imagenet is not None else "")
    where = find_device(device)  # fails before hours of cropping
    dataset = load_faceforensics(root, compression=compression, methods=methods, partial=partial)
    crops = extract_crops(
        dataset,
        Path(out) / "crops",
        n_frames=n_frames,
        margin=margin,
        n_jobs=n_jobs,
        progress=progress,
    )
    for row in crops[crops.error != ""].itertuples():
        warn_left_out(f"{row.split}/{row.method}/{row.video}", row.error, stacklevel=3)
    train = functools.partial(train_network, device=where, progress=progress, **training)
    folder = Path(out) / "trainings" / dataset.compression / name
    return pd.DataFrame(
        [
            {"protocol": protocol, **_evaluated(task, crops, make, folder / task.name, train)}
            for task in tasks
        ]
    )


def true_classification_rates(frames: pd.DataFrame) -> dict[str, float]:
    """Share of the frames and of the videos that are classified correctly.

    Parameters
    ----------
    frames : DataFrame
        One row for each frame, with columns ``video``, a unique name, ``label`` and ``called``: 1
        for fake, 0 for real.

    Returns
    -------
    dict
        Counts (``videos``, ``real videos``, ``fake videos``, and the same for frames) and rates in
        percent (``TCR videos %``, ``TCR real videos %``, ...; NaN if there are none). For a video
        the majority of its frames decides; a tie counts as wrong.

    Examples
    --------
    >>> import pandas as pd
    >>> from freqfake.deep.faceforensics.protocols import true_classification_rates
    >>> frames = {"video": list("aaab"), "label": [1, 1, 1, 0], "called": [1, 1, 0, 1]}
    >>> rates = true_classification_rates(pd.DataFrame(frames))
    >>> rates["TCR frames %"], rates["TCR videos %"], rates["TCR real videos %"]
    (50.0, 50.0, 0.0)
    """
    right = (frames.called == frames.label).to_numpy(float)
    each = pd.DataFrame({"video": frames.video, "label": frames.label, "right": right})
    votes = each.groupby("video").agg({"label": "first", "right": "mean"})
    votes["right"] = (votes.right > 0.5).astype(float)
    counts: dict[str, float] = {}
    rates: dict[str, float] = {}
    for unit, table in (("videos", votes), ("frames", each)):
        sides = {"": table, "real ": table[table.label == 0], "fake ": table[table.label == 1]}
        for side, part in sides.items():
            counts[f"{side}{unit}"] = len(part)
            rates[f"TCR {side}{unit} %"] = 100 * float(part.right.mean())
    return counts | rates


@dataclass(frozen=True)
class _Task:
    """One training and its test."""

    name: str
    train: tuple[str, ...]  # methods
    test: tuple[str, ...]

    @property
    def published(self) -> dict[str, float]:
        """Published rates, if the methods are exactly those of the paper."""
        comparable = set(self.train) | set(self.test) == set(METHODS) or self.name[:6] == "single"
        return {
            f"{title}, published %": table.get(self.name, np.nan) if comparable else np.nan
            for title, table in PUBLISHED.items()
        }


def _tasks(protocol: str, methods: tuple[str, ...]) -> list[_Task]:
    if protocol == "combined":
        return [_Task(protocol, methods, methods)]
    if protocol == "single":
        return [_Task(f"{protocol}-{method}", (method,), (method,)) for method in methods]
    if protocol != "cross":
        names = ", ".join(get_args(Protocol))
        raise ValueError(f"`protocol` must be one of {names}; got {protocol!r}")
    if len(methods) < 2:
        raise ValueError(f"`methods` must be at least two for cross; got {methods[0]}")
    return [
        _Task(f"{protocol}-{method}", tuple(m for m in methods if m != method), (method,))
        for method in methods
    ]


def _maker(
    network: str | Callable[[], Network], imagenet: PathLike | None, random_start: bool, seed: int
) -> Callable[[], Network]:
    """Return a function that makes the same network every time."""
    if isinstance(network, str) and network not in NETWORKS:
        raise ValueError(f"`network` must be one of {', '.join(NETWORKS)}; got {network!r}")
    if imagenet is not None and network != "dldfd":
        raise ValueError("`imagenet` holds weights for dldfd; got another network")
    if network == "dldfd" and (imagenet is None) != random_start:
        raise ValueError("dldfd needs either `imagenet` or `random_start`; got neither or both")

    def make() -> Network:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if imagenet is not None:
                return DLDFD.from_imagenet(imagenet)
            return NETWORKS[network]() if isinstance(network, str) else network()

    return make


def _evaluated(
    task: _Task,
    crops: pd.DataFrame,
    make: Callable[[], Network],
    folder: Path,
    train: "functools.partial[Training]",
) -> dict[str, Any]:
    """Train unless that is done, test, and return the row of the table."""
    test = _frames(crops, "test", task.test)
    if test.label.nunique() < 2:
        raise DatasetError(f"no face was found in any real, or any fake, video to test {task.name}")
    known, held_out = (_sides(_frames(crops, split, task.train)) for split in ("train", "val"))
    training = train(make(), *known, folder, validation=held_out)
    detector = DeepDetector(training.network, device=train.keywords["device"])
    scored = detector.score(test.path.tolist(), progress=train.keywords["progress"])
    scored = pd.concat([test[["video", "label"]], scored], axis=1)
    with whole_file(folder / SCORES) as file:
        scored.to_csv(file, index=False)
    for row in scored[scored.error != ""].itertuples():
        warn_left_out(row.path, row.error, stacklevel=4)
    scored = scored[scored.error == ""]
    n_videos = len(_rows(crops, "test", task.test))
    return {
        "trained on": ", ".join(task.train),
        "tested on": ", ".join(task.test),
        **true_classification_rates(scored.assign(called=scored.n_fake)),
        "videos left out": n_videos - scored.video.nunique(),
        "best epoch": training.best_epoch,
        **task.published,
    }


def _rows(crops: pd.DataFrame, split: str, methods: Sequence[str]) -> pd.DataFrame:
    return crops[(crops.split == split) & crops.method.isin([ORIGINAL, *methods])]


def _frames(crops: pd.DataFrame, split: str, methods: Sequence[str]) -> pd.DataFrame:
    """Crops of the originals and of the methods in a split."""
    rows = [
        (f"{video.method}/{video.video}", video.label, str(path))
        for video in _rows(crops, split, methods).itertuples()
        for path in sorted(video.folder.glob("*.png"))
    ]
    return pd.DataFrame(rows, columns=["video", "label", "path"])


def _sides(frames: pd.DataFrame) -> tuple[list[str], list[str]]:
    real, fake = (frames.path[frames.label == label].tolist() for label in (0, 1))
    return real, fake
