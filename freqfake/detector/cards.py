"""Model cards: the training, the domain and the measured quality of a detector."""

import hashlib
import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .._version import versions
from ..evidence.calibration import LikelihoodRatioCalibrator, odds
from ..evidence.metrics import cllr, cllr_min, detection_metrics
from ..model_files.schema import name_of
from ..pictures.facts import ImageFacts
from .model import TrainedModel

Rows = tuple[tuple[str, str], ...]

LIMITS = (
    "Generators other than those it was trained on may leave other traces, or none.",
    "The verdict real means like the known photographs, unlike the known generators; it is no "
    "proof.",
    "Processing after the picture was made (noise, blur, enlarging, strong compression) hides "
    "traces; most such pictures come out inconclusive.",
)
PICTURE_LIMITS = (
    "Whether there is a face at all, or a face swapped into a photograph, it does not look at.",
)
STUDENT_LIMITS = (
    "It looks at the largest face only. It was trained on faces from videos and from the web, most "
    "of them small and compressed.",
)
SIX_LIMITS = (
    "The six features work on full-size originals that were stored without loss. Much of what "
    "they sense is whether a picture ever was a 4:2:0 JPEG: a photograph that never was can be "
    "accused, a generated picture that was can be cleared.",
)
SIMULATED_LIMITS = (
    "Fakes were simulated from photographs: the figures above say how well it recognises these, "
    "not the pictures of a generator. A photograph that was really enlarged, sharpened or denoised "
    "looks similar. About small delivered faces it knows nothing.",
)
_CELL = 'style="text-align: left; font-weight: normal; padding-right: 1.5em"'
_HEADING = 'style="text-align: left; padding-top: 0.8em"'
_FEATURES = {
    "rich": "rich features: rings, noise residuals, block transforms",
    "asynchrony": "the six asynchrony features (Le & Woo 2021)",
    "student": "80 features of a face by the embedded network",
}


@dataclass(frozen=True)
class ModelCard:
    """Model card of a detector, made from what the detector itself holds.

    Notebooks display it; ``str(card)`` is Markdown.

    Attributes
    ----------
    title : str
    sections : tuple of (str, tuple of (str, str))
        Headings, each with rows of a name and a value.
    limits : tuple of str
        What the detector cannot tell.

    Examples
    --------
    >>> import freqfake
    >>> card = freqfake.load_detector("lewoo").card()
    >>> dict(card.sections)["Valid for"][0]
    ('codings', 'lossless')
    """

    title: str
    sections: tuple[tuple[str, Rows], ...]
    limits: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"# {self.title}"]
        for heading, rows in self.sections:
            lines += ["", f"## {heading}", "", "| | |", "|---|---|"]
            lines += [f"| {name} | {value} |" for name, value in rows]
        lines += ["", "## What it cannot tell", "", *(f"- {limit}" for limit in self.limits)]
        return "\n".join(lines) + "\n"

    def _repr_html_(self) -> str:
        rows = []
        for heading, entries in self.sections:
            rows.append(f'<tr><th scope="rowgroup" colspan="2" {_HEADING}>{heading}</th></tr>')
            rows += [
                f'<tr><th scope="row" {_CELL}>{html.escape(name)}</th>'
                f"<td {_CELL}>{html.escape(value)}</td></tr>"
                for name, value in entries
            ]
        limits = "".join(f"<li>{html.escape(limit)}</li>" for limit in self.limits)
        return (
            f'<div class="freqfake-card"><strong>{html.escape(self.title)}</strong>'
            f"<table>{''.join(rows)}</table><strong>What it cannot tell</strong>"
            f"<ul>{limits}</ul></div>"
        )


def file_hashes(facts: Sequence[ImageFacts]) -> npt.NDArray[np.uint8]:
    """Sorted SHA-256 of picture files, each a row of 32 bytes; pictures in memory have none."""
    digests = sorted(bytes.fromhex(fact.sha256) for fact in facts if fact.sha256)
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32)


def training_info(
    hashes: Sequence[npt.NDArray[np.uint8]],
    held_out: Sequence[npt.NDArray[np.float64]],
    calibrator: LikelihoodRatioCalibrator,
) -> dict[str, dict[str, Any]]:
    """Describe the training and the quality of a detector in plain values.

    Returns
    -------
    dict
        ``versions``, of freqfake, Python and the packages; ``training_data``, for ``real`` and
        ``fake`` the number of ``files`` with a known SHA-256 and the ``sha256`` of these in their
        order, empty without files; ``metrics``, see :func:`held_out_metrics`.
    """
    data = {
        side: {"files": len(rows), "sha256": _digest_of(rows)}
        for side, rows in zip(("real", "fake"), hashes, strict=True)
    }
    metrics = held_out_metrics(held_out, calibrator)
    return {"versions": versions(), "training_data": data, "metrics": metrics}


def _digest_of(rows: npt.NDArray[np.uint8]) -> str:
    return hashlib.sha256(rows.data).hexdigest() if len(rows) else ""


def held_out_metrics(
    held_out: Sequence[npt.NDArray[np.float64]], calibrator: LikelihoodRatioCalibrator
) -> dict[str, float]:
    """Figures of merit from the held-out scores of real and generated pictures.

    Returns
    -------
    dict
        See :func:`freqfake.evidence.metrics.detection_metrics`; also ``cllr`` and ``cllr_min``.
    """
    scores = np.concatenate(held_out)
    y = np.repeat([0, 1], [len(side) for side in held_out])
    ratios = {"cllr": cllr(y, calibrator.predict(scores)), "cllr_min": cllr_min(y, scores)}
    return {**detection_metrics(y, scores), **ratios}


def model_card(detector: TrainedModel) -> ModelCard:
    """Make the card of a detector, see :meth:`freqfake.Detector.card`."""
    name = str(detector.info.get("name", "a detector"))
    return ModelCard(
        title=f"Model card: {name}",
        sections=(
            ("Model", _model(detector)),
            ("Valid for", _valid_for(detector)),
            ("Measured on pictures held out in the training", _measured(detector)),
            ("From a score to a verdict", _verdicts(detector)),
        ),
        limits=(
            *(SIX_LIMITS if detector.features == "asynchrony" else ()),
            *(SIMULATED_LIMITS if detector.info.get("n_simulated") else ()),
            *LIMITS,
            *(STUDENT_LIMITS if detector.features == "student" else PICTURE_LIMITS),
        ),
    )


def _model(detector: TrainedModel) -> Rows:
    info = detector.info
    n_real, n_fake = (
        info.get(name, len(scores))
        for name, scores in zip(("n_real", "n_fake"), detector.held_out, strict=True)
    )
    n_simulated = info.get("n_simulated", 0)
    of_these = f", {n_simulated} of them simulated from the real ones" if n_simulated else ""
    rows = [
        ("features", _FEATURES[detector.features]),
        ("classifier", name_of(type(detector.classifier))),
        ("trained on", f"{n_real} real and {n_fake} generated pictures{of_these}"),
    ]
    if detector.features == "asynchrony":
        rows.insert(1, ("spectrum", detector.spectrum))
    if "adapted_to" in info:
        rows.append(("adapted to", f"{info['adapted_to']} pictures without labels"))
    files = sum(map(len, detector.training_hashes))
    rows.append(
        ("training files known", f"{files} of {n_real + n_fake - n_simulated}, by their SHA-256")
    )
    made = ", ".join(f"{name} {number}" for name, number in info.get("versions", {}).items())
    rows += [("made with", made or "not known"), ("SHA-256", detector.sha256)]
    return (*rows, ("note", info["note"])) if "note" in info else tuple(rows)


def _valid_for(detector: TrainedModel) -> Rows:
    domain = detector.domain
    codings = [coding for coding in domain.codings_ if coding != "pixels"]
    low, high = domain.side_limits()
    return (
        ("codings", ", ".join(codings) or "pixels without a file"),
        ("sides", f"{low} to {high} pixels"),
        ("pixels", "colour, one frame, opaque"),
        ("anything else", "inconclusive, with the reason"),
    )


def _measured(detector: TrainedModel) -> Rows:
    found = held_out_metrics(detector.held_out, detector.calibrator)
    rows = [
        ("area under the ROC curve", f"{found['auc']:.3f}"),
        ("equal error rate", f"{found['eer']:.3f}"),
        ("cost of the likelihood ratios, Cllr", f"{found['cllr']:.3f} (0 perfect, 1 useless)"),
    ]
    if "adapted_to" in detector.info:
        rows.append(("after the adaptation", "not known: there are no labels to measure with"))
    return tuple(rows)


def _verdicts(detector: TrainedModel) -> Rows:
    parts, rate = detector.evidence_by_group, "not set (max_fpr)"
    if detector.max_fpr is not None:
        limits = sorted({f"{detector.threshold(evidence=part):.2f}" for part in parts}, key=float)
        places = limits[0] if len(limits) == 1 else f"{limits[0]} to {limits[-1]}, by delivery"
        rate = f"{detector.max_fpr:.2%}: fake only beyond the score {places}"
    low = min(part.calibrator_.lower_bound_ for part in parts)
    high = max(part.calibrator_.upper_bound_ for part in parts)
    rows = [
        ("fake, real", "from a likelihood ratio of 10, or 1/10, on; inconclusive between"),
        (
            "ratios that it can support",
            f"10^{low:.2f} to 10^{high:.2f}: {odds(low)} for real, {odds(high)} for fake",
        ),
        ("false alarms surely under", rate),
    ]
    if detector.by_delivery is not None:
        own = f"{len(detector.by_delivery.parts_)} of {len(parts)}"
        rows.append(("sizes and compressions with their own calibration", own))
    return tuple(rows)
