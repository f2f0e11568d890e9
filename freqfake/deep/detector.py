"""Scores and verdicts of a network on pictures and videos."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from .._files import PathLike
from ..batch.frames import columns_of
from ..batch.parallel import Inputs, expand, warn_left_out
from ..batch.tables import Row
from ..crops.faces import crop_face, find_faces
from ..crops.video import is_video, read_frames
from ..detector.cards import LIMITS, ModelCard
from ..detector.columns import FRAME_COLUMNS
from ..detector.frames import N_FRAMES
from ..detector.results import ScoreTable
from ..evidence.metrics import detection_metrics
from ..exceptions import FreqFakeError, MissingExtraError, ModelFileError
from ..pictures.limits import MAX_PIXELS
from ..pictures.reading import ImageLike, read_any
from .device import enough_memory, find_device, precision
from .networks.weights import (
    NETWORKS,
    Network,
    import_keras_weights,
    load_embedded,
    load_network,
    network_name,
)
from .pictures import as_tensor

_LIMITS = (
    "Networks are overconfident, even when they are wrong: a probability of 0.99 is not a "
    "likelihood ratio. They never report that a picture is outside their domain.",
)


class DeepOptions(TypedDict, total=False):
    """Options of :meth:`DeepDetector.score`; the defaults are those of `iter_scores`."""

    threshold: float
    n_frames: int
    faces: bool
    margin: float
    max_pixels: int


@dataclass(frozen=True)
class _Look:
    """A picture, or a frame of a video."""

    position: int
    name: str
    pixels: torch.Tensor | None = None  # None without a face, or after an error
    error: str = ""


class DeepDetector:
    """A trained network that scores pictures and videos.

    Parameters
    ----------
    network : DLDFD, Meso4 or MesoInception4
        From :func:`load_deep_detector`, :func:`train_network` or :func:`import_keras_weights`.
    device : str
        "auto" (the GPU when there is one), "cpu", "cuda", ...
    batch_size : int
        Pictures or frames per pass through the network.

    Examples
    --------
    >>> import numpy as np
    >>> from freqfake.deep import DeepDetector, Meso4
    >>> detector = DeepDetector(Meso4(input_size=32), device="cpu")
    >>> table = detector.score([np.zeros((64, 64, 3), np.uint8)])
    >>> int(table.n_frames[0])
    1
    """

    def __init__(
        self, network: Network, *, device: str | torch.device = "auto", batch_size: int = 32
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1; got {batch_size}")
        self.name = network_name(network)
        self.device = find_device(device)
        self.network = network.to(self.device, memory_format=torch.channels_last).eval()
        self.batch_size = batch_size

    def __repr__(self) -> str:
        return f"<freqfake.deep.DeepDetector: {self.name} on {self.device}>"

    def _repr_html_(self) -> str:
        return self.card()._repr_html_()

    def card(self) -> ModelCard:
        """Model card of the network, which holds less than that of a :class:`freqfake.Detector`.

        Returns
        -------
        ModelCard
            Displayed in a notebook; ``str`` gives Markdown.
        """
        side = self.network.input_size
        n_parameters = sum(part.numel() for part in self.network.parameters())
        about = (
            ("network", self.name),
            ("input", f"a face of {side} x {side} pixels; other sizes are scaled"),
            ("parameters", f"{n_parameters:,}"),
            ("device", str(self.device)),
        )
        verdict = (
            ("fake", "a picture above the threshold; a video, if most of its frames are"),
            ("inconclusive", "no face is found, or equally many frames are real and fake"),
            ("llr", "missing: the probabilities are not calibrated"),
        )
        sections = (("Network", about), ("From a probability to a verdict", verdict))
        return ModelCard(f"Model card: {self.name}", sections, (*_LIMITS, *LIMITS[:2]))

    def score(
        self, inputs: Inputs, *, progress: bool = False, **options: Unpack[DeepOptions]
    ) -> ScoreTable:
        """Score pictures and videos.

        Parameters
        ----------
        inputs
            See :func:`freqfake.iter_features`; files with a video ending are read as videos.
        threshold : float
            Probability above which a frame is called fake.
        n_frames : int
            Frames to score of each video, evenly spaced.
        faces : bool
            Score only the largest face of each picture or frame, see
            :func:`freqfake.crops.faces.find_faces`. Frames without a face are left out. The
            networks were made for face crops.
        margin : float
            See :func:`freqfake.crops.faces.crop_face`.
        max_pixels : int
            See :func:`freqfake.read_image`.
        progress : bool
            Show a progress bar on stderr.

        Returns
        -------
        ScoreTable
            A DataFrame with one row for each input, with the columns of
            :meth:`freqfake.Detector.score` and

            - ``n_frames``: frames scored, 1 for a picture;
            - ``n_real``, ``n_fake``: how many were called real and fake.

            ``verdict`` is the majority vote, ``inconclusive`` for a tie or if no face is found;
            ``score`` is the mean logit, ``p_fake`` the network's mean probability. Neither is
            calibrated, so ``llr`` is missing: networks are overconfident.
        """
        rows = self.iter_scores(inputs, progress=progress, **options)
        return ScoreTable(columns_of(rows, FRAME_COLUMNS))

    def iter_scores(
        self,
        inputs: Inputs,
        *,
        threshold: float = 0.5,
        n_frames: int = N_FRAMES,
        faces: bool = False,
        margin: float = 0.3,
        max_pixels: int = MAX_PIXELS,
        progress: bool = False,
    ) -> Iterator[Row]:
        """Yield the rows of :meth:`score` as they are ready."""
        if not 0 < threshold < 1:
            raise ValueError(f"`threshold` must lie between 0 and 1; got {threshold}")
        items = list(expand(inputs))
        reader = _Reader(self.network.input_size, n_frames, margin if faces else None, max_pixels)
        looks = itertools.chain.from_iterable(
            reader.looks(position, name, image) for position, (name, image) in enumerate(items)
        )
        judged = itertools.groupby(self._judged(looks), key=lambda pair: pair[0].position)
        for _, group in tqdm(judged, total=len(items), unit="input", disable=not progress):
            yield self._row(list(group), threshold)

    def evaluate(
        self, real: Inputs, fake: Inputs, *, progress: bool = False, **options: Unpack[DeepOptions]
    ) -> dict[str, float]:
        """Figures of merit on labelled pictures and videos.

        Parameters
        ----------
        real, fake, progress, **options
            See :meth:`score`.

        Returns
        -------
        dict
            See :func:`freqfake.evidence.metrics.detection_metrics`; an input with a positive mean
            logit is called fake. An input without a face, or one that cannot be read, is left out.
        """
        tables = [self.score(side, progress=progress, **options) for side in (real, fake)]
        kept = [table[table.score.notna()] for table in tables]
        for row in pd.concat(tables).itertuples():
            if row.error:
                warn_left_out(row.path, row.error, stacklevel=3)
        y = np.repeat([0, 1], [len(table) for table in kept])
        return detection_metrics(y, pd.concat(kept).score.to_numpy())

    def _judged(self, looks: Iterable[_Look]) -> Iterator[tuple[_Look, float]]:
        """Yield each look and its logit; a batch may hold looks of several inputs."""
        looks = iter(looks)
        while batch := list(itertools.islice(looks, self.batch_size)):
            pixels = [look.pixels for look in batch if look.pixels is not None]
            logits = iter(self._logits(pixels))
            yield from ((look, np.nan if look.pixels is None else next(logits)) for look in batch)

    def _logits(self, pixels: list[torch.Tensor]) -> list[float]:
        if not pixels:
            return []
        with enough_memory(), torch.inference_mode(), precision(self.device):
            stacked = torch.stack(pixels).to(self.device, memory_format=torch.channels_last)
            logits: list[float] = self.network(stacked.float() / 255).float().tolist()
        return logits

    def _row(self, judged: list[tuple[_Look, float]], threshold: float) -> Row:
        first = judged[0][0]
        row = dict.fromkeys(FRAME_COLUMNS, np.nan) | {"path": first.name, "error": first.error}
        row |= {"verdict": "", "reason": "", "n_frames": 0, "n_real": 0, "n_fake": 0}
        if first.error:
            return row
        logits = np.array([logit for _, logit in judged if not np.isnan(logit)])
        if not len(logits):
            return row | {"verdict": "inconclusive", "reason": "no face found"}
        probabilities = 1 / (1 + np.exp(-logits))
        n_fake = int((probabilities > threshold).sum())
        row |= {"score": float(logits.mean()), "p_fake": float(probabilities.mean())}
        n_real = len(logits) - n_fake
        row |= {"n_frames": len(logits), "n_real": n_real, "n_fake": n_fake}
        verdict, reason = _majority(n_real, n_fake)
        return row | {"verdict": verdict, "reason": f"{self.name}: {reason}"}


@dataclass(frozen=True)
class _Reader:
    """Read pictures and videos as looks; an unreadable one becomes a look with an error."""

    size: int
    n_frames: int
    margin: float | None  # of faces; None for whole pictures
    max_pixels: int

    def looks(self, position: int, name: str, image: ImageLike) -> Iterator[_Look]:
        try:
            if isinstance(image, str) and is_video(image):
                for frame in read_frames(image, count=self.n_frames, max_pixels=self.max_pixels):
                    yield _Look(position, name, self._seen(frame.pixels))
            else:
                pixels, _ = read_any(image, max_pixels=self.max_pixels)
                yield _Look(position, name, self._seen(pixels))
        except MissingExtraError:
            raise  # not the fault of this input: the next one would fail too
        except FreqFakeError as error:
            yield _Look(position, name, error=str(error))

    def _seen(self, pixels: Any) -> torch.Tensor | None:
        if self.margin is None:
            return as_tensor(pixels, self.size)
        faces = find_faces(pixels)
        if not faces:
            return None
        return as_tensor(crop_face(pixels, faces[0], margin=self.margin), self.size)


def load_deep_detector(
    weights: PathLike, *, model: str | None = None, device: str = "auto", batch_size: int = 32
) -> DeepDetector:
    """Load a network for scoring.

    Parameters
    ----------
    weights : str or path-like
        ``best.safetensors`` from a training, one of the Keras files (``.h5``) that Afchar et al.
        published for Meso4 and MesoInception4, or the name of embedded weights: ``meso4``,
        ``mesoinception4`` or ``student``.
    model : {"dldfd", "meso4", "mesoinception4"}, optional
        Network that the file must hold; any by default.
    device, batch_size
        See :class:`DeepDetector`.

    Raises
    ------
    ModelFileError
        The file does not exist, or does not hold a network, or not `model`.
    ValueError
        `model` is unknown.
    """
    if model is not None and model not in NETWORKS:
        raise ValueError(f"`model` must be one of {', '.join(NETWORKS)}; got {model!r}")
    if weights in NETWORKS:
        network = load_embedded(str(weights))
    else:
        keras = Path(weights).suffix.lower() in (".h5", ".hdf5")
        network = import_keras_weights(weights) if keras else load_network(weights)[0]
    if model not in (None, network_name(network)):
        raise ModelFileError(f"{weights} holds {network_name(network)}, not {model}")
    return DeepDetector(network, device=device, batch_size=batch_size)


def _majority(n_real: int, n_fake: int) -> tuple[str, str]:
    """Verdict and reason of a vote."""
    n = n_real + n_fake
    if n == 1:
        verdict = "fake" if n_fake else "real"
        return verdict, "the network's own opinion, not calibrated"
    if n_real == n_fake:
        return "inconclusive", f"a tie: {n_fake} of {n} frames look generated"
    verdict = "fake" if n_fake > n_real else "real"
    return verdict, f"{n_fake} of {n} frames look generated; not calibrated"
