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
