"""Figures of merit and calibration, on numbers small enough to check by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqfake.calibration import LogisticCalibrator
from freqfake.metrics import detection_metrics, equal_error_rate


def test_metrics_counted_by_hand():
    y = [0, 0, 0, 0, 1, 1]
    scores = [-3.0, -2.0, -1.0, 2.0, -0.5, 4.0]  # one false alarm, one miss
    metrics = detection_metrics(y, scores)
    assert metrics == pytest.approx(
        {
            "n_real": 4,
            "n_fake": 2,
            "accuracy": 4 / 6,
            "balanced_accuracy": (3 / 4 + 1 / 2) / 2,
            "precision": 1 / 2,
            "recall": 1 / 2,
            "f1": 1 / 2,
            "auc": 7 / 8,
            "eer": 1 / 4,
        }
    )


def test_metrics_when_nothing_is_called_fake():
    metrics = detection_metrics([0, 1], [-2.0, -1.0])
    assert (metrics["precision"], metrics["recall"], metrics["f1"], metrics["auc"]) == (0, 0, 0, 1)


def test_metrics_need_both_sides():
    with pytest.raises(ValueError, match="2 real and 0 fake"):
        detection_metrics([0, 0], [1.0, 2.0])


def test_equal_error_rate_of_perfect_reversed_and_tied_scores():
    assert equal_error_rate([0, 0, 1, 1], [1, 2, 3, 4]) == 0
    assert equal_error_rate([1, 1, 0, 0], [1, 2, 3, 4]) == 1
    assert equal_error_rate([0, 1, 0, 1], [5, 5, 5, 5]) == 0.5


@given(st.lists(st.floats(-5, 5), min_size=4, max_size=30), st.floats(0.1, 10))
def test_equal_error_rate_only_looks_at_the_order(scores, factor):
    scores = np.round(scores, 3)
    y = np.arange(len(scores)) % 2
    rate = equal_error_rate(y, scores)
    assert 0 <= rate <= 1
    assert equal_error_rate(y, scores * factor + 1) == pytest.approx(rate)
    assert equal_error_rate(1 - y, -scores) == pytest.approx(rate)


def test_calibration_recovers_the_log_odds():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 5000)
    scores = rng.normal(np.where(y, 1.0, -1.0))  # true log odds: 2 for each unit
    calibrator = LogisticCalibrator().fit(scores, y)
    assert calibrator.slope_ == pytest.approx(2, rel=0.1)
    assert calibrator.predict([-1.0, 0.0, 1.0]) == pytest.approx([0.12, 0.5, 0.88], abs=0.02)


def test_calibration_does_not_depend_on_how_many_fakes_there_are():
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1], [5000, 500])
    calibrator = LogisticCalibrator().fit(rng.normal(np.where(y, 1.0, -1.0)), y)
    assert calibrator.slope_ == pytest.approx(2, rel=0.15)
