"""FaceForensics++: its videos and splits.

The data set is that of Roessler et al. ("FaceForensics++: Learning to Detect Manipulated Facial
Images", ICCV 2019).
"""

import itertools
import json
import warnings
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..._files import PathLike
from ...exceptions import DatasetError, DatasetWarning

METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
ORIGINAL = "original"
SPLITS = ("train", "val", "test")

_ORIGINALS, _MANIPULATED = "original_sequences/youtube", "manipulated_sequences"
_FOLDERS = {"raw": ("raw", "c0"), "c0": ("raw", "c0"), "c23": ("c23",), "c40": ("c40",)}
_Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class FaceForensicsVideo:
    """A video of FaceForensics++.

    Attributes
    ----------
    id : str
        Name without ending: ``071`` for an original; ``071_054`` where the face of 071 was
        manipulated after 054.
    split : {"train", "val", "test"}
    method : str
        One of :data:`METHODS`, or ``original``.
    path : Path
    """

    id: str
    split: str
    method: str
    path: Path

    @property
    def label(self) -> int:
        """1 for fake, 0 for real."""
        return int(self.method != ORIGINAL)


@dataclass(frozen=True)
class FaceForensics:
    """FaceForensics++ in one compression, as far as it was found.

    Attributes
    ----------
    root : Path
    compression : {"raw", "c23", "c40"}
    videos : tuple of FaceForensicsVideo
    missing : tuple of FaceForensicsVideo
        Named by the splits, but not found.
    """

    root: Path
    compression: str
    videos: tuple[FaceForensicsVideo, ...]
    missing: tuple[FaceForensicsVideo, ...] = ()


def load_faceforensics(
    root: PathLike,
    *,
    compression: str = "c40",
    methods: Collection[str] = METHODS,
    partial: bool = False,
) -> FaceForensics:
    """Find the videos of FaceForensics++ and their splits.

    Parameters
    ----------
    root : str or path-like
        Folder of the download, with ``original_sequences/youtube/c40/videos/071.mp4``,
        ``manipulated_sequences/Deepfakes/c40/videos/071_054.mp4`` and so on, and with the
        authors' ``train.json``, ``val.json`` and ``test.json``, there or in ``splits``.
    compression : {"raw", "c0", "c23", "c40"}
        c40 is the strongest. c0 and raw mean the same: the download puts c0 in a folder named
        raw.
    methods : collection of str
        Manipulations to use, from :data:`METHODS`.
    partial : bool
        Continue without missing videos.

    Returns
    -------
    FaceForensics

    Raises
    ------
    DatasetError
        A split file is missing or damaged, a person is in two splits, or videos are missing: any,
        or with `partial` all of a method in some split.
    ValueError
        The compression or a method is unknown.

    Warns
    -----
    DatasetWarning
        With `partial`, how many videos are missing.
    """
    if compression not in _FOLDERS:
        raise ValueError(f"`compression` must be one of {', '.join(_FOLDERS)}; got {compression!r}")
    folder, name = Path(root), _FOLDERS[compression][0]
    if not folder.is_dir():
        raise DatasetError(f"no such folder: {folder}")
    places = {method: _place(folder, method, compression) for method in wanted(methods)}
    places = {ORIGINAL: _place(folder, ORIGINAL, compression)} | places
    videos = [
        FaceForensicsVideo(video, split, method, place / f"{video}.mp4")
        for split, pairs in _read_splits(folder).items()
        for method, place in places.items()
        for video in _ids(pairs, method)
    ]
    there = {video: video.path.is_file() for video in videos}
    found = FaceForensics(
        folder,
        name,
        tuple(video for video in videos if there[video]),
        tuple(video for video in videos if not there[video]),
    )
    if found.missing:
        _complain(found, partial)
    return found


def wanted(methods: Collection[str]) -> tuple[str, ...]:
    """Check the methods, and put them in the order of the data set."""
    names = {methods} if isinstance(methods, str) else set(methods)
    if not names or names - set(METHODS):
        raise ValueError(f"`methods` must be of {', '.join(METHODS)}; got {sorted(names)}")
    return tuple(method for method in METHODS if method in names)


def _place(root: Path, method: str, compression: str) -> Path:
    """Folder of the videos of a method, or of the originals."""
    parent = root / (_ORIGINALS if method == ORIGINAL else f"{_MANIPULATED}/{method}")
    places = [parent / name / "videos" for name in _FOLDERS[compression]]
    return next((place for place in places if place.is_dir()), places[0])


def _ids(pairs: _Pairs, method: str) -> list[str]:
    """Each pair stands for two originals, and for two videos of each method."""
    if method == ORIGINAL:
        return [person for pair in pairs for person in pair]
    return [f"{target}_{source}" for a, b in pairs for target, source in ((a, b), (b, a))]


def _read_splits(root: Path) -> dict[str, _Pairs]:
    splits = {split: _read_split(root, split) for split in SPLITS}
    people = Counter(person for pairs in splits.values() for person in itertools.chain(*pairs))
    person, times = people.most_common(1)[0]
    if times > 1:  # else people could be in both training and test
        where = [split for split, pairs in splits.items() if person in itertools.chain(*pairs)]
        raise DatasetError(f"{person} is {times} times in the split files of {', '.join(where)}")
    return splits


def _read_split(root: Path, split: str) -> _Pairs:
    places = [root / f"{split}.json", root / "splits" / f"{split}.json"]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise DatasetError(
            f"no split file: neither {places[0]} nor {places[1]}; the authors publish all "
            "three in dataset/splits of github.com/ondyari/FaceForensics"
        )
    try:
        pairs = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"cannot read {path}: {error}") from error
    if not (isinstance(pairs, list) and pairs and all(map(_is_pair, pairs))):
        raise DatasetError(f'{path} must be a list of pairs such as ["071", "054"]')
    return [(a, b) for a, b in pairs]


def _is_pair(value: Any) -> bool:
    # Digits only: these become file names.
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(person, str) and person.isdecimal() for person in value)
    )


def _complain(found: FaceForensics, partial: bool) -> None:
    """Report missing videos as an error or a warning."""
    n_videos = len(found.videos) + len(found.missing)
    by_method = Counter(video.method for video in found.missing)
    text = (
        f"{len(found.missing)} of {n_videos} videos are missing in {found.root} ("
        + ", ".join(f"{method}: {n}" for method, n in by_method.items())
        + f"), the first is {found.missing[0].path}"
    )
    if not found.videos:
        others = [name for name in ("raw", "c0", "c23", "c40") if _has(found.root, name)]
        raise DatasetError(f"{text}; compressions found: {', '.join(others) or 'none'}")
    if not partial:
        raise DatasetError(
            f"{text}; select methods with methods (--methods), or use the videos that exist with "
            "partial=True (--partial)"
        )
    there = {(video.split, video.method) for video in found.videos}
    for video in found.missing:
        if (video.split, video.method) not in there:
            raise DatasetError(f"{text}; split {video.split} has no video of {video.method}")
    warnings.warn(text, DatasetWarning, stacklevel=3)


def _has(root: Path, name: str) -> bool:
    parents = [root / _ORIGINALS, *(root / _MANIPULATED / method for method in METHODS)]
    return any((parent / name / "videos").is_dir() for parent in parents)
