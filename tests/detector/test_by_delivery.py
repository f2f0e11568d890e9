"""Detectors that distinguish deliveries: calibration and threshold by size and compression."""

import numpy as np
import pandas as pd
import pytest
from helpers import (
    LOSSLESS,
    POSTED,
    as_extractions,
    make_picture,
    rich_extractions,
    scores_of_two_groups,
    train_panel,
)

from freqfake import (
    AdaptationWarning,
    DeliveryPanelClassifier,
    OperatingPointError,
    StandardizedRidgeClassifier,
    load_detector,
)
from freqfake.batch.extraction import Extraction
from freqfake.detector.rows import TrainingTable
from freqfake.detector.training import ENOUGH_FOR_PANEL, train_on_extractions
from freqfake.evidence.calibration import false_alarm_threshold, neutral_score, odds
from freqfake.evidence.deliveries import MIN_FAKE, MIN_REAL, Evidence

SENTENCE = "; at this size and quality, the model recognises about "


@pytest.fixture(scope="module")
def pictures():
    return rich_extractions(80)


@pytest.fixture(scope="module")
def detector(pictures):
    return train_panel(*pictures, max_fpr=0.2, name="by delivery")


@pytest.fixture
def alone(pictures):
    """The same with evidence of one delivery only; of the other there are too few."""
    kept = [
        [picture for i, picture in enumerate(side) if picture.facts == POSTED or i < 20]
        for side in pictures
    ]
    return train_panel(*kept, least=25, max_fpr=0.2)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::freqfake.CalibrationWarning")
def test_large_data_sets_train_a_panel(pictures):
    assert (ENOUGH_FOR_PANEL, MIN_REAL, MIN_FAKE) == (2000, 100, 50)
    small = train_on_extractions(*pictures, features="rich")
    assert (type(small.classifier).__name__, small.by_delivery) == (
        "StandardizedRidgeClassifier",
        None,
    )
    scores = scores_of_two_groups(80)
    many = train_panel(*pictures, least=41, scores=scores)  # of each delivery there are 40
    assert isinstance(many.classifier, DeliveryPanelClassifier)
    assert many.by_delivery is None


@pytest.mark.slow
def test_each_delivery_has_its_evidence(detector, pictures):
    assert detector.classifier.centers_.tolist() == [[10, 0], [10, 4]]
    assert detector.by_delivery.groups_.tolist() == [0, 1]
    new = rich_extractions(20, seed=1)
    for picture in (*new[0], *new[1]):
        number = int(picture.facts == POSTED)
        assert detector.evidence_for(picture.features) is detector.by_delivery.parts_[number]
    for part in detector.by_delivery.parts_:
        assert [len(side) for side in part.held_out_] == [40, 40]


def test_ratio_threshold_and_reason_are_those_of_the_group(detector):
    limits = [false_alarm_threshold(p.held_out_[0], 0.2) for p in detector.by_delivery.parts_]
    assert limits[0] != limits[1]
    for picture in rich_extractions(10, seed=1)[1]:
        number = int(picture.facts == POSTED)
        part = detector.by_delivery.parts_[number]
        row = detector.row(picture)
        assert row["threshold"] == limits[number] == detector.threshold(evidence=part)
        assert row["llr"] == part.calibrator_.predict(row["score"])
        assert row["reason"].endswith(f"; {part.power(limits[number], 1.0)}")
        assert row["verdict"] == "fake"
        assert row["score"] > limits[number]


def test_max_fpr_of_a_row_sets_the_threshold(detector):
    picture = rich_extractions(10, seed=1)[1][0]
    part = detector.evidence_for(picture.features)
    assert detector.row(picture, max_fpr=0.3)["threshold"] == detector.threshold(0.3, evidence=part)
    assert detector.threshold(0.3, evidence=part) < detector.threshold(0.1, evidence=part)
    detector.max_fpr, kept = None, detector.max_fpr
    try:
        assert np.isnan(detector.row(picture)["threshold"])
    finally:
        detector.max_fpr = kept


def test_a_rate_that_a_group_cannot_support_is_that_of_the_whole(detector):
    """40 real pictures support 0.072, 80 support 0.037."""
    picture = rich_extractions(10, seed=1)[1][0]
    part = detector.evidence_for(picture.features)
    limit = max(detector.threshold(0.05), part.held_out_[0].max())
    assert detector.threshold(0.05, evidence=part) == limit
    assert detector.row(picture, max_fpr=0.05)["threshold"] == limit
    with pytest.raises(OperatingPointError, match="80 held-out real pictures"):
        detector.threshold(0.03, evidence=part)


@pytest.mark.parametrize("largest", [-50.0, 50.0])
def test_no_real_picture_of_a_small_group_may_exceed_its_threshold(detector, largest):
    few = Evidence.of(detector.calibrator, [np.array([-60.0, largest]), np.zeros(2)])
    assert detector.threshold(0.2, evidence=few) == max(detector.threshold(0.2), largest)
    many = Evidence.of(detector.calibrator, [np.append(np.full(200, -60.0), 50.0), np.zeros(2)])
    assert detector.threshold(0.2, evidence=many) == -60


@pytest.fixture
def centred_from_10(monkeypatch):
    """Centre the scores of a delivery from 10 pictures of each side on."""
    monkeypatch.setattr("freqfake.detector.rows.MIN_FAKE", 10)


@pytest.mark.usefixtures("centred_from_10")
def test_scores_are_centred_at_each_delivery(detector, pictures, monkeypatch):
    table, panel = TrainingTable(*pictures), detector.classifier
    nearest, near = panel.nearest(table.X), panel.nearness(table.X)
    raw = np.random.default_rng(0).normal(2 * table.y) + np.array([-2, 5])[nearest]
    raw[::7] = np.nan
    scores, zeros = table.centred(panel, raw)
    np.testing.assert_allclose(scores, raw - near @ zeros)
    for group in (0, 1):
        mine = (nearest == group) & np.isfinite(raw)
        assert zeros[group] == neutral_score(raw[mine], table.y[mine])
        assert neutral_score(scores[mine], table.y[mine]) == pytest.approx(0, abs=0.2)
    assert zeros[1] - zeros[0] == pytest.approx(7, abs=0.5)
    monkeypatch.setattr("freqfake.detector.rows.MIN_FAKE", 41)  # of each delivery there are 40
    known = np.isfinite(raw)
    whole = neutral_score(raw[known], table.y[known])
    assert table.centred(panel, raw)[1].tolist() == [whole, whole]


def test_a_score_of_0_favours_neither_side_at_any_delivery(detector):
    for part in detector.by_delivery.parts_:
        y = np.repeat([0, 1], [len(side) for side in part.held_out_])
        gap = np.subtract(*(side.mean() for side in part.held_out_[::-1]))
        assert abs(neutral_score(np.concatenate(part.held_out_), y)) < 0.05 * gap


@pytest.mark.usefixtures("centred_from_10")
def test_held_out_scores_can_be_given(pictures, monkeypatch):
    table = TrainingTable(*pictures)
    raw = np.random.default_rng(0).normal(3 * table.y)
    raw[:5] = np.nan

    def no_folds(*arguments):
        raise AssertionError("the scores are given")

    monkeypatch.setattr(TrainingTable, "held_out_scores", no_folds)
    detector = train_panel(*pictures, scores=raw)
    scores, _ = table.centred(detector.classifier, raw)
    for label, n in ((0, 75), (1, 80)):
        expected = scores[(table.y == label) & np.isfinite(raw)]
        assert len(expected) == n
        np.testing.assert_array_equal(detector.held_out[label], expected)
        parts = [part.held_out_[label] for part in detector.by_delivery.parts_]
        assert sum(map(len, parts)) == n


@pytest.mark.slow
def test_each_kind_of_generator_has_its_regressions(pictures, tmp_path):
    kinds = np.arange(80) // 2 % 2
    detector = train_panel(*pictures, kinds=kinds)
    assert detector.classifier.coef_.shape == (3, 2, 1800)
    assert detector.classifier.intercept_.shape == (3, 2)
    own = DeliveryPanelClassifier()
    TrainingTable(*pictures, kinds=kinds).fit(own)
    np.testing.assert_allclose(detector.classifier.coef_, own.coef_, rtol=1e-4, atol=1e-7)
    detector.save(tmp_path / "m.safetensors")
    loaded = load_detector(tmp_path / "m.safetensors")
    assert loaded.sha256 == detector.sha256
    for picture in rich_extractions(4, seed=1)[1]:
        assert loaded.row(picture) == detector.row(picture)
        assert detector.row(picture)["verdict"] == "fake"


def test_pictures_unlike_the_others_have_no_held_out_score():
    rng = np.random.default_rng(0)
    real, fake = (as_extractions(rng.normal(mean, 1, (60, 30))) for mean in (0, 1))
    real[7].features[:] += 100
    table = TrainingTable(real, fake)
    scores = table.held_out_scores(DeliveryPanelClassifier())
    assert np.isnan(scores[7])
    assert np.isfinite(scores).mean() > 0.8
    assert np.isfinite(table.held_out_scores(StandardizedRidgeClassifier())).all()


@pytest.mark.slow
def test_without_evidence_of_its_own_a_delivery_has_that_of_the_whole(alone):
    assert alone.by_delivery.groups_.tolist() == [1]
    lossless, posted = rich_extractions(2, seed=1)[1]
    whole = alone.evidence_for(lossless.features)
    assert whole.calibrator_ is alone.calibrator
    assert whole.held_out_ is alone.held_out
    assert alone.row(lossless)["threshold"] == alone.threshold()
    assert SENTENCE in alone.row(lossless)["reason"]
    assert alone.evidence_for(posted.features) is alone.by_delivery.parts_[0]
    first, second = alone.evidence_by_group
    assert (first.calibrator_, second) == (alone.calibrator, alone.by_delivery.parts_[0])


def test_fakes_at_the_edge_of_the_domain_are_inconclusive(detector):
    known = detector.domain.range_
    picture = rich_extractions(10, seed=1)[1][0]
    before, known.limit_ = known.limit_, known.distance(picture.features) / 0.9
    try:
        row = detector.row(picture)
    finally:
        known.limit_ = before
    assert (row["verdict"], detector.row(picture)["verdict"]) == ("inconclusive", "fake")
    assert row["llr"] == detector.row(picture)["llr"] >= 1
    assert "support for a generated picture" in row["reason"]
    assert ", but too unlike the training pictures to be called fake: feature" in row["reason"]


def test_a_loaded_detector_is_the_same(detector, tmp_path):
    detector.save(tmp_path / "m.safetensors")
    loaded = load_detector(tmp_path / "m.safetensors")
    assert loaded.sha256 == detector.sha256
    for picture in rich_extractions(10, seed=1)[1]:
        assert loaded.row(picture) == detector.row(picture)
    loaded.by_delivery.parts_[1].calibrator_.slope_ += 1e-9
    assert loaded.sha256 != detector.sha256
    plain = load_detector(tmp_path / "m.safetensors")
    plain.by_delivery = None
    plain.save(tmp_path / "n.safetensors")
    assert len({detector.sha256, loaded.sha256, plain.sha256}) == 3
    assert load_detector(tmp_path / "n.safetensors").sha256 == plain.sha256


def test_adapted_scores_have_no_evidence_by_delivery(detector):
    real, fake = rich_extractions(80, seed=1)
    with pytest.warns(AdaptationWarning, match="the scores stay as they are"):
        assert detector.adapt_to([*real, *fake]).by_delivery is detector.by_delivery
    panel = detector.classifier
    gap = np.subtract(*(side.mean() for side in detector.held_out[::-1]))
    coef = panel.coef_[0].sum(axis=0)
    step = gap * coef / np.square(panel.coef_).sum() * panel.scale_
    moved = [Extraction("x", p.features + step, p.facts) for p in (*real, *fake)]
    adapted = detector.adapt_to(moved)
    assert adapted.score_adapter is not None
    assert adapted.by_delivery is None
    assert SENTENCE not in adapted.row(moved[0])["reason"]
    assert adapted.row(moved[0])["threshold"] == detector.threshold()
    assert detector.by_delivery is not None


def test_card_states_the_range_of_the_groups(detector):
    entries = dict(dict(detector.card().sections)["From a score to a verdict"])
    parts = detector.by_delivery.parts_
    low = min(part.calibrator_.lower_bound_ for part in parts)
    high = max(part.calibrator_.upper_bound_ for part in parts)
    assert entries["ratios that it can support"] == (
        f"10^{low:.2f} to 10^{high:.2f}: {odds(low)} for real, {odds(high)} for fake"
    )
    limits = sorted(detector.threshold(evidence=part) for part in parts)
    assert entries["false alarms surely under"] == (
        f"20.00%: fake only beyond the score {limits[0]:.2f} to {limits[1]:.2f}, by delivery"
    )
    assert entries["sizes and compressions with their own calibration"] == "2 of 2"
    assert "| classifier | DeliveryPanelClassifier |" in str(detector.card())


def test_provenance_holds_the_threshold_of_each_picture(detector, tmp_path):
    pictures = [make_picture(i, asynchrony=0.3, size=1024) for i in range(2)]
    detector.domain.range_.limit_, before = 1e9, detector.domain.range_.limit_
    try:
        table = detector.score([*pictures, tmp_path / "no.png"], provenance=True)
    finally:
        detector.domain.range_.limit_ = before
    limits = [detector.threshold(evidence=part) for part in detector.by_delivery.parts_]
    assert set(table.threshold[:2]) <= set(limits)
    assert np.isnan(table.threshold[2])
    assert LOSSLESS.coding in detector.domain.codings_


def test_a_row_without_features_has_no_threshold_in_its_provenance(detector, tmp_path):
    pytest.importorskip("onnxruntime", reason="faces need the extra faces")
    faces = detector.score([tmp_path / "no.png"], provenance=True, faces=True)
    assert isinstance(faces, pd.DataFrame)
    assert faces.threshold.isna().all()
