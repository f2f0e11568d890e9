"""Distances between points, against SciPy's."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from freqfake.estimators.distances import distances


@pytest.mark.parametrize("shape", [(1, 7, 2), (5, 1500, 20), (3, 2, 1), (4, 0, 3)])
def test_distances_are_those_of_scipy(shape):
    n, m, k = shape
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(n, k)), rng.normal(size=(m, k)).astype(np.float32)
    np.testing.assert_allclose(distances(X, Y), cdist(X, Y), rtol=1e-15)


def test_a_point_does_not_depend_on_the_others():
    X = np.random.default_rng(0).normal(size=(50, 20))
    np.testing.assert_array_equal(distances(X, X)[3:4], distances(X[3:4], X))
