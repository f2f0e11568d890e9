"""The detector from pictures to verdicts."""

import dataclasses
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from helpers import LOSSLESS, as_extractions, features_of_two_groups, make_picture
from PIL import Image

import freqfake
from freqfake import (
    AdaptationError,
    AdaptationWarning,
    DatasetWarning,
    TrainingError,
    UnreadableImageWarning,
    extract_features,
    iter_features,
    load_detector,
    train_detector,
)
from freqfake.batch.extraction import Extraction
from freqfake.detector.columns import SCORE_COLUMNS
from freqfake.detector.training import train_on_extractions
from freqfake.evidence.domain import TrainingDomain


@pytest.fixture(scope="module")
def detector(picture_folders):
    return train_detector(
        picture_folders / "real", picture_folders / "fake", features="asynchrony", name="test"
    )


# --- extraction ---------------------------------------------------------------------------------


def test_features_table_keeps_order_and_failures(picture_folders, tmp_path):
    (tmp_path / "bad.png").write_text("no picture")
    folder = str(picture_folders / "real")
    inputs = [tmp_path / "bad.png", folder, make_picture(0, asynchrony=0.3), np.zeros((3, 3, 2))]
    table = extract_features(inputs)
    assert list(table.columns) == ["path", *freqfake.FEATURE_NAMES, "error"]
    assert table.path[0].endswith("bad.png")
    assert table["mean"].isna().tolist() == [True, *[False] * 21, True]
    assert table.error[0].startswith("cannot read")
    assert table.path.tolist()[-2:] == ["<array 2>", "<array 3>"]
    expected = freqfake.asynchrony_features(f"{folder}/00.png")
    np.testing.assert_array_equal(table.loc[1, list(freqfake.FEATURE_NAMES)].tolist(), expected)


def test_processes_do_not_change_the_values(picture_folders):
    inputs = [*freqfake.find_images(picture_folders / "fake")][:4]
    inputs += [Image.fromarray(make_picture(i, asynchrony=0.3)) for i in range(4)]
    alone, together = (list(iter_features(inputs, n_jobs=jobs)) for jobs in (1, 2))
    for one, other in zip(alone, together, strict=True):
        assert (one.path, one.facts, one.error) == (other.path, other.facts, other.error)
        np.testing.assert_array_equal(one.features, other.features)
    with joblib.parallel_config(n_jobs=2):
        pd.testing.assert_frame_equal(extract_features(inputs), extract_features(inputs, n_jobs=1))


def test_a_single_picture_is_not_a_list_of_pictures():
    for picture in (np.zeros((8, 8, 3), np.uint8), Image.new("RGB", (8, 8))):
        with pytest.raises(TypeError, match=r"use \[image\]"):
            extract_features(picture)


def test_no_pictures_give_an_empty_table():
    assert extract_features([]).empty


# --- scoring ------------------------------------------------------------------------------------


def test_scores_separate_new_pictures(detector):
    new = {kind: [make_picture(900 + i, asynchrony=a) for i in range(5)]
           for kind, a in (("real", 0.23), ("fake", 0.58))}  # fmt: skip
    for kind, pictures in new.items():
        table = detector.score(pictures)
        assert list(table.columns) == list(SCORE_COLUMNS)
        assert (table.verdict == kind).all()
        assert ((table.score > 0) == (kind == "fake")).all()
        assert ((table.p_fake > 0.5) == (table.score > 0)).all()
        assert (np.abs(table.llr) >= 1).all()
        assert (table.error == "").all()
        assert table.reason.str.contains("4:2:0").all()


def test_unreadable_pictures_are_rows_too(detector, tmp_path):
    table = detector.score([tmp_path / "missing.png", make_picture(1, asynchrony=0.5)])
    assert table.error[0].startswith("no such file")
    assert table.loc[0, ["verdict", "reason"]].tolist() == ["", ""]
    assert np.isnan(table.score[0])
    assert np.isfinite(table.score[1])


OUTSIDE = {
    "JPEG 4:2:0: chroma subsampling removes": {"coding": "JPEG 4:2:0"},
    "JPEG 4:4:4: the model was trained on lossless only": {"coding": "JPEG 4:4:4"},
    "512 x 1024 pixels: the model was trained on sides of 1024": {"width": 512},
    "3000 x 1024 pixels": {"width": 3000},
    "greyscale": {"mode": "L"},
    "palette of at most 256 colours": {"mode": "P"},
    "CMYK pixels": {"mode": "CMYK"},
    "I;16 pixels": {"mode": "I;16"},
    "several frames": {"animated": True},
    "transparent parts": {"transparent": True},
}


@pytest.mark.parametrize("reason", OUTSIDE)
def test_outside_its_domain_the_verdict_is_inconclusive(reason):
    real, fake = features_of_two_groups(40)
    detector = train_on_extractions(as_extractions(real), as_extractions(fake))
    inside = detector.row(as_extractions(fake)[0])
    assert inside["verdict"] == "fake"
    facts = dataclasses.replace(LOSSLESS, **OUTSIDE[reason])
    row = detector.row(Extraction("x", fake[0], facts))
    assert (row["verdict"], row["p_fake"], row["llr"]) == ("inconclusive", 0.5, 0)
    assert reason in row["reason"]
    assert row["score"] == inside["score"]


def test_unusual_features_are_named():
    real, fake = features_of_two_groups(40)
    detector = train_on_extractions(as_extractions(real), as_extractions(fake))
    odd = fake[0].copy()
    odd[4] += 0.1
    row = detector.row(Extraction("x", odd, LOSSLESS))
    assert row["verdict"] == "inconclusive"
    assert row["reason"].startswith("unlike the training pictures")
    assert row["reason"].endswith("most of all in icorr_rb")
    grey = detector.row(Extraction("x", np.zeros(6), LOSSLESS))
    assert grey["reason"].startswith("equal colour channels")


@pytest.mark.filterwarnings("ignore::freqfake.CalibrationWarning")
def test_between_the_classes_the_verdict_is_inconclusive():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(0.06, 0.01, (80, 6)), rng.normal(0.07, 0.01, (80, 6))
    detector = train_on_extractions(as_extractions(real), as_extractions(fake))
    rows = [detector.row(picture) for picture in as_extractions([*real, *fake])]
    close = [row for row in rows if row["reason"].startswith("too close to call")]
    assert len(close) > 20
    assert all(1 / 11 < row["p_fake"] < 10 / 11 for row in close)


def test_few_unseen_pictures_exceed_the_usual_distance():
    real, fake = features_of_two_groups(100)
    y = np.repeat([0, 1], 100)
    X, groups, weights = np.concatenate([real, fake]), np.arange(200), np.ones(200)
    domain = TrainingDomain().fit(X, y, [LOSSLESS], groups, weights)
    unseen = np.concatenate(features_of_two_groups(500, seed=9))
    share = np.mean(
        [domain.range_.distance(features) > domain.range_.limit_ for features in unseen]
    )
    assert 0.005 < share < 0.06


# --- training, evaluation -----------------------------------------------------------------------


def test_training_needs_enough_pictures_of_both_kinds(picture_folders):
    few = list(freqfake.find_images(picture_folders / "fake"))[:9]
    with pytest.raises(TrainingError, match="10 readable generated pictures are needed; got 9"):
        train_detector(picture_folders / "real", few)


def test_training_skips_unreadable_pictures_with_a_warning(picture_folders, tmp_path):
    with pytest.warns(UnreadableImageWarning, match=r"left out .*missing.png: no such file"):
        detector = train_detector(
            [picture_folders / "real", tmp_path / "missing.png"],
            picture_folders / "fake",
            features="asynchrony",
        )
    assert detector.info["n_real"] == 20


@pytest.mark.parametrize("what", [{"coding": "JPEG 4:2:0"}, {"width": 512}])
def test_training_warns_of_sides_that_differ_in_their_files(what):
    real, fake = features_of_two_groups(20)
    other = dataclasses.replace(LOSSLESS, **what)
    with pytest.warns(DatasetWarning, match="the files alone separate real from fake"):
        train_on_extractions(as_extractions(real, other), as_extractions(fake))


def test_evaluation_uses_every_readable_picture(detector, picture_folders, tmp_path):
    with pytest.warns(UnreadableImageWarning):
        metrics = detector.evaluate(
            [picture_folders / "real", tmp_path / "missing.png"], picture_folders / "fake"
        )
    assert (metrics["n_real"], metrics["n_fake"]) == (20, 20)
    assert metrics["auc"] == 1
    assert 0 <= metrics["inconclusive"] < 0.3


# --- adaptation ---------------------------------------------------------------------------------


def adapted_accuracy(detector, real, fake):
    called = detector.classifier.predict(np.concatenate([real, fake]))
    return np.mean(called == np.repeat([0, 1], [len(real), len(fake)]))


def test_adaptation_to_shifted_features():
    real, fake = features_of_two_groups(60)
    detector = train_on_extractions(as_extractions(real), as_extractions(fake))
    target = features_of_two_groups(60, seed=1, shift=0.2, scale=0.5)
    small = dataclasses.replace(LOSSLESS, width=512, height=512)
    adapted = detector.adapt_to(as_extractions(np.concatenate(target), small))
    assert adapted_accuracy(detector, *target) == 0.5
    assert adapted_accuracy(adapted, *target) > 0.99
    assert adapted.row(Extraction("x", target[1][0], small))["verdict"] == "fake"
    assert "1024 x 1024 pixels" in adapted.row(Extraction("x", target[1][0], LOSSLESS))["reason"]
    assert detector.row(as_extractions(fake)[0])["verdict"] == "fake"  # the original is unchanged


@pytest.mark.parametrize("expectations", ["per_feature", "moments"])
def test_adaptation_with_other_expectations(expectations):
    real, fake = features_of_two_groups(60)
    detector = train_on_extractions(as_extractions(real), as_extractions(fake))
    target = features_of_two_groups(60, seed=1, shift=0.2, scale=0.5)
    pictures = as_extractions(np.concatenate(target))
    adapted = detector.adapt_to(pictures, expectations=expectations)
    assert adapted_accuracy(adapted, *target) > 0.99
    assert detector.classifier.expectations == "joint"


def test_adaptation_keeps_a_model_that_needs_none():
    real, fake = features_of_two_groups(60)
    detector = train_on_extractions(as_extractions(real), as_extractions(fake))
    same = np.concatenate(features_of_two_groups(60, seed=1))
    jpeg = dataclasses.replace(LOSSLESS, coding="JPEG 4:4:4")
    with pytest.warns(AdaptationWarning, match="the scores stay as they are"):
        adapted = detector.adapt_to(as_extractions(same, jpeg))
    assert adapted.classifier is detector.classifier
    assert adapted.row(Extraction("x", fake[0], jpeg))["verdict"] == "fake"
    assert adapted.row(Extraction("x", fake[0], LOSSLESS))["verdict"] == "fake"


def test_adaptation_does_not_add_subsampled_pictures():
    real, fake = features_of_two_groups(60)
    detector = train_on_extractions(as_extractions(real), as_extractions(fake))
    jpeg = dataclasses.replace(LOSSLESS, coding="JPEG 4:2:0")
    same = np.concatenate(features_of_two_groups(60, seed=1))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        adapted = detector.adapt_to(as_extractions(same, jpeg))
    assert any("100% of the pictures are JPEGs" in str(w.message) for w in caught)
    assert adapted.row(Extraction("x", fake[0], jpeg))["verdict"] == "inconclusive"


def test_adaptation_is_refused_where_the_groups_are_not_real_and_fake():
    real, fake = features_of_two_groups(60)
    detector = train_on_extractions(as_extractions(real), as_extractions(fake))
    other = np.concatenate(features_of_two_groups(60, seed=1, shift=0.2))
    other[:, 3:] *= -1  # fakes never have one feature larger and another smaller
    with pytest.raises(AdaptationError, match="are not the real and the generated ones"):
        detector.adapt_to(as_extractions(other))
    with pytest.raises(AdaptationError, match="at least 30 readable pictures"):
        detector.adapt_to(as_extractions(other[:29]))


# --- the embedded model -------------------------------------------------------------------------


def test_embedded_model_on_the_samples(samples):
    table = load_detector("lewoo").score(samples)
    table.index = [Path(path).name for path in table.path]
    assert table.verdict["mobilestylegan_200.webp"] == "fake"
    assert set(table.verdict[table.path.str.contains("real")]) == {"inconclusive"}
    assert "4:2:0" in table.reason["retina.jpg"]
    assert "512 x 512" in table.reason["astronaut.png"]


def test_faces_of_the_paper_are_outside_the_embedded_models_domain(measuring_data):
    table = load_detector("lewoo").score(measuring_data / "lewoo_samples")
    assert len(table) == 8
    assert set(table.verdict) == {"inconclusive"}
    assert table.reason.str.startswith("224 x 224").all()


def test_embedded_model_calls_no_delivered_real_face_fake(measuring_data):
    folders = [measuring_data / name / "real" for name in ("celebahq512", "celeba_crops")]
    assert set(load_detector("lewoo").score(folders).verdict) == {"inconclusive"}


def test_default_model_on_the_samples(samples):
    table = load_detector().score(samples)
    is_real = table.path.str.contains("/real/")
    assert set(table.verdict[is_real]) == {"inconclusive"}
    assert "fake" in set(table.verdict[~is_real])
    assert set(table.verdict[~is_real]) <= {"fake", "inconclusive"}
    assert (table.error == "").all()


def test_default_model_keeps_its_false_alarm_rate():
    detector = load_detector()
    real, fake = detector.held_out
    assert len(real) > 2000
    assert (real > detector.threshold()).mean() < 0.01 < (fake > detector.threshold()).mean()


def test_embedded_models_show_their_names():
    assert "lewoo" in repr(load_detector("lewoo"))
    assert "faces" in repr(load_detector())


def test_a_training_picture_is_recognised(detector, picture_folders, tmp_path):
    path = next((picture_folders / "fake").iterdir())
    words = "this very file was among the training pictures"
    assert words in detector.score(path)["reason"][0]
    renamed = tmp_path / "other.png"
    renamed.write_bytes(path.read_bytes())
    assert words in detector.score(renamed)["reason"][0]
    Image.open(path).save(renamed, compress_level=1)
    assert words not in detector.score(renamed)["reason"][0]
