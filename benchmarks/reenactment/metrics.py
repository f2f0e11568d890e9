"""Figures of merit of reenacted faces; equations are those of Petruk (2020)."""

import numpy as np
import numpy.typing as npt

from .faces import Points

_OUTER_CORNERS = (36, 45)  # of the eyes


def nmse(landmarks: Points, wanted: Points) -> float:
    """Normalised mean squared error of 68 landmarks (Eq. 4.1); 0 is best.

    It is the mean squared distance over the squared distance of the outer corners of the eyes.
    """
    right, left = wanted[list(_OUTER_CORNERS)]
    squared = ((landmarks - wanted) ** 2).sum(axis=1).mean()
    return float(squared / ((left - right) ** 2).sum())


def csim(embedding: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Cosine of two embeddings of faces (Eq. 4.2), -1 to 1; 1 is the same person."""
    lengths = np.linalg.norm(embedding) * np.linalg.norm(other)
    return float(embedding @ other / lengths)


def frechet_distance(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    """Squared Frechet distance of the normal distributions of two sets of features (n, numbers).

    With features of Inception it is the FID (Heusel et al. 2017).
    """
    means = a.mean(axis=0) - b.mean(axis=0)
    a, b = ((x - x.mean(axis=0)) / np.sqrt(len(x) - 1) for x in (a, b))  # a.T @ a: covariance
    shared = np.linalg.norm(a @ b.T, "nuc")  # trace of the root of the covariances' product
    return max(0.0, float(means @ means + (a**2).sum() + (b**2).sum() - 2 * shared))
