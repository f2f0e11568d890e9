"""Detectors on the rich features: training with copies, operating points, stability."""

import json

import numpy as np
import pytest
from helpers import LOSSLESS, as_extractions, features_of_two_groups, make_picture, run, table
from PIL import Image
from sklearn.base import BaseEstimator

from freqfake import (
    AdaptationWarning,
    CalibrationWarning,
    DatasetWarning,
    OperatingPointError,
    TrainingError,
    iter_features,
    load_detector,
    rich_feature_names,
    train_detector,
)
from freqfake.batch.copies import reencoded
from freqfake.batch.extraction import Extraction
from freqfake.batch.simulation import simulated_fake
from freqfake.detector.rows import TrainingTable
from freqfake.detector.training import train_on_extractions
from freqfake.evidence.distance import NeighbourDistance
from freqfake.pictures.facts import ImageFacts

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
        "freqfake.detector.scoring.reencoded",
        lambda image, subsampling: reencoded(Image.fromarray(other), subsampling),
    )
    changed = rich.score([picture]).iloc[0]
    assert (changed.verdict, changed.p_fake, changed.llr) == ("inconclusive", 0.5, 0.0)
    assert "compressed so lightly" in changed.reason


@pytest.mark.parametrize(("kind", "subsampling"), [("real", "4:4:4"), ("fake", "4:2:0")])
def test_an_accusation_must_survive_chroma_subsampling(rich, monkeypatch, kind, subsampling):
    asynchrony = 1.2 * REAL_FAKE[kind == "fake"]
    pictures = [make_picture(900 + i, asynchrony=asynchrony, size=128) for i in range(20)]
    tried = []

    def trial(image, subsampling):
        tried.append(subsampling)
        return reencoded(image, "4:4:4")

    monkeypatch.setattr("freqfake.detector.scoring.reencoded", trial)
    called = (rich.score(pictures).verdict == kind).sum()
    assert called > 0
    assert tried == [subsampling] * called


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
    score = detector.row(picture)["score"]
    for highest, verdict in ((score - 1e-9, "fake"), (score, "inconclusive")):
        detector.held_out[0] = np.full(60, highest)
        row = detector.row(picture, max_fpr=0.1)
        assert (row["verdict"], row["threshold"]) == (verdict, highest)
    assert "but not beyond the limit of 10 % false alarms that was asked for" in row["reason"]
    assert detector.row(Extraction("x", real[0], LOSSLESS), max_fpr=0.1)["verdict"] == "real"
    detector.max_fpr = 0.1
    assert (
        "but not beyond the model's default limit of 10 % false" in detector.row(picture)["reason"]
    )
    detector.max_fpr = None
    assert detector.row(picture)["verdict"] == "fake"
    assert np.isnan(detector.row(picture)["threshold"])
    with pytest.raises(OperatingPointError, match="60 held-out real pictures"):
        detector.row(picture, max_fpr=0.01)


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


@pytest.mark.slow
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


JPEG = ImageFacts(1024, 1024, "RGB", "JPEG 4:2:0", quality=90)


def photographs(n):
    """Real pictures with a copy; most have a simulated fake with one. Feature 0 is the number."""
    rng = np.random.default_rng(0)

    def features(i, label):
        return np.array([i, *rng.normal(3 * label, 1, 19)])

    pictures = []
    for i in range(n):
        copies = [(Extraction("x", features(i, label), JPEG),) for label in (0, 1)]
        fake = Extraction("x", features(i, 1), LOSSLESS, copies[1]) if i % 5 else None
        pictures.append(Extraction("x", features(i, 0), JPEG, copies[0], fake))
    return pictures


class Witness(BaseEstimator):
    """Refuses to score a photograph, or its simulated fake, that it was fitted to."""

    def fit(self, X, y, sample_weight=None):
        self.seen_ = set(X[:, 0])
        return self

    def decision_function(self, X):
        assert not self.seen_ & set(X[:, 0])
        return X[:, 0]


def test_simulated_fakes_stay_with_their_photographs():
    real, fake = photographs(20), as_extractions(100 + np.arange(12)[:, np.newaxis] * np.ones(20))
    table = TrainingTable(real, fake, weights=np.arange(32))
    folds = list(table.random_folds())
    np.testing.assert_array_equal(np.sort(np.concatenate([out for _, out in folds])), range(32))
    given = [(np.arange(16), np.arange(16, 32)), (np.arange(16, 32), np.arange(16))]
    for parts in (None, given):
        scores = table.held_out_scores(Witness(), parts)
        np.testing.assert_array_equal(scores, table.X[:, 0])
    simulated = (table.y == 1) & (table.X[:, 0] < 20)
    assert simulated.sum() == 2 * 16
    own = table.weights[simulated]
    np.testing.assert_array_equal(own[::2], table.X[simulated, 0][::2])
    np.testing.assert_array_equal(own[1::2], own[::2] / 2)
    assert np.bincount(table.families[table.is_chosen]).tolist() == [1] * (20 + 12 + 16)


def test_kinds_are_those_of_the_fakes_and_one_more_for_simulated_ones():
    real, fake = photographs(10), as_extractions(np.ones((4, 20)))
    fake[0] = Extraction("x", fake[0].features, JPEG, copies=(fake[1],))
    for kinds, expected in (([0, 1, 2, 1], [0, 0, 1, 2, 1]), (None, [0] * 5)):
        table = TrainingTable(real, fake, kinds=kinds)
        assert table.kinds.tolist() == [0] * 20 + expected + [max(expected) + 1] * 2 * 8
        assert table.is_simulated.tolist() == [False] * 25 + [True] * 2 * 8


@pytest.mark.filterwarnings("ignore::freqfake.CalibrationWarning")
def test_given_scores_of_small_data_sets_stay_as_they_are():
    rng = np.random.default_rng(0)
    sides = [as_extractions(rng.normal(mean, 1, (30, 20))) for mean in (0, 1)]
    scores = rng.normal(np.repeat([5.0, 8.0], 30))
    scores[[1, 40]] = np.nan
    detector = train_on_extractions(*sides, features="rich", scores=scores)
    for found, given in zip(detector.held_out, np.split(scores, 2), strict=True):
        np.testing.assert_array_equal(found, given[np.isfinite(given)])


def test_facts_of_simulated_fakes_are_no_warning():
    """The files of both sides are alike, except those of the simulated fakes."""
    X = np.random.default_rng(1).normal(3, 1, (12, 20))
    for fake in ([], as_extractions(X[:3], JPEG), as_extractions(X, JPEG)):
        detector = train_on_extractions(photographs(60), fake, features="rich")
        assert detector.info["n_simulated"] == 48
        assert detector.info["n_fake"] == 48 + len(fake)
        assert len(detector.held_out[1]) == (len(fake) or 48)  # simulated ones if no others
        assert len(detector.held_out[0]) == 60
    with pytest.warns(DatasetWarning, match="mainly by"):
        train_on_extractions(photographs(60), as_extractions(X), features="rich")


def test_training_from_photographs_alone(tmp_path):
    detector = train_detector(
        [make_picture(i, asynchrony=0.3 + 0.02 * i, size=132) for i in range(12)], simulate=True
    )
    counts = [detector.info[key] for key in ("n_real", "n_fake", "n_simulated")]
    assert counts == [12, 12, 12]
    detector.save(tmp_path / "m.safetensors")
    card = str(load_detector(tmp_path / "m.safetensors").card())
    assert "12 generated pictures, 12 of them simulated from the real ones" in card
    assert "| training files known | 0 of 12," in card
    assert "not the pictures of a generator" in card
    new = [make_picture(900 + i, asynchrony=0.4, size=132) for i in range(8)]
    fakes = [np.asarray(simulated_fake(Image.fromarray(picture), 7)) for picture in new]
    scores = detector.score([*new, *fakes]).score
    assert ((scores > 0) == np.repeat([False, True], 8)).mean() > 0.9


def test_files_of_photographs_are_known_as_real_only(tmp_path):
    for i in range(12):
        image = Image.fromarray(make_picture(i, asynchrony=0.4, size=128))
        image.save(tmp_path / f"{i}.jpg", quality=90)
    detector = train_detector(tmp_path, simulate=True)
    assert [len(rows) for rows in detector.training_hashes] == [12, 0]
    assert detector.info["training_data"]["fake"]["files"] == 0
    assert "| training files known | 12 of 12," in str(detector.card())
    assert "simulated" not in str(load_detector().card())


def test_simulation_needs_rich_features_and_suitable_photographs():
    pictures = [make_picture(i, asynchrony=0.4) for i in range(12)]
    with pytest.raises(ValueError, match="`simulate` needs features='rich'; got features='asyn"):
        train_detector(pictures, simulate=True, features="asynchrony")
    with pytest.raises(TrainingError, match="no real picture can have a simulated fake"):
        train_detector(pictures, simulate=True)
    with pytest.raises(TrainingError, match="at least 10 readable generated pictures are needed"):
        train_detector(pictures)
    large = [make_picture(i, asynchrony=0.4, size=128) for i in range(9)]
    with pytest.raises(TrainingError, match="at least 10 readable real pictures are needed; got 9"):
        train_detector(large, simulate=True)
    with pytest.raises(TrainingError, match="readable generated pictures are needed; got 9"):
        train_detector([*large, *pictures], simulate=True)
