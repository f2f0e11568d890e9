"""Distance of the features of a picture from those of the training pictures."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ..estimators.distances import distances

_USUAL_SHARE = 0.975  # of the training pictures lie within the limit
_RIDGE = 1e-6  # share of the variance added to the diagonal, against singular covariances
_SAMPLE = 500  # training pictures (NeighbourDistance: of each class) that set the limit
_N_COMPONENTS = 20
CLIP = 8  # standard deviations
_N_REFERENCES = 1500  # training pictures kept of each class
N_NEIGHBOURS = 5


class ClassDistance:
    """Mahalanobis distance from the nearer class, for few features.

    Attributes
    ----------
    means_, precisions_ : ndarray of shape (2, n_features) and (2, n_features, n_features)
        Mean and inverse covariance of the real and of the fake pictures.
    limit_ : float
        Distance from the other training pictures within which 97.5 % of them lie.
    """

    def fit(
        self,
        X: npt.NDArray[Any],
        y: npt.NDArray[Any],
        groups: npt.NDArray[Any],
        weights: npt.NDArray[Any],
    ) -> Self:
        """Learn from features `X`, labels `y`, and `groups` that belong together.

        The `weights` are not used.
        """
        self.means_, self.precisions_ = _class_moments(X, y)
        sample = np.random.default_rng(0).permutation(len(X))[:_SAMPLE]
        distances = []
        for i in sample:
            others = groups != groups[i]
            distances.append(_mahalanobis(X[i], *_class_moments(X[others], y[others])))
        self.limit_ = float(np.quantile(distances, _USUAL_SHARE))
        return self

    def distance(self, features: npt.NDArray[Any]) -> float:
        """Distance of one picture from the nearer class."""
        return _mahalanobis(features, self.means_, self.precisions_)

    def farthest_feature(self, features: npt.NDArray[Any]) -> int:
        """Position of the feature that contributes most."""
        spread = np.sqrt(np.diagonal(self.precisions_, axis1=1, axis2=2))
        return int((np.abs(features - self.means_) * spread).min(axis=0).argmax())


class NeighbourDistance:
    """Distance from the nearest training pictures, for many features.

    It is measured in the first twenty principal components of the real pictures, whitened, which
    vary most with the delivery.

    Attributes
    ----------
    center_, scale_ : ndarray of shape (n_features,)
        Mean and standard deviation of the real pictures.
    projection_ : ndarray of shape (n_features, 20)
        From standardised features, which are clipped at 8 standard deviations.
    references_ : list of two ndarrays of shape (n_references, 20)
        Real and fake training pictures, at most 1500 each.
    usual_ : ndarray of shape (2,)
        Distance from the fifth neighbour within which 97.5 % of a class lie.
    limit_ : float
        1: distances are in units of `usual_`.
    """

    def fit(
        self,
        X: npt.NDArray[Any],
        y: npt.NDArray[Any],
        groups: npt.NDArray[Any],
        weights: npt.NDArray[Any],
    ) -> Self:
        """Learn from features `X`, labels `y`, and `groups` that belong together.

        The `weights` set the chances of becoming a reference, so that small sources are included.
        """
        from sklearn.decomposition import PCA

        rng = np.random.default_rng(0)
        real = X[y == 0]
        self.center_, self.scale_ = real.mean(axis=0), real.std(axis=0) + 1e-6
        n_components = min(_N_COMPONENTS, len(real) // 5)
        # The covariance, of features by features, is slow to decompose; a few pictures are not.
        solver = "full" if 2 * len(real) < real.shape[1] else "covariance_eigh"
        pca = PCA(n_components, svd_solver=solver).fit(self._standardised(real))
        self.projection_ = pca.components_.T / np.sqrt(pca.explained_variance_)
        projected = self._standardised(X) @ self.projection_
        self.references_, usual = [], []
        for label in (0, 1):
            members = np.flatnonzero(y == label)
            size = min(_N_REFERENCES, len(members))
            chances = weights[members] / weights[members].sum()
            kept = rng.choice(members, size, replace=False, p=chances)
            self.references_.append(projected[kept])
            looked_at = kept[:_SAMPLE]
            apart = distances(projected[looked_at], projected[kept])
            apart[groups[looked_at][:, np.newaxis] == groups[kept]] = np.inf
            usual.append(np.quantile(_nth_smallest(apart), _USUAL_SHARE))
        self.usual_ = np.array(usual)
        self.limit_ = 1.0
        return self

    def distance(self, features: npt.NDArray[Any]) -> float:
        """Distance of one picture from the nearer class."""
        # A matrix product would depend on the number of threads.
        projected = (self._standardised(features)[:, np.newaxis] * self.projection_).sum(axis=0)
        nearest = [_nth_smallest(distances([projected], kept))[0] for kept in self.references_]
        return float(np.min(nearest / self.usual_))

    def _standardised(self, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.asarray(np.clip((X - self.center_) / self.scale_, -CLIP, CLIP))


def _class_moments(
    X: npt.NDArray[Any], y: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    classes = [X[y == label] for label in (0, 1)]
    means = np.array([members.mean(axis=0) for members in classes])
    return means, np.array([_precision(members) for members in classes])


def _precision(members: npt.NDArray[Any]) -> npt.NDArray[Any]:
    covariance = np.cov(members, rowvar=False)
    covariance += _RIDGE * np.diag(np.diag(covariance)) + 1e-12 * np.eye(len(covariance))
    return np.asarray(np.linalg.inv(covariance))


def _mahalanobis(
    features: npt.NDArray[Any], means: npt.NDArray[Any], precisions: npt.NDArray[Any]
) -> float:
    offsets = features - means
    squared = np.einsum("ci,cij,cj->c", offsets, precisions, offsets)
    return float(np.sqrt(max(squared.min(), 0.0)))  # rounding can make it negative


def _nth_smallest(distances: npt.NDArray[Any]) -> npt.NDArray[Any]:
    nth = min(N_NEIGHBOURS, distances.shape[1]) - 1
    return np.asarray(np.partition(distances, nth, axis=1)[:, nth])
