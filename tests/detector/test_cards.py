"""Display of detectors and results: model cards and tables."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline

import freqfake
from freqfake import AsynchronyTransformer, RBFSVMClassifier, load_detector
from freqfake.detector.results import ScoreTable
from freqfake.evidence.metrics import cllr, detection_metrics


@pytest.fixture(scope="module", params=["faces", "lewoo"])
def detector(request):
    return load_detector(request.param)


def test_card_states_what_the_detector_holds(detector):
    card = detector.card()
    entries = {name: value for _, rows in card.sections for name, value in rows}
    known = detector.info
    expected = f"{known['n_real']} real and {known['n_fake']} generated pictures"
    assert entries["trained on"] == expected
    n_real, n_fake = map(len, detector.held_out)
    y, scores = np.repeat([0, 1], [n_real, n_fake]), np.concatenate(detector.held_out)
    assert entries["area under the ROC curve"] == f"{detection_metrics(y, scores)['auc']:.3f}"
    expected = cllr(y, detector.calibrator.predict(scores))
    assert entries["cost of the likelihood ratios, Cllr"].startswith(f"{expected:.3f} ")
    assert ("spectrum" in entries) == (detector.features == "asynchrony")
    assert any("4:2:0" in limit for limit in card.limits) == (detector.features == "asynchrony")


def test_limits_on_the_card_are_those_of_the_verdicts(detector):
    entries = dict(dict(detector.card().sections)["Valid for"])
    low, high = map(int, re.findall(r"\d+", entries["sides"]))
    domain, slack = detector.domain, 1.25
    assert low * slack >= domain.min_side_ > (low - 1) * slack
    assert high / slack <= domain.max_side_ < (high + 1) / slack
    assert "pixels" not in entries["codings"]
    rng = np.random.default_rng(0)

    def objects(width):
        facts = freqfake.pictures.facts.ImageFacts(
            width, 400 if low < 400 else low, "RGB", "lossless"
        )
        features = rng.random(6 if detector.features == "asynchrony" else 1800)
        return any("sides" in reason for reason in detector.domain.objections(features, facts))

    assert [objects(side) for side in (low - 1, low, high, high + 1)] == [True, False, False, True]


def test_card_of_a_trained_and_adapted_detector(picture_folders):
    detector = freqfake.train_detector(
        picture_folders / "real", picture_folders / "fake", features="asynchrony"
    )
    with pytest.warns(freqfake.AdaptationWarning):
        adapted = detector.adapt(picture_folders)
    text = str(adapted.card())
    assert "| adapted to | 40 pictures without labels |" in text
    assert "not known: there are no labels" in text
    assert "not known" not in str(detector.card())


def test_cards_escape_names(detector):
    changed = freqfake.Detector(**{**vars(detector), "info": {"name": "<b>|x"}})
    assert "&lt;b&gt;|x" in changed._repr_html_()
    assert "<b>" not in changed._repr_html_()
    assert changed._repr_html_() == changed.card()._repr_html_()


@pytest.fixture(scope="module")
def table(samples):
    return load_detector().score([samples, "no<such>.png"])


def test_table_shows_verdicts_in_words(table):
    shown = table._repr_html_()
    assert shown.count('<span class="verdict fake">fake</span>') == (table.verdict == "fake").sum()
    assert shown.count("<tr>") == 1 + len(table)
    assert "error: no such file: no&lt;such&gt;.png" in shown
    assert "<such>" not in shown
    assert "3 fake, 3 inconclusive, 1 not read" in shown
    assert "+2.6<br>about 350 to 1<" in shown
    assert "(about 350 to 1, likelihood ratio 10^2.6)" in shown


def test_table_works_like_any_dataframe(table, tmp_path):
    assert isinstance(table[table.verdict == "fake"], ScoreTable)
    assert isinstance(pd.concat([table, table]), ScoreTable)
    assert (
        table[["path", "llr"]]._repr_html_() == pd.DataFrame(table)[["path", "llr"]]._repr_html_()
    )
    table.to_csv(tmp_path / "t.csv", index=False)
    assert (pd.read_csv(tmp_path / "t.csv").columns == table.columns).all()
    assert repr(table) == repr(pd.DataFrame(table))


def test_long_tables_are_shortened(table):
    long = pd.concat([table] * 20)
    shown = long._repr_html_()
    assert shown.count("<tr>") == 1 + 60
    assert "and 80 more" in shown
    with pd.option_context("display.max_rows", None):
        assert long._repr_html_().count("<tr>") == 1 + len(long)
    for limit, left in ((3, 4), (6, 1), (7, 0)):
        with pd.option_context("display.max_rows", limit):
            shown = table._repr_html_()
        assert shown.count("<tr>") == 1 + limit
        assert (f"<p>and {left} more</p>" in shown) == bool(left)
        assert ("more</p>" in shown) == bool(left)
    assert "no pictures" in table[:0]._repr_html_()


def test_table_of_faces_shows_which_face():
    rows = pd.DataFrame(load_detector().score([np.zeros((64, 64, 3), np.uint8)]))
    faces = ScoreTable(rows.assign(face=pd.array([0], "Int64")))
    assert '<th scope="col">face</th>' in faces._repr_html_()
    assert "<td>0</td>" in faces._repr_html_()


def test_bars_point_to_the_supported_side(table):
    row = {**table.iloc[0], "p_fake": np.nan}
    shown = {llr: ScoreTable([{**row, "llr": llr}])._repr_html_() for llr in (1.5, -9.0, np.nan)}
    assert "margin-left:50%;width:25%;background:#D55E00" in shown[1.5]
    assert "margin-left:0%;width:50%;background:#0072B2" in shown[-9.0]
    assert "not calibrated</td><td></td>" in shown[np.nan]


def test_diagrams_of_scikit_learn_still_work():
    pipeline = make_pipeline(AsynchronyTransformer(), RBFSVMClassifier())
    for estimator in (pipeline, freqfake.GaussianExpectationAdapter(RBFSVMClassifier())):
        shown = estimator._repr_html_()
        assert "sk-top-container" in shown
        assert "RBFSVMClassifier" in shown


def test_contributions_add_up_to_the_score(samples):
    detector = load_detector()
    path = samples / "fake" / "mobilestylegan_201.webp"
    parts = detector.contributions(path)
    score = detector.score([path]).score[0]
    (offset,) = detector.classifier.offsets(freqfake.rich_features(path)[np.newaxis])
    assert sum(parts.values()) + offset == pytest.approx(score, abs=1e-9)
    with pytest.raises(ValueError, match="only a score from the rich features"):
        load_detector("lewoo").contributions(path)
