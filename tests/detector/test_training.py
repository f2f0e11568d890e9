"""Detectors on the rich features: training with copies, operating points, stability."""

import json

import numpy as np
import pytest
from helpers import LOSSLESS, as_extractions, features_of_two_groups, make_picture, run, table
from PIL import Image

from freqfake import (
    AdaptationWarning,
    CalibrationWarning,
    OperatingPointError,
    iter_features,
    load_detector,
    rich_feature_names,
    train_detector,
)
from freqfake.batch.copies import reencoded
from freqfake.batch.extraction import Extraction
from freqfake.detector.training import train_on_extractions
from freqfake.evidence.distance import NeighbourDistance

REAL_FAKE = (0.1, 1.0)  # asynchrony


@pytest.fixture(scope="module")
def rich():
    """A detector of two groups whose difference survives delivery."""
    real, fake = (
        [make_picture(100 * k + i, asynchrony=REAL_FAKE[k] * (1 + 0.02 * i), size=128)
         for i in range(30)]
        for k in (0, 1)
    )  # fmt: skip
    return train_detector(real, fake, features="rich", n_jobs=2)


def test_copies_are_extracted_beside_the_picture(picture_folders):
    path = picture_folders / "real" / "00.png"
    (picture,) = iter_features(path, features="rich", n_copies=3)
    assert len(picture.copies) == 3
    assert {len(copy.features) for copy in picture.copies} == {len(rich_feature_names())}
    assert all(copy.facts.coding for copy in picture.copies)
    (again,) = iter_features([path], features="rich", n_copies=3, n_jobs=2)
    np.testing.assert_array_equal(again.copies[2].features, picture.copies[2].features)


def test_rich_detector_separates_new_pictures(rich):
    for kind, asynchrony in zip(("real", "fake"), REAL_FAKE, strict=True):
        pictures = [make_picture(900 + i, asynchrony=1.2 * asynchrony, size=128) for i in range(10)]
        table = rich.score(pictures)
        assert ((table.score > 0) == (kind == "fake")).mean() > 0.8
        assert (table.error == "").all()
        assert set(table.verdict) <= {kind, "inconclusive"}


def test_rich_detector_is_the_same_after_loading(rich, tmp_path):
    rich.save(tmp_path / "m.safetensors")
    loaded = load_detector(tmp_path / "m.safetensors")
    pictures = [make_picture(i, asynchrony=0.4) for i in range(3)]
    assert loaded.score(pictures).equals(rich.score(pictures))
    assert loaded.features == "rich"
    assert (tmp_path / "m.safetensors").stat().st_size < 3_000_000


def test_rich_detector_is_adapted_by_its_scores(rich):
    """A shift of the features that moves all scores equally is undone."""
    X = [picture.features for picture in iter_features(
        [make_picture(700 + i, asynchrony=REAL_FAKE[i % 2] * 1.2, size=128) for i in range(60)],
        features="rich")]  # fmt: skip
    y = np.arange(60) % 2
    step = 3 * rich.classifier.coef_ / np.square(rich.classifier.coef_).sum()
    moved = np.array(X) + step * rich.classifier.scale_
    pictures = [Extraction("x", features, LOSSLESS) for features in moved]
    assert np.mean((rich.classifier.decision_function(moved) > 0) == y) < 0.6
    adapted = rich.adapt_to(pictures)
    scores = [adapted.row(picture)["score"] for picture in pictures]
    assert np.mean((np.array(scores) > 0) == y) > 0.95
    assert adapted.info["adapted_to"] == 60


def test_rich_detector_keeps_scores_that_need_no_adaptation(rich, tmp_path):
    pictures = [make_picture(800 + i, asynchrony=REAL_FAKE[i % 2] * 1.2, size=128)
                for i in range(60)]  # fmt: skip
    with pytest.warns(AdaptationWarning, match="the scores stay as they are"):
        adapted = rich.adapt(pictures)
    assert adapted.score_adapter is None
    adapted.save(tmp_path / "m.safetensors")
    assert load_detector(tmp_path / "m.safetensors").score(pictures).equals(rich.score(pictures))


def test_small_pictures_are_rows_with_a_reason(rich):
    row = rich.score([make_picture(0, asynchrony=0.3, size=32)]).iloc[0]
    assert "at least 64 x 64 pixels" in row.error
    assert row.verdict == ""


def test_verdicts_that_light_compression_changes_are_inconclusive(rich, monkeypatch):
    pictures = [make_picture(900 + i, asynchrony=1.2 * REAL_FAKE[1], size=128) for i in range(20)]
    called = rich.score(pictures).verdict == "fake"
    assert called.any()
    picture = pictures[int(called.argmax())]
    other = make_picture(902, asynchrony=REAL_FAKE[0], size=128)
    monkeypatch.setattr(
        "freqfake.detector.scoring.reencoded", lambda image: reencoded(Image.fromarray(other))
    )
    changed = rich.score([picture]).iloc[0]
    assert (changed.verdict, changed.p_fake, changed.llr) == ("inconclusive", 0.5, 0.0)
    assert "compressed so lightly" in changed.reason


def test_threshold_of_the_false_alarm_rate():
    real, fake = features_of_two_groups(400)
    detector = train_on_extractions(as_extractions(real), as_extractions(fake))
    assert [len(side) for side in detector.held_out] == [400, 400]
    threshold = detector.threshold(0.01)
    assert (detector.held_out[0] > threshold).mean() < 0.01
    assert detector.threshold(None) == -np.inf
    with pytest.raises(OperatingPointError, match="400 held-out real pictures"):
        detector.threshold(0.005)


def test_fake_must_exceed_the_threshold():
    real, fake = features_of_two_groups(60)
    detector = train_on_extractions(as_extractions(real), as_extractions(fake))
    picture = Extraction("x", fake[0], LOSSLESS)
    assert detector.row(picture, threshold=0.0)["verdict"] == "fake"
    row = detector.row(picture, threshold=1e9)
    assert row["verdict"] == "inconclusive"
    assert "not beyond the false-alarm rate asked for" in row["reason"]
    assert detector.row(Extraction("x", real[0], LOSSLESS), threshold=1e9)["verdict"] == "real"


def test_the_prior_changes_the_probability_but_not_the_verdict():
    real, fake = features_of_two_groups(60)
    detector = train_on_extractions(as_extractions(real), as_extractions(fake))
    picture = Extraction("x", fake[0], LOSSLESS)
    even, rare = (detector.row(picture, prior=prior) for prior in (0.5, 0.01))
    assert even["verdict"] == rare["verdict"] == "fake"
    odds = [row["p_fake"] / (1 - row["p_fake"]) for row in (even, rare)]
    assert odds[1] == pytest.approx(odds[0] / 99)


def test_copies_stay_in_the_fold_of_their_picture():
    """Features that identify the picture must not give good held-out scores."""
    rng = np.random.default_rng(0)
    pictures = [[], []]
    for side in (0, 1):
        for _ in range(30):
            own = rng.normal(size=200)
            copies = tuple(Extraction("x", own, LOSSLESS) for _ in range(3))
            pictures[side].append(Extraction("x", own, LOSSLESS, copies=copies))
    with pytest.warns(CalibrationWarning, match="this model will never give it"):
        detector = train_on_extractions(*pictures, features="rich")
    y_seen = [detector.classifier.predict([p.features])[0] for p in pictures[1]]
    assert np.mean(y_seen) > 0.8  # memorised
    assert detector.calibrator.upper_bound_ < 0.5  # and detected


def test_neighbour_distance_accepts_only_the_two_classes():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(400, 20)), np.repeat([0, 1], 200)
    X[y == 1] += 5
    near = NeighbourDistance().fit(X, y, np.arange(400), np.ones(400))
    for offset, expected in ((0, True), (5, True), (12, False), (-6, False)):
        unseen = rng.normal(size=(100, 20)) + offset
        assert np.mean([(near.distance(x) <= near.limit_) == expected for x in unseen]) > 0.85


def test_rich_training_and_operating_point_on_the_command_line(picture_folders, tmp_path):
    model = tmp_path / "rich.safetensors"
    sides = ["--real", picture_folders / "real", "--fake", picture_folders / "fake"]
    done = run("train", *sides, "--out", model, "--jobs", 2)
    assert done.returncode == 0, done.stderr
    done = run("evaluate", "--model", model, *sides, "--json")
    assert json.loads(done.stdout)["auc"] > 0.95
    done = run("score", "--model", model, picture_folders / "fake", "--prior", "0.2")
    assert {row["verdict"] for row in table(done.stdout)} >= {"fake"}
    done = run("score", "--model", model, picture_folders, "--max-fpr", "0.01")
    assert done.returncode == 2
    assert "20 held-out real pictures support a false-alarm rate of 0.139 at best" in done.stderr
    done = run("score", "--model", model, picture_folders, "--prior", "1")
    assert done.returncode == 2
    assert "`prior` must lie between 0 and 1" in done.stderr
