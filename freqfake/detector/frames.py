"""Score the largest face of pictures, and of frames of videos, by a model of the student."""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..batch.extraction import (
    NO_FACE,
    Extraction,
    Picture,
    Unreadable,
    attempt,
    largest_face,
)
from ..batch.parallel import Inputs, map_pictures
from ..batch.tables import Row
from ..crops.mtcnn import require_nets
from ..crops.video import Frame, is_video, read_frames
from ..exceptions import FreqFakeError, NoFaceError
from ..pictures.facts import ImageFacts
from ..pictures.reading import ImageLike, read_any
from .columns import FRAME_COLUMNS, FRAME_NUMBERS
from .terms import Terms, undecided

N_FRAMES = 20  # of a video, by default


@dataclass(frozen=True)
class FaceScore:
    """Score of the largest face of a picture, or of a frame of a video.

    Attributes
    ----------
    row : dict
        As :meth:`freqfake.Detector.score` gives it for a picture.
    time : float
        Seconds since the first frame; 0 for a picture.
    box : tuple of int
        Left, top, right and bottom edge of the pixels that were scored; empty without a face.
    extraction : Extraction, optional
        Features of the face, if it is one that the model can judge.
    """

    row: Row
    time: float = 0.0
    box: tuple[int, ...] = ()
    extraction: Extraction | None = None


@dataclass(frozen=True)
class FaceScores:
    """Scores of one input.

    Attributes
    ----------
    row : dict
        With the columns of `FRAME_COLUMNS`.
    frames : tuple of FaceScore
        In the order of time; one for a picture, none for an input that cannot be read.
    extraction : Extraction, optional
        Features that the likelihood ratio rests on, if there are any that the model can judge.
    """

    row: Row
    frames: tuple[FaceScore, ...] = ()
    extraction: Extraction | None = None


def score_faces(
    terms: Terms,
    inputs: Inputs,
    *,
    n_frames: int = N_FRAMES,
    n_jobs: int | None = None,
    progress: bool = False,
) -> Iterator[FaceScores]:
    """Score the largest face of each picture, or of each of some frames of each video.

    The features of a video are the means over its frames with a face that the model can judge. Its
    likelihood ratio is that of a picture with these features: frames of one video are too much
    alike to count as separate evidence.

    Parameters
    ----------
    terms : Terms
        With a model of the features ``student``.
    inputs, n_jobs, progress
        See :func:`freqfake.iter_features`; files with a video ending are read as videos.
    n_frames : int
        Frames to score of each video, evenly spaced.

    Yields
    ------
    FaceScores
        One for each input, in the order given.

    Raises
    ------
    MissingExtraError
        The extra ``faces`` is not installed.
    """
    if terms.model.features != "student":
        raise ValueError(
            f"`terms` must have a model of the features 'student'; got {terms.model.features!r}"
        )
    if n_frames < 1:
        raise ValueError(f"`n_frames` must be at least 1; got {n_frames}")
    require_nets()
    job = functools.partial(score_input, terms, n_frames=n_frames)
    return map_pictures(job, inputs, n_jobs=n_jobs, progress=progress)


def score_input(
    terms: Terms,
    path: str,
    image: ImageLike | FreqFakeError,
    facts: ImageFacts | None = None,
    *,
    n_frames: int = N_FRAMES,
    seen: Callable[[npt.NDArray[Any], FaceScore], None] = lambda pixels, score: None,
) -> FaceScores:
    """Read and score one input, in any process.

    Parameters
    ----------
    terms, n_frames
        See :func:`score_faces`.
    path, image, facts
        As :func:`freqfake.batch.parallel.map_pictures` passes them to a job.
    seen : callable
        Called with the pixels and the score of each frame of a video, which are not kept.
    """

    def scored(frame: Frame) -> FaceScore:
        face = score_face(terms, Picture(path, *read_any(frame.pixels)), time=frame.time)
        seen(frame.pixels, face)
        return face

    def looked() -> Sequence[FaceScore]:
        if isinstance(image, FreqFakeError):
            raise image
        if isinstance(image, str) and is_video(image):
            options = {"count": n_frames, "max_pixels": terms.max_pixels}
            return [scored(frame) for frame in read_frames(image, **options)]
        pixels, own = read_any(image, max_pixels=terms.max_pixels)
        return [score_face(terms, Picture(path, pixels, facts or own))]

    frames = attempt(path, looked)
    if isinstance(frames, Unreadable):
        return unread(terms, path, frames.error)
    return _joined(terms, path, frames)


def unread(terms: Terms, path: str, error: str) -> FaceScores:
    """Scores of an input that cannot be read, with the reason."""
    return FaceScores(_counted(terms.model.row(Unreadable(path, error)), ()))


def score_face(terms: Terms, picture: Picture, *, time: float = 0.0) -> FaceScore:
    """Score the largest face of a picture, or of a frame, that was read."""
    try:
        face, box = largest_face(picture)
    except NoFaceError as error:
        return FaceScore(undecided(terms, picture.path, str(error)), time)
    features = terms.model.compute(face.pixels)
    found = Extraction(picture.path, features, face.facts)
    row = terms.model.row(found, max_fpr=terms.max_fpr, prior=terms.prior)
    judged = not terms.model.domain.objections(features, face.facts)
    return FaceScore(row, time, box, found if judged else None)


def _joined(terms: Terms, path: str, frames: Sequence[FaceScore]) -> FaceScores:
    """Join the scores of the frames of an input."""
    judged = [frame.extraction for frame in frames if frame.extraction is not None]
    counted = [frame for frame in frames if frame.extraction is not None]
    if len(frames) == 1:
        return FaceScores(_counted(frames[0].row, counted), tuple(frames), frames[0].extraction)
    if not judged:
        reasons = [frame.row["reason"] for frame in frames if frame.box]
        reason = reasons[0] if reasons else NO_FACE
        row = undecided(terms, path, f"in all of {len(frames)} frames: {reason}")
        return FaceScores(_counted(row, ()), tuple(frames))
    mean = np.mean([face.features for face in judged], axis=0)
    extraction = Extraction(path, mean, judged[len(judged) // 2].facts)
    row = terms.model.row(extraction, max_fpr=terms.max_fpr, prior=terms.prior)
    row = _counted(row, counted)
    reason = f"{row['reason']}; alone, {row['n_fake']} of {row['n_frames']} frames look generated"
    return FaceScores({**row, "reason": reason}, tuple(frames), extraction)


def _counted(row: Row, frames: Sequence[FaceScore]) -> Row:
    """Add the number of frames scored, and of those that would be called real and fake alone."""
    verdicts = [frame.row["verdict"] for frame in frames]
    counts = (len(frames), verdicts.count("real"), verdicts.count("fake"))
    row = {**row, **dict(zip(FRAME_NUMBERS, counts, strict=True))}
    return {name: row[name] for name in FRAME_COLUMNS}
