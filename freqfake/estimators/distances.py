"""Distances between points."""

import numpy as np
import numpy.typing as npt


def distances(X: npt.ArrayLike, Y: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Euclidean distances between all points of two sets.

    The same numbers as those of ``scipy.spatial.distance.cdist``, whose import takes longer
    than scoring a picture.

    Parameters
    ----------
    X, Y : array-like of shape (n_points, n_coordinates) and (n_others, n_coordinates)

    Returns
    -------
    ndarray of shape (n_points, n_others)

    Examples
    --------
    >>> from freqfake.estimators.distances import distances
    >>> distances([[0.0, 0.0]], [[3.0, 4.0], [0.0, 1.0]])
    array([[5., 1.]])
    """
    X, Y = np.asarray(X, float), np.asarray(Y, float)
    squared = np.zeros((len(X), len(Y)))
    for x, y in zip(X.T, Y.T, strict=True):  # the order of the sums does not depend on the sizes
        squared += np.square(np.subtract.outer(x, y))
    return np.asarray(np.sqrt(squared))
