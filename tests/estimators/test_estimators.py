"""The estimators on feature matrices: scikit-learn's own checks, and further properties."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.metrics import balanced_accuracy_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from freqfake import (
    FEATURE_NAMES,
    AdaptationWarning,
    AsynchronyTransformer,
    DeliveryPanelClassifier,
    GaussianExpectationAdapter,
    GaussianExpectationScaler,
    RBFSVMClassifier,
    RealFakeMixture,
    SeparationWarning,
    StandardizedRidgeClassifier,
)
from freqfake.estimators.adaptation import energy_coefficient


def two_groups(n=100, *, gap=6.0, seed=0, shift=0.0, scale=1.0):
    """Real and fake features with full covariances, fake ones larger by the gap."""
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(42).normal(size=(6, 6)) / 3 + np.eye(6)
    real = rng.normal(size=(n, 6)) @ mix
    fake = rng.normal(size=(n, 6)) @ mix.T + gap
    X = np.concatenate([real, fake]) * scale + shift
    return X, np.repeat([0, 1], n)


@parametrize_with_checks(
    [
        RBFSVMClassifier(),
        StandardizedRidgeClassifier(),
        DeliveryPanelClassifier(),
        RealFakeMixture(),
        GaussianExpectationScaler(),
        GaussianExpectationScaler(expectations="per_feature", n_init=1),
        GaussianExpectationScaler(expectations="moments"),
        GaussianExpectationAdapter(),
    ]
)
@pytest.mark.filterwarnings("ignore::freqfake.SeparationWarning")
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_svm_equals_scikit_learns_on_standardised_features():
    X, y = two_groups(gap=2)
    svm = RBFSVMClassifier(C=3).fit(X, y)
    reference = make_pipeline(StandardScaler(), SVC(C=3, gamma=1 / 6)).fit(X, y)
    np.testing.assert_allclose(
        svm.decision_function(X), reference.decision_function(X), rtol=1e-9, atol=1e-9
    )


def test_ridge_solves_its_normal_equations():
    X, y = two_groups(60, gap=2)
    X, y = X[:80], y[:80]  # 60 real, 20 fake
    X[0] += 1000  # clipped
    weights = np.random.default_rng(0).uniform(0.5, 2, 80)
    shares = np.where(y, weights[y == 1].sum(), weights[y == 0].sum())
    balanced = weights / shares * weights.sum() / 2
    mean = np.average(X, axis=0, weights=weights / shares)
    scale = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weights / shares))
    Z = np.clip((X - mean) / scale, -4, 4)
    design = np.column_stack([Z, np.ones(80)])
    penalty = np.diag([5.0] * 6 + [0])
    normal = design.T @ (balanced[:, np.newaxis] * design) + penalty
    solution = np.linalg.solve(normal, design.T @ (balanced * (2 * y - 1)))
    ridge = StandardizedRidgeClassifier(alpha=5).fit(X, y, weights)
    np.testing.assert_allclose(ridge.decision_function(X), design @ solution, atol=1e-9)
    assert abs(ridge.intercept_) > 1e-4


def opposite_rules(n=100, *, seed=0):
    """Pictures of two deliveries, given by the first feature; the rule of the second is turned."""
    rng = np.random.default_rng(seed)
    deliveries, y = np.repeat([0.0, 2.0], 2 * n), np.tile([0, 1], 2 * n)
    X = rng.normal(size=(4 * n, 6))
    X[:, 0] += 10 * deliveries
    X[:, 1] += np.where(deliveries > 0, 3, -3) * (2 * y - 1)
    return X, y, deliveries[:, np.newaxis]


def test_panel_of_one_delivery_and_kind_is_the_ridge_regression_in_other_units():
    X, y = two_groups(60, gap=2)
    X, y = X[:80], y[:80]  # 60 real, 20 fake
    X[0] += 1000  # clipped
    weights = np.random.default_rng(0).uniform(0.5, 2, 80)
    expected = StandardizedRidgeClassifier(alpha=5).fit(X, y, weights).decision_function(X)
    panel = DeliveryPanelClassifier(alpha=5)
    for deliveries, kinds in ((None, None), (np.full((80, 2), 3.2), ["one"] * 80)):
        scores = panel.fit(X, y, weights, deliveries, kinds).decision_function(X)
        assert np.corrcoef(scores, expected)[0, 1] > 1 - 1e-9
        real = weights * (y == 0)
        mean = np.average(scores, weights=real)
        assert np.average((scores - mean) ** 2, weights=real) == pytest.approx(1, abs=1e-6)
        assert mean == pytest.approx(-np.average(scores, weights=weights * y), abs=1e-6)
        assert panel.coef_.shape == (1, 1, 6)
        assert panel.coef_.dtype == np.float32
        assert panel.intercept_.shape == (1, 1)
        assert not panel.nearest(X).any()


def test_panel_solves_the_normal_equations_of_each_member():
    """There is one for all kinds, and one for each."""
    X, y, deliveries = opposite_rules(30)
    X, y, deliveries, kinds = X[:100], y[:100], deliveries[:100], np.arange(100) // 2 % 2
    fitted = DeliveryPanelClassifier(alpha=5, reach=0.5)
    panel = fitted.fit(X, y, deliveries=deliveries, kinds=kinds)
    assert panel.coef_.shape == (3, 2, 6)
    design = np.column_stack([np.clip((X - panel.mean_) / panel.scale_, -4, 4), np.ones(100)])
    for member, center in enumerate([0, 2]):
        near = np.maximum(np.exp(-np.abs(deliveries[:, 0] - center) / 0.5), 0.01)
        real = near * (y == 0) / near[y == 0].sum()
        for number, fakes in enumerate([y == 1, (y == 1) & (kinds == 0), (y == 1) & (kinds == 1)]):
            fake = near * fakes / near[fakes].sum()
            normal = design.T @ (50 * (real + fake)[:, np.newaxis] * design)
            normal += np.diag([5.0] * 6 + [0])
            solution = np.linalg.solve(normal, design.T @ (50 * (fake - real)))
            scores = design @ solution
            mean = real @ scores
            deviation = np.sqrt(real @ (scores - mean) ** 2)
            zero = (
                mean if number else (mean + fake @ scores) / 2 + np.sqrt(2 * np.log(2)) * deviation
            )
            coef, intercept = solution[:-1] / deviation, (solution[-1] - zero) / deviation
            np.testing.assert_allclose(panel.coef_[number, member], coef, rtol=1e-5, atol=1e-6)
            assert panel.intercept_[number, member] == pytest.approx(intercept, abs=1e-6)


def three_kinds(n=300, *, rare=20, seed=0):
    """Two usual kinds of fakes and a rare one, each with a trace of its own."""
    rng = np.random.default_rng(seed)
    sizes = (2 * n, n, n, rare)
    kinds = np.repeat([0, 1, 2, 3], sizes)
    X = rng.normal(size=(len(kinds), 40))
    for kind in (1, 2, 3):
        X[kinds == kind, kind] += 6
    return X, (kinds > 0).astype(int), kinds


def test_panel_finds_a_rare_kind_that_one_regression_misses():
    X, y, kinds = three_kinds()
    new, y_new, of_new = three_kinds(rare=200, seed=1)

    def found(panel):
        scores = panel.decision_function(new)
        return (scores[of_new == 3] > np.quantile(scores[y_new == 0], 0.99)).mean()

    panel = DeliveryPanelClassifier()
    assert found(panel.fit(X, y)) < 0.25
    assert found(panel.fit(X, y, kinds=kinds)) > 0.8
    assert (panel.predict(new[y_new == 0]) == 0).mean() > 0.9
    assert (panel.predict(new[y_new == 1]) == 1).mean() > 0.95


def test_kinds_of_real_pictures_and_their_names_do_not_matter():
    X, y, kinds = three_kinds(30)
    numbered = DeliveryPanelClassifier().fit(X, y, kinds=kinds)
    named = np.where(y == 1, np.array(["", "a", "b", "c"])[kinds], "photograph")
    again = DeliveryPanelClassifier().fit(X, y, kinds=named)
    np.testing.assert_array_equal(again.coef_, numbered.coef_)
    assert len(again.coef_) == 4


def test_real_pictures_have_mean_0_and_deviation_1_at_their_delivery():
    """The zero of the regression for all kinds is elsewhere."""
    rng = np.random.default_rng(0)
    deliveries, y = np.repeat([0.0, 2.0], 800), np.tile([0, 1], 800)
    X = rng.normal(size=(1600, 6)) * (1 + deliveries)[:, np.newaxis]
    X[:, 1] += 3 * y
    places, kinds = deliveries[:, np.newaxis], np.arange(1600) // 2 % 3
    panel = DeliveryPanelClassifier(reach=0.2).fit(X, y, deliveries=places, kinds=kinds)
    standard = np.clip((X - panel.mean_) / panel.scale_, -4, 4)
    for member, center in enumerate(panel.centers_[:, 0]):
        real = standard[(y == 0) & (deliveries == center)]
        scores = real @ panel.coef_[:, member].T + panel.intercept_[:, member]
        np.testing.assert_allclose(scores[:, 1:].mean(axis=0), 0, atol=0.1)
        np.testing.assert_allclose(scores.std(axis=0), 1, atol=0.1)


def test_a_shift_moves_scores_by_their_nearness():
    X, y, deliveries = opposite_rules()
    panel = DeliveryPanelClassifier().fit(X, y, deliveries=deliveries, kinds=np.arange(len(y)) % 3)
    before, near = panel.decision_function(X), panel.nearness(X)
    assert near.shape == (len(X), 2)
    assert (near > 0).all()
    np.testing.assert_allclose(near.sum(axis=1), 1)
    np.testing.assert_array_equal(panel.nearest(X), near.argmax(axis=1))
    assert panel.shift([3.0, -1.0]) is panel
    np.testing.assert_allclose(panel.decision_function(X), before - near @ [3, -1], atol=1e-9)
    np.testing.assert_array_equal(panel.nearness(X), near)


def test_panel_learns_opposite_rules_and_finds_the_delivery():
    X, y, deliveries = opposite_rules()
    new, y_new, of_new = opposite_rules(seed=1)
    panel = DeliveryPanelClassifier(alpha=1, reach=0.3).fit(X, y, deliveries=deliveries)
    np.testing.assert_array_equal(panel.centers_, [[0], [2]])
    np.testing.assert_array_equal(panel.nearest(new), of_new[:, 0] == 2)
    assert (panel.predict(new) == y_new).mean() > 0.97
    assert (StandardizedRidgeClassifier(alpha=1).fit(X, y).predict(new) == y_new).mean() < 0.7


@pytest.mark.parametrize(
    ("classifier", "n_kinds"),
    [(DeliveryPanelClassifier, 1), (DeliveryPanelClassifier, 3), (StandardizedRidgeClassifier, 0)],
)
def test_contributions_and_offsets_add_up_to_the_score(classifier, n_kinds):
    X, y, deliveries = opposite_rules()
    kinds = np.arange(len(y)) // 2 % max(n_kinds, 1)
    options = {"deliveries": deliveries, "kinds": kinds} if n_kinds else {}
    fitted = classifier().fit(X, y, **options)
    whole = fitted.contributions(X).sum(axis=1) + fitted.offsets(X)
    np.testing.assert_allclose(fitted.decision_function(X), whole, rtol=0, atol=1e-9)
    at_mean = fitted.mean_[np.newaxis]
    assert not fitted.contributions(at_mean).any()
    np.testing.assert_allclose(fitted.offsets(at_mean), fitted.decision_function(at_mean))


@pytest.mark.parametrize("order", ["C", "F"])
def test_scores_of_a_panel_do_not_depend_on_the_batch(order):
    rng = np.random.default_rng(0)
    X, places = np.array(rng.normal(size=(90, 500)), order=order), rng.uniform(0, 3, (90, 2))
    kinds = np.arange(90) // 2 % 3
    panel = DeliveryPanelClassifier().fit(X, np.arange(90) % 2, deliveries=places, kinds=kinds)
    assert panel.coef_.shape[:2] == (4, len(panel.centers_))
    assert len(panel.centers_) > 8
    for method in (panel.decision_function, panel.contributions, panel.offsets, panel.nearness):
        alone = [method(row[np.newaxis])[0] for row in X]
        np.testing.assert_array_equal(method(X), alone)
        np.testing.assert_array_equal(method(X[::3]), alone[::3])


@pytest.mark.parametrize("options", [{"deliveries": [[0.0]] * 39}, {"kinds": [0] * 39}])
def test_panel_needs_a_delivery_and_a_kind_for_each_picture(options):
    X, y = two_groups(20)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        DeliveryPanelClassifier().fit(X, y, **options)


def test_estimators_in_a_grid_search_with_a_dataframe():
    X, y = two_groups(gap=1.5)
    table = pd.DataFrame(X, columns=FEATURE_NAMES)
    pipeline = make_pipeline(GaussianExpectationScaler(expectations="moments"), RBFSVMClassifier())
    search = GridSearchCV(pipeline, {"rbfsvmclassifier__C": [1, 10]}, cv=3).fit(table, y)
    assert search.score(table, y) > 0.9
    assert list(search.best_estimator_[0].feature_names_in_) == list(FEATURE_NAMES)


def test_mixture_takes_the_smaller_component_as_real():
    X, y = two_groups()
    mixture = RealFakeMixture().fit(X)
    np.testing.assert_array_equal(mixture.predict(X), y)
    np.testing.assert_allclose(mixture.means_, [X[y == 0].mean(0), X[y == 1].mean(0)], atol=1e-4)
    assert mixture.separated_
    assert mixture.weights_ == pytest.approx([0.5, 0.5])


def test_mixture_densities_come_from_its_gaussians():
    X, _ = two_groups(gap=3)
    mixture = RealFakeMixture().fit(X)
    densities = [
        weight * multivariate_normal(mean, covariance).pdf(X)
        for weight, mean, covariance in zip(
            mixture.weights_, mixture.means_, mixture.covariances_, strict=True
        )
    ]
    np.testing.assert_allclose(mixture.score_samples(X), np.log(np.sum(densities, axis=0)))
    probabilities = mixture.predict_proba(X)
    np.testing.assert_allclose(probabilities[:, 1], densities[1] / np.sum(densities, axis=0))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_mixture_is_as_likely_as_scikit_learns():
    X, _ = two_groups(gap=3)
    reference = GaussianMixture(2, n_init=10, random_state=0).fit(X)
    assert RealFakeMixture().fit(X).score(X) == pytest.approx(reference.score(X), abs=1e-3)


def test_mixture_is_the_same_for_every_seed_and_unit():
    X, _ = two_groups(gap=3)
    expected = RealFakeMixture().fit(X).predict(X)
    for seed in range(1, 6):
        np.testing.assert_array_equal(
            RealFakeMixture(random_state=seed).fit(X).predict(X), expected
        )
    np.testing.assert_array_equal(RealFakeMixture().fit(X / 1000).predict(X / 1000), expected)


def test_mixture_on_the_features_is_stable_over_seeds(measuring_data):
    from freqfake import extract_features

    folders = [measuring_data / "lewoo_samples", measuring_data / "celebahq512" / "real"]
    X = extract_features(list(folders)).loc[:120, list(FEATURE_NAMES)].to_numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeparationWarning)
        calls = [RealFakeMixture(random_state=seed).fit(X).predict(X) for seed in range(5)]
    assert all((call == calls[0]).mean() > 0.98 for call in calls)


def test_mixture_warns_of_a_single_group():
    X = np.random.default_rng(0).normal(size=(200, 6))
    with pytest.warns(SeparationWarning, match="do not separate"):
        mixture = RealFakeMixture().fit(X)
    assert not mixture.separated_


def test_mixture_started_from_another_keeps_its_components():
    X, y = two_groups(gap=4)
    first = RealFakeMixture().fit(X)
    negated = -X * 7 + 3  # now the fake ones are smaller
    second = RealFakeMixture().fit(negated, start=first)
    assert balanced_accuracy_score(y, second.predict(negated)) in (0.0, 1.0)
    shifted = X / 100 + 0.5
    third = RealFakeMixture().fit(shifted, start=first)
    np.testing.assert_array_equal(third.predict(shifted), first.predict(X))


@pytest.mark.parametrize("expectations", ["joint", "per_feature", "moments"])
def test_scaler_maps_the_expectations_to_0_and_1(expectations):
    X, y = two_groups()
    scaler = GaussianExpectationScaler(expectations=expectations).fit(X)
    np.testing.assert_allclose(scaler.transform([scaler.real_expectation_]), 0, atol=1e-12)
    np.testing.assert_allclose(scaler.transform([scaler.fake_expectation_]), 1)
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(X)), X)
    if expectations != "moments":
        scaled = scaler.transform(X)
        np.testing.assert_allclose(scaled[y == 0].mean(0), 0, atol=0.05)
        np.testing.assert_allclose(scaled[y == 1].mean(0), 1, atol=0.05)


def test_scaler_only_centres_where_expectations_coincide():
    X, _ = two_groups()
    X[:, 2] = 0.25
    with pytest.warns(SeparationWarning, match="coincide for feature 2 "):
        scaler = GaussianExpectationScaler().fit(X)
    np.testing.assert_allclose(scaler.transform(X)[:, 2], 0)
    assert not scaler.separated_


@pytest.mark.parametrize("start", ["source", "random"])
@pytest.mark.parametrize("expectations", ["joint", "per_feature", "moments"])
def test_adapter_undoes_shift_and_scale(expectations, start):
    X, y = two_groups()
    X_target, y_target = two_groups(seed=1, shift=30, scale=0.2)
    adapter = GaussianExpectationAdapter(expectations=expectations, start=start).fit(X, y)
    assert balanced_accuracy_score(y_target, adapter.predict(X_target)) == 0.5
    adapter.adapt(X_target)
    assert balanced_accuracy_score(y_target, adapter.predict(X_target)) > 0.99
    assert adapter.agrees_
    assert adapter.distance_after_ < 0.05 < 0.5 < adapter.distance_before_


def test_algorithm_1_step_by_step():
    X, y = two_groups(gap=3)
    X_target, _ = two_groups(gap=3, seed=1, shift=5, scale=3)
    scaled, scaled_target = (
        (data - mixture.means_[0]) / (mixture.means_[1] - mixture.means_[0])
        for data in (X, X_target)
        for mixture in [RealFakeMixture().fit(data)]
    )
    expected = SVC().fit(scaled, y).decision_function(scaled_target)
    adapter = GaussianExpectationAdapter(SVC(), start="random").fit(X, y, X_target=X_target)
    np.testing.assert_allclose(adapter.decision_function(X_target), expected)


def test_without_a_target_the_adapter_equals_its_classifier():
    X, y = two_groups(gap=2)
    adapter, svm = GaussianExpectationAdapter().fit(X, y), RBFSVMClassifier().fit(X, y)
    np.testing.assert_allclose(adapter.decision_function(X), svm.decision_function(X), atol=1e-9)
    np.testing.assert_allclose(adapter.to_source(X), X)


def test_adapter_warns_of_a_target_of_another_kind():
    X, y = two_groups(gap=4)
    rng = np.random.default_rng(5)
    other = rng.exponential(size=(200, 6)) ** 3 * rng.choice([-1, 20], size=(200, 1)) + 100
    with pytest.warns(AdaptationWarning, match="does not bring the target close to the source"):
        adapter = GaussianExpectationAdapter().fit(X, y).adapt(other)
    assert not adapter.agrees_


def test_adapter_can_be_cloned_and_names_wrong_options():
    X, y = two_groups()
    adapter = clone(GaussianExpectationAdapter(RBFSVMClassifier(C=2), expectations="moments"))
    assert adapter.fit(X, y).estimator_.C == 2
    with pytest.raises(ValueError, match="`start` must be"):
        GaussianExpectationAdapter(start="here").fit(X, y)
    with pytest.raises(ValueError, match="`expectations` must be"):
        GaussianExpectationScaler(expectations="both").fit(X)


def test_energy_coefficient_of_distant_points_is_1_and_of_equal_sets_0():
    assert energy_coefficient([[0.0], [1e-9]], [[5.0], [5.0]]) == pytest.approx(1)
    X, _ = two_groups()
    assert energy_coefficient(X, X) == 0
    assert energy_coefficient(X, X + 1) < energy_coefficient(X, X + 2)


def test_transformer_in_a_pipeline():
    images = [np.random.default_rng(i).random((16, 16, 3)) for i in range(8)]
    pipeline = make_pipeline(AsynchronyTransformer(), RBFSVMClassifier())
    assert pipeline.fit(images, [0, 1] * 4).predict(images).shape == (8,)
    names = AsynchronyTransformer().set_output(transform="pandas").fit_transform(images)
    assert list(names.columns) == list(FEATURE_NAMES)
