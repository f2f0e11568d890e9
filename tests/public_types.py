"""A program that uses the public names: not run, but checked by mypy, see `test_types.py`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt

import freqfake
from freqfake.batch.extraction import Extraction, Unreadable
from freqfake.crops.faces import Face, find_faces
from freqfake.crops.video import Frame, read_frames
from freqfake.detector.cards import ModelCard
from freqfake.detector.results import ScoreTable
from freqfake.evidence.calibration import false_alarm_threshold
from freqfake.evidence.metrics import detection_metrics

Floats = npt.NDArray[np.float64]


def use(image: npt.NDArray[np.uint8]) -> None:
    """Use each public name as a program would."""
    assert_type(freqfake.__version__, str)
    assert_type(freqfake.find_images("pictures"), Iterator[str])
    assert_type(freqfake.asynchrony_features(image), Floats)
    assert_type(freqfake.rich_features(Path("a.png")), Floats)
    assert_type(
        freqfake.iter_features("pictures", features="rich", n_jobs=2),
        Iterator[Extraction | Unreadable],
    )

    detector = freqfake.load_detector(Path("my.safetensors"))
    assert_type(detector, freqfake.Detector)
    assert_type(detector.score([image, "a.png"], max_fpr=0.01), ScoreTable)
    assert_type(detector.iter_scores("pictures"), Iterator[dict[str, Any]])
    assert_type(detector.evaluate("real", "fake"), dict[str, float])
    assert_type(detector.adapt(["a.png"]), freqfake.Detector)
    assert_type(detector.card(), ModelCard)
    assert_type(freqfake.train_detector("real", "fake", features="rich"), freqfake.Detector)
    assert_type(freqfake.audit_files("real", "fake"), freqfake.Audit)
    assert_type(find_faces(image), list[Face])
    assert_type(read_frames("a.mp4", rate=1.0), Iterator[Frame])
    assert_type(false_alarm_threshold([0.1, 0.2], 0.5), float)
    assert_type(detection_metrics([0, 1], [0.1, 0.2]), dict[str, float])

    # mypy must report these errors; otherwise it reports the comments as unused.
    freqfake.asynchrony_features(3)  # type: ignore[arg-type]
    freqfake.load_detector(3)  # type: ignore[arg-type]
    freqfake.train_detector("real", "fake", features="poor")  # type: ignore[arg-type]
    detector.score("a.png", max_fpr="1 %")  # type: ignore[arg-type]
    detector.nonsense()  # type: ignore[attr-defined]
    freqfake.RealFakeMixture(nonsense=1)  # type: ignore[call-arg]
