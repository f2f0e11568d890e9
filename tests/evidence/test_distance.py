"""Distances from the training pictures, whose answers are known."""

import numpy as np
import pytest

from freqfake.evidence.distance import CLIP, ClassDistance, NeighbourDistance

N_COPIES = 8


def copied(n_features):
    """Two classes of pictures that are each there several times, and the number of each picture."""
    pictures = np.random.default_rng(0).normal(size=(80, n_features))
    y = np.repeat([0, 1], 40)
    return (np.repeat(part, N_COPIES, axis=0) for part in (pictures, y, np.arange(80)))


@pytest.mark.parametrize(("kind", "n_features"), [(ClassDistance, 6), (NeighbourDistance, 30)])
def test_usual_distances_are_those_from_other_pictures(kind, n_features):
    X, y, groups = copied(n_features)
    numberings = (groups, np.arange(len(X)))
    near, fooled = (kind().fit(X, y, numbers, np.ones(len(X))) for numbers in numberings)
    if kind is ClassDistance:
        assert near.limit_ > 1.02 * fooled.limit_
    else:
        assert (near.usual_ > 1).all()
        assert (fooled.usual_ < 1e-6).all()  # among its own copies


def test_neighbours_are_sought_in_units_of_the_real_pictures():
    """Each component of the real pictures has a deviation of 1, whatever the features have."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 30)) * np.geomspace(1e-3, 1e3, 30)
    y = np.repeat([0, 1], 300)
    X[y == 1] *= 3
    near = NeighbourDistance().fit(X, y, np.arange(600), np.ones(600))
    real, fake = near.references_
    assert real.shape == fake.shape == (300, 20)
    np.testing.assert_allclose(real.std(axis=0, ddof=1), 1, rtol=1e-3)
    assert (fake.std(axis=0) > 2).all()
    assert near.usual_[1] > 2 * near.usual_[0]
    far = near.center_ + 2 * CLIP * near.scale_
    assert near.distance(far) == near.distance(near.center_ + CLIP * near.scale_)


def test_the_distance_is_that_from_the_fifth_neighbour_of_the_nearer_class():
    near = NeighbourDistance()
    near.center_, near.scale_, near.projection_ = np.zeros(1), np.ones(1), np.ones((1, 1))
    near.references_ = [np.arange(7.0)[:, np.newaxis], np.full((3, 1), 7.0)]
    near.usual_ = np.array([2.0, 0.5])
    assert near.distance(np.array([0.0])) == 4 / 2
    assert near.distance(np.array([6.75])) == 0.25 / 0.5  # of fewer, from the last


def test_the_distance_from_a_class_is_in_its_deviations():
    known = ClassDistance()
    known.means_ = np.array([[0.0, 0.0], [10.0, 0.0]])
    known.precisions_ = np.array([np.diag([1.0, 4.0]), np.diag([0.25, 1.0])])
    assert known.distance(np.array([0.0, 2.0])) == 4
    assert known.distance(np.array([16.0, 4.0])) == 5
    assert known.farthest_feature(np.array([0.0, 2.0])) == 1
    assert known.farthest_feature(np.array([18.0, 1.0])) == 0
