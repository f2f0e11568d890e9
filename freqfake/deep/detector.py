"""Pictures and videos in, scores and verdicts out, by a network."""

import itertools
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from .._files import PathLike
from ..batch.parallel import Inputs, expand
from ..crops.faces import crop_face, find_faces
from ..crops.video import VIDEO_ENDINGS, is_video, read_frames
from ..detector.cards import LIMITS, ModelCard
from ..detector.results import SCORE_COLUMNS, ScoreTable
from ..evidence.metrics import detection_metrics
from ..exceptions import FreqFakeError, MissingExtraError, ModelFileError, UnreadableImageWarning
from ..pictures.limits import MAX_PIXELS
from ..pictures.reading import ImageLike, read_any
from .device import enough_memory, find_device, precision
from .networks.weights import NETWORKS, Network, import_keras_weights, load_network, network_name
from .pictures import as_tensor

DEEP_COLUMNS = (*SCORE_COLUMNS[:-1], "n_frames", "n_real", "n_fake", SCORE_COLUMNS[-1])
N_FRAMES = 20  # of a video, where nobody says how many

_LIMITS = (
    "Networks are sure of themselves, also where they are wrong: a probability of 0.99 is no "
    "likelihood ratio. It never says that a picture is none of its business.",
)


@dataclass(frozen=True)
class _Look:
    """One look at an input: a picture, or a frame of a video."""

    position: int
    name: str
    pixels: torch.Tensor | None = None  # none where there is no face, or an error
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
        Pictures or frames that go through the network at a time.

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
        """Model card: what is known of the network itself, which is less than of a detector.

        Returns
        -------
        ModelCard
            Shows itself in a notebook; ``str`` of it is Markdown.
        """
        side = self.network.input_size
        n_parameters = sum(part.numel() for part in self.network.parameters())
        about = (
            ("network", self.name),
            ("input", f"a face in {side} x {side} pixels; others are scaled"),
            ("parameters", f"{n_parameters:,}"),
            ("device", str(self.device)),
        )
        verdict = (
            ("fake", "of a picture, beyond the threshold; of a video, most of its frames"),
            ("inconclusive", "no face is found, or as many frames for as against"),
            ("llr", "missing: its probabilities are not calibrated"),
        )
        sections = (("Network", about), ("From a probability to a verdict", verdict))
        return ModelCard(f"Model card: {self.name}", sections, (*_LIMITS, *LIMITS[:2]))

    def score(
        self,
        inputs: Inputs,
        *,
        threshold: float = 0.5,
        n_frames: int = N_FRAMES,
        faces: bool = False,
        margin: float = 0.3,
        max_pixels: int = MAX_PIXELS,
        progress: bool = False,
    ) -> ScoreTable:
        """Score pictures and videos.

        Parameters
        ----------
        inputs
            See :func:`freqfake.iter_features`; files with the ending of a video are read as videos.
        threshold : float
            A frame is called fake if its probability lies above.
        n_frames : int
            Frames of a video to look at, evenly spread.
        faces : bool
            Look at the largest face of each picture or frame alone, see
            :func:`freqfake.crops.faces.find_faces`. Frames without a face are left out. The
            networks were made for crops of faces.
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

            - ``n_frames``: frames that were looked at, 1 for a picture;
            - ``n_real``, ``n_fake``: how many of them were called so.

            ``verdict`` is the majority's, and ``inconclusive`` for a tie, or where no face is
            found; ``score`` is the mean logit, ``p_fake`` the mean probability that the network
            gives. Networks are sure of themselves: neither is calibrated, so ``llr`` is missing.
        """
        options: dict[str, Any] = {"threshold": threshold, "n_frames": n_frames, "faces": faces}
        options |= {"margin": margin, "max_pixels": max_pixels, "progress": progress}
        return ScoreTable(list(self.iter_scores(inputs, **options)), columns=list(DEEP_COLUMNS))

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
    ) -> Iterator[dict[str, Any]]:
        """Rows of :meth:`score`, one after the other as they get ready."""
        if not 0 < threshold < 1:
            raise ValueError(f"`threshold` must lie between 0 and 1; got {threshold}")
        items = list(expand(inputs, also=VIDEO_ENDINGS))
        reader = _Reader(self.network.input_size, n_frames, margin if faces else None, max_pixels)
        looks = itertools.chain.from_iterable(
            reader.looks(position, name, image) for position, (name, image) in enumerate(items)
        )
        judged = itertools.groupby(self._judged(looks), key=lambda pair: pair[0].position)
        for _, group in tqdm(judged, total=len(items), unit="input", disable=not progress):
            yield self._row(list(group), threshold)

    def evaluate(self, real: Inputs, fake: Inputs, **options: Any) -> dict[str, float]:
        """Figures of merit on labelled pictures and videos.

        Parameters
        ----------
        real, fake, **options
            See :meth:`score`.

        Returns
        -------
        dict
            See :func:`freqfake.evidence.metrics.detection_metrics`; an input with a positive mean
            logit is called fake. An input without a face, or one that cannot be read, is left out.
        """
        tables = [self.score(side, **options) for side in (real, fake)]
        kept = [table[table.score.notna()] for table in tables]
        for row in pd.concat(tables).itertuples():
            if row.error:
                warnings.warn(f"left out {row.path}: {row.error}", UnreadableImageWarning, 2)
        y = np.repeat([0, 1], [len(table) for table in kept])
        return detection_metrics(y, pd.concat(kept).score.to_numpy())

    def _judged(self, looks: Iterable[_Look]) -> Iterator[tuple[_Look, float]]:
        """Logit of each look, batch by batch, whichever input they belong to."""
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

    def _row(self, judged: list[tuple[_Look, float]], threshold: float) -> dict[str, Any]:
        first = judged[0][0]
        row = dict.fromkeys(DEEP_COLUMNS, np.nan) | {"path": first.name, "error": first.error}
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
    """Looks at pictures and videos; whatever cannot be read becomes a look with an error."""

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
            raise  # is no fault of this input: the next one would fail in the same way
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
        ``best.safetensors`` of a training, or one of the Keras files (``.h5``) that Afchar et al.
        published for Meso4 and MesoInception4.
    model : {"dldfd", "meso4", "mesoinception4"}, optional
        What the file must hold; whatever it holds by default.
    device, batch_size
        See :class:`DeepDetector`.

    Raises
    ------
    ModelFileError
        There is no such file, it holds no network, or another one than `model`.
    ValueError
        There is no such `model`.
    """
    if model is not None and model not in NETWORKS:
        raise ValueError(f"`model` must be one of {', '.join(NETWORKS)}; got {model!r}")
    keras = Path(weights).suffix.lower() in (".h5", ".hdf5")
    network = import_keras_weights(weights) if keras else load_network(weights)[0]
    if model not in (None, network_name(network)):
        raise ModelFileError(f"{weights} holds {network_name(network)}, not {model}")
    return DeepDetector(network, device=device, batch_size=batch_size)


def _majority(n_real: int, n_fake: int) -> tuple[str, str]:
    """Verdict of a vote, and its words."""
    n = n_real + n_fake
    if n == 1:
        verdict = "fake" if n_fake else "real"
        return verdict, "the network's own opinion, not calibrated"
    if n_real == n_fake:
        return "inconclusive", f"a tie: {n_fake} of {n} frames look generated"
    verdict = "fake" if n_fake > n_real else "real"
    return verdict, f"{n_fake} of {n} frames look generated; not calibrated"
