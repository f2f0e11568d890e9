"""Figures of merit and calibration, on numbers small enough to check by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqfake import OperatingPointError
from freqfake.evidence.calibration import (
    LikelihoodRatioCalibrator,
    empirical_bounds,
    false_alarm_bound,
    false_alarm_threshold,
    neutral_score,
    posterior,
    shown_llr,
    verbal_equivalent,
)
from freqfake.evidence.deliveries import DeliveryEvidence, Evidence, delivery_of
from freqfake.evidence.distance import ClassDistance, NeighbourDistance
from freqfake.evidence.domain import TrainingDomain
from freqfake.evidence.metrics import cllr, cllr_min, detection_metrics, equal_error_rate
from freqfake.pictures.facts import ImageFacts


def test_metrics_computed_by_hand():
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
def test_equal_error_rate_depends_only_on_the_order(scores, factor):
    scores = np.round(scores, 3)
    y = np.arange(len(scores)) % 2
    rate = equal_error_rate(y, scores)
    assert 0 <= rate <= 1
    assert equal_error_rate(y, scores * factor + 1) == pytest.approx(rate)
    assert equal_error_rate(1 - y, -scores) == pytest.approx(rate)


def scores_with_known_llr(n_real, n_fake, seed=0):
    """Normal scores around -1 and 1: the log odds are 2 per unit of the score."""
    y = np.repeat([0, 1], [n_real, n_fake])
    return np.random.default_rng(seed).normal(2.0 * y - 1), y


@pytest.mark.parametrize("n_fake", [5000, 500])
def test_calibration_recovers_the_likelihood_ratio(n_fake):
    calibrator = LikelihoodRatioCalibrator().fit(*scores_with_known_llr(5000, n_fake))
    assert calibrator.slope_ == pytest.approx(2 / np.log(10), rel=0.15)
    assert calibrator.predict([0.0]) == 0


def test_likelihood_ratios_stay_within_what_the_data_support():
    calibrator = LikelihoodRatioCalibrator().fit(*scores_with_known_llr(200, 300))
    llrs = calibrator.predict([-np.inf, -1e9, 1e9, np.inf])
    assert calibrator.lower_bound_ == llrs[0] == llrs[1] >= -np.log10(301)
    assert calibrator.upper_bound_ == llrs[3] == llrs[2] <= np.log10(201)


def test_bounds_of_a_perfect_and_of_a_useless_system():
    y = np.repeat([0, 1], 99)
    assert empirical_bounds(np.where(y, 9.0, -9.0), y) == pytest.approx((-2, 2), abs=0.02)
    assert empirical_bounds(np.where(y, -9.0, 9.0), y) == (0, 0)
    # With 9 pictures and one more misleading one, a tenth of either side is misleading: the ratio t
    # costs 0.1 + 0.1 t, which is less than 1 up to t = 9.
    y = np.repeat([0, 1], 9)
    assert empirical_bounds(np.where(y, 9.0, -9.0), y) == pytest.approx((-0.95, 0.95))


def test_scores_worse_than_chance_give_no_evidence():
    y = np.repeat([0, 1], 99)
    calibrator = LikelihoodRatioCalibrator().fit(np.where(y, -1.0, 1.0), y)
    assert not calibrator.predict([-5.0, 5.0]).any()


@pytest.mark.parametrize("n_fake", [20_000, 2000])
@pytest.mark.parametrize(("mean", "gap"), [(0, 2), (-3, 1), (7, 4)])
def test_the_neutral_score_of_two_normals_is_in_the_middle(n_fake, mean, gap):
    y = np.repeat([0, 1], [20_000, n_fake])
    scores = np.random.default_rng(0).normal(mean + gap * y)
    assert neutral_score(scores, y) == pytest.approx(mean + gap / 2, abs=0.06)


def test_a_score_of_zero_has_a_ratio_of_one_wherever_the_classes_lie():
    """The slope then solves 6 P(real | 6) = 4 P(fake | 4), the gradient of the likelihood."""
    scores, y = np.repeat([4.0, 6.0], 1000), np.repeat([0, 1], 1000)
    calibrator = LikelihoodRatioCalibrator().fit(scores, y)
    p_fake_4, p_fake_6 = posterior(calibrator.slope_ * np.array([4, 6]))
    assert 6 * (1 - p_fake_6) == pytest.approx(4 * p_fake_4, rel=1e-3)


def test_the_neutral_score_is_where_logistic_regression_is_undecided():
    """Classes of unequal variance: not the middle of their means."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 5000)
    scores = np.concatenate([rng.normal(-1, 0.3, 5000), rng.normal(3, 2, 5000)])
    zero = neutral_score(scores, y)
    assert zero < 0.5
    # Logistic regression fits the sum of its probabilities to the number of fakes.
    assert neutral_score(scores - zero, y) == pytest.approx(0, abs=1e-3)
    calibrator = LikelihoodRatioCalibrator().fit(scores - zero, y)
    assert calibrator.slope_ > 0


def test_without_larger_scores_of_fakes_the_middle_is_neutral():
    assert neutral_score([3.0, 5.0, 1.0, 1.0, 1.0], [0, 0, 1, 1, 1]) == 2.5
    assert neutral_score([4.0, 4.0, 4.0], [0, 1, 1]) == 4


@pytest.mark.parametrize("seed", range(5))
def test_figures_of_merit_against_lir(seed):
    pytest.importorskip("lir", reason="lir, the reference implementation, is not installed")
    from lir.algorithms.bayeserror import elub
    from lir.data.models import LLRData
    from lir.metrics import cllr as lir_cllr
    from lir.metrics import cllr_min as lir_cllr_min

    scores, y = scores_with_known_llr(130, 90, seed)
    llrs = scores * (0.3 + 0.2 * seed)
    data = LLRData(features=llrs, labels=y)
    assert empirical_bounds(llrs, y) == pytest.approx(elub(llrs.copy(), y), abs=1e-9)
    assert cllr(y, llrs) == pytest.approx(lir_cllr(data))
    assert cllr_min(y, llrs) == pytest.approx(lir_cllr_min(data))


def test_cllr_of_known_values():
    assert cllr([0, 0, 1], [-np.inf, -np.inf, np.inf]) == 0
    assert cllr([0, 1], [1.0, 1.0]) == pytest.approx((np.log2(11) + np.log2(1.1)) / 2)
    assert cllr([0, 1], [np.inf, 0.0]) == np.inf


@given(st.lists(st.floats(-5, 5), min_size=6, max_size=40))
def test_no_calibration_beats_cllr_min(scores):
    scores = np.round(scores, 2)
    y = np.arange(len(scores)) % 2
    assert cllr_min(y, scores) <= min(1, cllr(y, scores)) + 1e-9


def test_posterior_depends_on_the_prior():
    assert posterior(0.0, prior=0.2) == pytest.approx(0.2)
    assert posterior(2.0, prior=1 / 101) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("llr", "words"),
    [(0.2, "no support"), (0.5, "weak"), (-1.5, "moderate support for a real"), (2.0, "moderately"),
     (3.0, "strong"), (-4.5, "very strong support for a real"), (7.0, "extremely strong")],
)  # fmt: skip
def test_verbal_scale(llr, words):
    assert verbal_equivalent(llr).startswith(words)


@given(st.floats(-8, 8))
def test_shown_ratios_stay_in_their_verbal_step(llr):
    shown = shown_llr(llr)
    assert abs(shown - llr) < 0.1 + 1e-9
    if not np.log10(2) <= abs(llr) < 0.4:  # this edge lies between two decimals
        assert verbal_equivalent(shown) == verbal_equivalent(llr)
    assert not np.signbit(shown) or shown


def test_a_ratio_below_ten_is_not_shown_as_ten():
    assert [shown_llr(llr) for llr in (0.96, -0.997, 1.0, 1.04, 0.94)] == [0.9, -0.9, 1, 1, 0.9]


def test_false_alarm_threshold_keeps_its_rate():
    scores = np.random.default_rng(0).permutation(1000.0 * np.arange(1000))
    threshold = false_alarm_threshold(scores, 0.01)
    alarms = int((scores > threshold).sum())
    assert alarms == 4  # bound 0.0091; with 5 it would be 0.0105
    assert 1 - 0.05 ** (1 / 299) <= 0.01 < 1 - 0.05 ** (1 / 298)
    assert false_alarm_threshold(np.arange(299), 0.01) == 298
    with pytest.raises(OperatingPointError, match=r"298 held-out .* 0\.01 at best"):
        false_alarm_threshold(np.arange(298), 0.01)
    with pytest.raises(ValueError, match="between 0 and 1"):
        false_alarm_threshold(scores, 1.0)


# --- by delivery ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("coding", "quality", "compression"),
    [("lossless", 0, 0), ("pixels", 0, 0), ("JPEG 4:4:4", 88, 1), ("JPEG 4:4:4", 87, 3),
     ("JPEG 4:2:0", 88, 2), ("JPEG 4:2:2", 100, 2), ("JPEG 4:2:0", 65, 3), ("JPEG 4:2:0", 64, 4),
     ("JPEG 4:4:4", 1, 4), ("JPEG 4:2:0", 0, 3), ("lossy WEBP", 0, 3)],
)  # fmt: skip
def test_delivery_of_each_coding(coding, quality, compression):
    facts = ImageFacts(256, 1000, "RGB", coding, quality=quality)
    assert delivery_of(facts) == (8, compression)


@pytest.mark.parametrize(
    ("width", "height", "side"),
    [(96, 300, 96), (95, 300, 96), (1, 1, 96), (1448, 1448, 1448), (1449, 9999, 1448)],
)
def test_sides_beyond_the_limits_count_as_these(width, height, side):
    for size in ((width, height), (height, width)):
        assert delivery_of(ImageFacts(*size, "RGB", "lossless"))[0] == np.log2(side)


@pytest.fixture
def small_groups(monkeypatch):
    monkeypatch.setattr("freqfake.evidence.deliveries.MIN_REAL", 4)
    monkeypatch.setattr("freqfake.evidence.deliveries.MIN_FAKE", 2)


@pytest.mark.usefixtures("small_groups")
def test_a_group_holds_one_picture_of_each_family():
    families = np.array([0, 0, 0, 1, 1, 2, 3, 4, 4, 5, 5])
    groups = np.array([3, 7, 7, 7, 7, 7, 7, 7, 7, 7, 3])
    y = np.array([0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
    scores = np.array([9.0, -3, 9, -2, 9, -1, -4, 2, 9, 3, 9])
    found = DeliveryEvidence().fit(scores, y, groups, families)
    assert found.groups_.tolist() == [7]  # the other has a real and a fake picture
    assert [sorted(side) for side in found.part(7).held_out_] == [[-4, -3, -2, -1], [2, 3]]
    expected = LikelihoodRatioCalibrator().fit([-3.0, -2, -1, -4, 2, 3], [0] * 4 + [1] * 2)
    assert vars(found.part(7).calibrator_) == vars(expected)
    assert found.part(3) is found.part(8) is None


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize(("n_real", "n_fake"), [(3, 9), (9, 1)])
def test_small_groups_are_left_out(n_real, n_fake):
    y = np.repeat([0, 1], [n_real, n_fake])
    found = DeliveryEvidence().fit(y - 0.5, y, np.zeros(len(y), int), np.arange(len(y)))
    assert (len(found.groups_), found.parts_) == (0, [])


def test_power_counts_what_is_called_fake():
    """Of 200 real pictures, the bounds of 3, 1 and 0 are 0.0383, 0.0235 and 0.0149."""
    calibrator = LikelihoodRatioCalibrator()
    calibrator.slope_, calibrator.lower_bound_, calibrator.upper_bound_ = 1.0, -2.0, 2.0
    real, fake = np.repeat([-1.0, 1.5, 2.5], [197, 2, 1]), np.repeat([0.5, 1.0, 3.0], [3, 2, 5])
    evidence = Evidence.of(calibrator, [real, fake])
    words = (
        "at this size and quality, the model recognises about {} of 100 generated faces and calls "
        "fewer than {} of 1000 photographs fake"
    )
    for threshold, min_llr, shares in (
        (-np.inf, 1.0, (70, 39)), (1.0, 1.0, (50, 39)), (1.5, 1.0, (50, 24)), (3.0, 1.0, (0, 15)),
        (-np.inf, 0.5, (100, 39)), (-np.inf, 2.1, (0, 15)),
    ):  # fmt: skip
        assert evidence.power(threshold, min_llr) == words.format(*shares)


def test_all_real_pictures_called_fake():
    """The bound of their rate is then 1, which the beta distribution does not give."""
    assert false_alarm_bound([0, 199, 200], 200)[1:].tolist() == [
        pytest.approx(0.95 ** (1 / 200)),
        1.0,
    ]
    calibrator = LikelihoodRatioCalibrator()
    calibrator.slope_, calibrator.lower_bound_, calibrator.upper_bound_ = 1.0, -2.0, 2.0
    words = Evidence.of(calibrator, [np.full(9, 3.0), np.full(9, 4.0)]).power(-np.inf, 1.0)
    assert words.endswith("calls up to 1000 of 1000 photographs fake")


def test_a_verdict_of_fake_needs_a_nearer_picture():
    """One feature, of which 2 is the usual distance from the fifth neighbour."""
    near = NeighbourDistance()
    near.center_, near.scale_, near.projection_ = np.zeros(1), np.ones(1), np.ones((1, 1))
    near.references_, near.usual_, near.limit_ = [np.zeros((9, 1))] * 2, np.full(2, 2.0), 1.0
    domain = TrainingDomain()
    domain.range_ = near
    assert domain.doubt_of_fake(np.array([1.59])) == ""
    assert domain.doubt_of_fake(np.array([-1.8])) == (
        "too unlike the training pictures to be called fake: feature distance 0.9 (up to 0.8 for "
        "this verdict)"
    )


@pytest.mark.parametrize(
    ("width", "height", "inside"),
    [(80, 1250, True), (1250, 80, True), (79, 500, False), (500, 79, False), (1251, 500, False),
     (500, 1251, False)],
)  # fmt: skip
def test_pictures_may_be_a_quarter_smaller_or_larger(width, height, inside):
    domain = TrainingDomain()
    domain.codings_, domain.min_side_, domain.max_side_ = ("lossless",), 100, 1000
    domain.range_ = ClassDistance()
    domain.range_.means_, domain.range_.precisions_ = np.zeros((2, 6)), np.array([np.eye(6)] * 2)
    domain.range_.limit_ = 9.0
    facts = ImageFacts(width, height, "RGB", "lossless")
    assert (domain.objections(np.ones(6), facts) == []) == inside


def test_the_six_features_have_one_limit_for_all_verdicts():
    domain = TrainingDomain()
    domain.range_ = ClassDistance()
    domain.range_.means_, domain.range_.precisions_ = np.zeros((2, 6)), np.array([np.eye(6)] * 2)
    domain.range_.limit_ = 3.0
    assert domain.limit_of_fake == 3
    assert domain.doubt_of_fake(np.array([2.9, 0, 0, 0, 0, 0])) == ""
    assert domain.doubt_of_fake(np.array([3.1, 0, 0, 0, 0, 0]))
