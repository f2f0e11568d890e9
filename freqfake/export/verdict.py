"""From features to score, likelihood ratio and distance, as nodes of a graph."""

import numpy as np
import numpy.typing as npt

from ..detector.detector import Detector
from ..estimators.adaptation import GaussianExpectationAdapter
from ..estimators.expectations import GaussianExpectationScaler
from ..estimators.panel_scores import CLIP, DeliveryPanel
from ..estimators.ridge import StandardizedRidgeClassifier
from ..estimators.svm import RBFSVMClassifier
from ..evidence.distance import CLIP as RANGE_CLIP
from ..evidence.distance import N_NEIGHBOURS, ClassDistance, NeighbourDistance
from .graph import Tensor, join

_Array = npt.NDArray[np.float64]


def score_of(detector: Detector, features: Tensor) -> Tensor:
    """Compute the decision value."""
    classifier = detector.classifier
    if isinstance(classifier, GaussianExpectationAdapter):
        return _kernel(classifier.estimator_, _scaled(classifier.target_scaler_, features))
    standard = _clipped(classifier, features)
    if isinstance(classifier, DeliveryPanel):
        score = _panel(classifier, standard)
    else:
        score = _linear(classifier, standard)
    adapter = detector.score_adapter
    return score if adapter is None else _to_source(adapter, score)


def llr_of(detector: Detector, score: Tensor, group: Tensor) -> Tensor:
    """Compute the calibrated and bounded log10 likelihood ratio."""
    parts = [evidence.calibrator_ for evidence in detector.evidence_by_group]
    slope, low, high = (
        by_group([float(getattr(part, name)) for part in parts], group)
        for name in ("slope_", "lower_bound_", "upper_bound_")
    )
    return (score * slope).op("Max", low).op("Min", high)


def group_of(detector: Detector, features: Tensor) -> Tensor:
    """Find the number of the group of deliveries, 0 if the model does not distinguish them."""
    classifier = detector.classifier
    if detector.by_delivery is None or not isinstance(classifier, DeliveryPanel):
        return features.op("Size") * 0
    near = _nearness(classifier, _clipped(classifier, features))
    return near.op("ArgMax", axis=-1, keepdims=0)


def by_group(numbers: list[float], group: Tensor) -> Tensor:
    """Pick the number of a group."""
    return group.graph.op("Gather", np.array(numbers, float), group)


def distance_of(detector: Detector, features: Tensor) -> Tensor:
    """Compute the distance of the features from those of the training pictures."""
    if isinstance(detector.classifier, GaussianExpectationAdapter):
        features = _to_source(detector.classifier, features)
    if isinstance(detector.domain.range_, ClassDistance):
        return _class_distance(detector.domain.range_, features)
    return _neighbour_distance(detector.domain.range_, features)


def _clipped(classifier: StandardizedRidgeClassifier | DeliveryPanel, features: Tensor) -> Tensor:
    standard = _standardised(features, classifier.mean_, classifier.scale_)
    return standard.op("Clip", float(-CLIP), float(CLIP))


def _linear(classifier: StandardizedRidgeClassifier, standard: Tensor) -> Tensor:
    return standard.op("Mul", classifier.coef_).op("ReduceSum").op("Add", [classifier.intercept_])


def _panel(classifier: DeliveryPanel, standard: Tensor) -> Tensor:
    n_regressions, n_deliveries, n_features = classifier.coef_.shape
    coefs = classifier.coef_.reshape(-1, n_features).T
    scores = (standard @ coefs).op("Add", classifier.intercept_.ravel())
    weighted = scores.reshape(n_regressions, n_deliveries) * _nearness(classifier, standard)
    sums = weighted.sum(1)
    if n_regressions == 1:
        return sums
    return sums.take([0]) + sums.take(range(1, n_regressions)).op("ReduceMax")


def _nearness(classifier: DeliveryPanel, standard: Tensor) -> Tensor:
    """Compute the weights of the members."""
    place = (standard @ classifier.delivery_coef_.T).op("Add", classifier.delivery_intercept_)
    distances = _squared_distances(place, classifier.centers_).op("Sqrt")
    return (distances * float(-1 / classifier.reach)).op("Softmax", axis=-1)


def _kernel(classifier: RBFSVMClassifier, features: Tensor) -> Tensor:
    standard = _standardised(features, classifier.mean_, classifier.scale_)
    squared = _squared_distances(standard, classifier.support_vectors_)
    kernel = (squared * float(-classifier.gamma_)).op("Exp").op("Mul", classifier.dual_coef_)
    return kernel.op("ReduceSum").op("Add", [classifier.intercept_])


def _standardised(values: Tensor, mean: _Array, scale: _Array) -> Tensor:
    return (values - mean) / scale


def _scaled(scaler: GaussianExpectationScaler, values: Tensor) -> Tensor:
    gap = scaler.fake_expectation_ - scaler.real_expectation_
    return _standardised(values, scaler.real_expectation_, gap)


def _to_source(adapter: GaussianExpectationAdapter, values: Tensor) -> Tensor:
    source = adapter.source_scaler_
    gap = source.fake_expectation_ - source.real_expectation_
    scaled = _scaled(adapter.target_scaler_, values)
    return scaled.op("Mul", gap).op("Add", source.real_expectation_)


def _class_distance(known: ClassDistance, features: Tensor) -> Tensor:
    offsets = _standardised(features, known.means_, np.ones(1)).reshape(2, 1, -1)
    squared = (offsets @ known.precisions_ * offsets).op("ReduceSum", [2], keepdims=0)
    return squared.op("ReduceMin", keepdims=0).op("Sqrt")


def _neighbour_distance(known: NeighbourDistance, features: Tensor) -> Tensor:
    standard = _standardised(features, known.center_, known.scale_)
    clipped = standard.op("Clip", float(-RANGE_CLIP), float(RANGE_CLIP))
    projected = clipped @ known.projection_
    distances = []
    for references, usual in zip(known.references_, known.usual_, strict=True):
        n_near = min(N_NEIGHBOURS, len(references))
        near = _squared_distances(projected, references).op(
            "TopK", [n_near], n_outputs=2, largest=0
        )
        distances.append(near.take([n_near - 1]).op("Sqrt") / float(usual))
    return join(distances, axis=0).op("ReduceMin", keepdims=0)


def _squared_distances(point: Tensor, references: _Array) -> Tensor:
    offsets = point - references
    return (offsets * offsets).sum(1)
