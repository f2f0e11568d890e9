"""Crops of the faces in the videos of FaceForensics++."""

import contextlib
import json
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from tqdm import tqdm

from ..._files import PathLike, whole_file
from ...batch.runs import only_run
from ...crops.faces import MARGIN, check_margin, crop_face, find_faces
from ...crops.video import read_frames
from ...detector.frames import N_FRAMES
from ...exceptions import DatasetError, ImageValueError, VideoReadError
from ...pictures.limits import MAX_PIXELS
from .dataset import SPLITS, FaceForensics

_SETTINGS = "crops.json"


def extract_crops(
    dataset: FaceForensics,
    out: PathLike,
    *,
    splits: Collection[str] = SPLITS,
    n_frames: int | None = N_FRAMES,
    margin: float = MARGIN,
    max_pixels: int = MAX_PIXELS,
    n_jobs: int | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Cut the largest face out of frames of each video, at its original resolution.

    Files are named ``out/c40/test/Deepfakes/071_054/00123.png`` and so on: compression, split,
    method or ``original``, video, frame number. A video that has a folder is skipped. One that
    was in progress when a run was stopped has no folder, and is done again.

    Parameters
    ----------
    dataset : FaceForensics
    out : path
    splits : collection of {"train", "val", "test"}
    n_frames : int or None
        Frames of each video, evenly spaced; None for all.
    margin : float
        See :func:`freqfake.crops.faces.crop_face`.
    max_pixels : int
        See :func:`freqfake.crops.video.read_frames`.
    n_jobs : int, optional
        See :func:`freqfake.iter_features`.
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    DataFrame
        One row for each video, with columns ``split``, ``method``, ``video``, ``label`` (1 for
        fake), ``folder``, ``n_crops``, and ``error``: empty, or why there is no crop. A video that
        cannot be read is tried again in the next run.

    Raises
    ------
    DatasetError
        `out` holds crops that were made with other settings.
    OutputInUseError
        Another run is writing to `out`.
    """
    if n_frames is not None and n_frames < 1:
        raise ValueError(f"`n_frames` must be at least 1; got {n_frames}")
    if unknown := set(splits) - set(SPLITS):
        raise ValueError(f"`splits` must be of {', '.join(SPLITS)}; got {sorted(unknown)}")
    check_margin(margin)
    top = Path(out) / dataset.compression
    _expect_settings(top, {"n_frames": n_frames, "margin": margin})
    videos = [video for video in dataset.videos if video.split in splits]
    folders = [top / video.split / video.method / video.id for video in videos]
    job = joblib.delayed(_cropped)
    with only_run(top / _SETTINGS):  # another would remove what is unfinished here
        done = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(
            job(video.path, folder, n_frames, margin, max_pixels)
            for video, folder in zip(videos, folders, strict=True)
        )
        done = tqdm(done, "faces", total=len(videos), unit="video", disable=not progress)
        rows = [
            (video.split, video.method, video.id, video.label, folder, *outcome)
            for video, folder, outcome in zip(videos, folders, done, strict=True)
        ]
    columns = ["split", "method", "video", "label", "folder", "n_crops", "error"]
    return pd.DataFrame(rows, columns=columns)


def _expect_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Keep the settings beside the crops: crops with different settings must not be mixed."""
    path = folder / _SETTINGS
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(json.dumps(settings).encode())
    before = None
    with contextlib.suppress(ValueError):
        before = json.loads(path.read_text())
    if before != settings:
        raise DatasetError(
            f"the crops in {folder} were made with {before}, not with {settings}: choose "
            "another folder"
        )


def _cropped(
    path: Path, folder: Path, n_frames: int | None, margin: float, max_pixels: int
) -> tuple[int, str]:
    """Make the crops of a video unless they exist; return their number, or why there are none."""
    if not folder.is_dir():
        try:
            _write_crops(path, folder, n_frames, margin, max_pixels)
        except (VideoReadError, ImageValueError) as error:
            return 0, str(error)
    n_crops = len(list(folder.glob("*.png")))
    return n_crops, "" if n_crops else "no face found"


def _write_crops(
    path: Path, folder: Path, n_frames: int | None, margin: float, max_pixels: int
) -> None:
    from PIL import Image

    unfinished = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(unfinished, ignore_errors=True)  # left by a killed run
    unfinished.mkdir(parents=True)
    try:
        for frame in read_frames(path, count=n_frames, max_pixels=max_pixels):
            if faces := find_faces(frame.pixels):
                crop = crop_face(frame.pixels, faces[0], margin=margin)
                Image.fromarray(crop).save(unfinished / f"{frame.index:05d}.png")
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
