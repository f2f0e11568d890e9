"""What a report says about a video: the scores of its frames, and what its file states."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from .._optional import extra
from ..crops.decoding import VideoFacts, video_facts
from ..crops.mtcnn import require_nets
from ..detector.columns import SCORE_COLUMNS
from ..detector.frames import FaceScore, score_input, unread
from ..detector.model import MIN_LLR
from ..detector.terms import Terms
from ..evidence.deliveries import Evidence
from ..exceptions import VideoReadError
from ..pictures.limits import open_file
from ..pictures.provenance import Provenance
from .examination import Examination, Model, about_evidence, evidence_for, file_name

LOOKS = ("looks generated", "looks real", "undecided", "face not judged", "no face found")
_LOOK_OF = dict(zip(("fake", "real", "inconclusive"), LOOKS, strict=False))
_N_STRONGEST = 3  # frames shown for each side
_FACE_SIDE, _FRAME_SIDE = 224, 720  # pixels of the copies that are kept


@dataclass(frozen=True)
class SeenFrame:
    """A frame of a video that was examined.

    Attributes
    ----------
    time : float
        Seconds since the first frame.
    score, llr : float
        As if the frame were a picture; the score is NaN where there is none.
    verdict, reason : str
        Likewise.
    look : str
        "looks generated", "looks real" or "undecided"; "face not judged" if the model cannot judge
        such a face; "no face found".
    box : tuple of int
        Left, top, right and bottom edge of the square that was scored; empty without a face.
    face : ndarray or None
        Small copy of this square.
    """

    time: float
    score: float
    llr: float
    verdict: str
    reason: str
    look: str
    box: tuple[int, ...] = ()
    face: npt.NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class VideoExamination(Examination):
    """What was found out about a video.

    The attributes of an :class:`Examination` are those of the video as a whole: `held_out` are
    pictures of faces, `facts` are None, and `provenance` has only hash and size. ``pixels`` are a
    small copy of the frame whose score is nearest to the video's, its square outlined.

    Attributes
    ----------
    kind : str
        "video".
    frames : tuple of SeenFrame
        In the order of time; empty if the video cannot be read.
    size : tuple of int
        Columns and rows of a frame, upright; zeros if the video cannot be read.
    video : VideoFacts or None
        None if the video cannot be opened.
    limits : tuple of float
        A frame alone looks real only below the first score, and generated only above the second;
        infinite where the model cannot support that verdict.
    shown_at : float
        Time of the frame in `pixels`.
    """

    kind: ClassVar[str] = "video"
    frames: tuple[SeenFrame, ...] = ()
    size: tuple[int, int] = (0, 0)
    video: VideoFacts | None = None
    limits: tuple[float, float] = (-math.inf, math.inf)
    shown_at: float = math.nan

    @property
    def votes(self) -> Mapping[str, int]:
        """Number of frames by how they look alone."""
        looks = [frame.look for frame in self.frames]
        return {look: looks.count(look) for look in LOOKS}

    @property
    def strongest(self) -> tuple[Sequence[SeenFrame], Sequence[SeenFrame]]:
        """Frames with the highest and with the lowest scores, the most extreme first."""
        judged = [frame for frame in self.frames if frame.look in _LOOK_OF.values()]
        ordered = sorted(judged, key=lambda frame: -frame.score)
        n_high = min(_N_STRONGEST, (len(ordered) + 1) // 2)
        n_low = min(_N_STRONGEST, len(ordered) // 2)
        return ordered[:n_high], ordered[::-1][:n_low]


def check_video(terms: Terms, model: Model) -> None:
    """Refuse a model that does not judge videos, and an installation that does not read them.

    Raises
    ------
    ValueError
        The model has other features than ``student``.
    MissingExtraError
        The extra ``faces`` or ``video`` is not installed.
    """
    if terms.model.features != "student":
        raise ValueError(
            f"a video needs a model of the features 'student'; got {model.name}, of "
            f"{terms.model.features!r}: leave out `detector` (--model) for the embedded model "
            "'student', or give a model trained on its features"
        )
    require_nets()
    with extra("video", "av"):
        import av  # noqa: F401


def examine_video(
    terms: Terms, model: Model, path: str, *, name: str = "", problem: str = ""
) -> VideoExamination:
    """Examine a video with the results of :func:`freqfake.report.examination.prepare`.

    Parameters
    ----------
    terms, model, path, name
        See :func:`freqfake.report.examination.examine_with`.
    problem : str
        Why no video can be examined; the examination then says only that.
    """
    frames: list[SeenFrame] = []
    copies: list[npt.NDArray[np.uint8]] = []
    size = (0, 0)

    def see(pixels: npt.NDArray[Any], face: FaceScore) -> None:
        nonlocal size
        size = (pixels.shape[1], pixels.shape[0])
        frames.append(_seen(pixels, face))
        copies.append(_outlined(pixels, face.box))

    scored = unread(terms, path, problem) if problem else score_input(terms, path, path, seen=see)
    row = {column: scored.row[column] for column in SCORE_COLUMNS}
    evidence = evidence_for(scored.extraction, terms)
    about = about_evidence(evidence, terms)
    typical = _typical(frames, row["score"])
    return VideoExamination(
        **{**row, **about},
        name=name or file_name(path),
        prior=terms.prior,
        model=model,
        provenance=_fingerprint(path),
        pixels=None if typical is None else copies[typical],
        shown_at=math.nan if typical is None else frames[typical].time,
        frames=tuple(frames),
        size=size,
        video=None if row["error"] else _facts(path, terms),
        limits=_limits(evidence, about["threshold"]),
    )


def _seen(pixels: npt.NDArray[Any], scored: FaceScore) -> SeenFrame:
    row, box = scored.row, scored.box
    look = _LOOK_OF[row["verdict"]]
    if scored.extraction is None:
        look = "face not judged" if box else "no face found"
    about = (row["score"], row["llr"], row["verdict"], row["reason"])
    face = None
    if box:
        left, top, right, bottom = box
        face = np.asarray(_reduced(pixels[top:bottom, left:right], _FACE_SIDE))
    return SeenFrame(scored.time, *about, look, box, face)


def _outlined(pixels: npt.NDArray[Any], box: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Reduce a frame, and outline a square in white and black, which show on any ground."""
    from PIL import ImageDraw

    copy = _reduced(pixels, _FRAME_SIDE)
    if box:
        scale = copy.width / pixels.shape[1]
        edges = [round(edge * scale) for edge in box]
        for colour, width in (("black", 5), ("white", 2)):
            ImageDraw.Draw(copy).rectangle(edges, outline=colour, width=width)
    return np.asarray(copy)


def _reduced(pixels: npt.NDArray[Any], side: int) -> Any:
    from PIL import Image

    copy = Image.fromarray(np.ascontiguousarray(pixels))
    copy.thumbnail((side, side))
    return copy


def _typical(frames: Sequence[SeenFrame], score: float) -> int | None:
    """Choose the frame whose score is nearest to the video's; without one, one with a face."""
    if not frames:
        return None
    middle = len(frames) // 2

    def oddity(index: int) -> tuple[bool, float, int]:
        frame = frames[index]
        distance = abs(frame.score - score) if frame.look in _LOOK_OF.values() else math.inf
        return frame.face is None, distance, abs(index - middle)

    return min(range(len(frames)), key=oddity)


def _limits(evidence: Evidence, threshold: float) -> tuple[float, float]:
    """Scores beyond which there is a verdict, see :attr:`VideoExamination.limits`."""
    calibrator = evidence.calibrator_
    slope = float(calibrator.slope_)
    reach = MIN_LLR / slope if slope > 0 else math.inf
    low = -reach if calibrator.lower_bound_ <= -MIN_LLR else -math.inf
    high = max(reach, threshold) if calibrator.upper_bound_ >= MIN_LLR else math.inf
    return low, float(high)


def _fingerprint(path: str) -> Provenance | None:
    """Hash a file of any size; None if it cannot be opened."""
    try:
        with open_file(path) as file:
            return Provenance(hashlib.file_digest(file, "sha256").hexdigest(), file.tell())
    except (OSError, ValueError):  # the row of the score has the error already
        return None


def _facts(path: str, terms: Terms) -> VideoFacts | None:
    try:
        return video_facts(path, max_pixels=terms.max_pixels)
    except VideoReadError:  # has changed since it was scored
        return None
