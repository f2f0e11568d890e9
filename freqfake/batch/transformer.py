"""Features as a step of a scikit-learn pipeline."""

from collections.abc import Sequence
from typing import Any, Self

import joblib
import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags

from ..features.asynchrony import FEATURE_NAMES, asynchrony_features
from ..features.spectrum import Spectrum
from ..pictures.reading import ImageLike


class AsynchronyTransformer(TransformerMixin, BaseEstimator):
    """Asynchrony features as the first step of a scikit-learn pipeline.

    Parameters
    ----------
    spectrum : {"log", "modulus"}
        See :func:`freqfake.asynchrony_features`.
    n_jobs : int, optional
        See :func:`freqfake.iter_features`.

    Examples
    --------
    >>> import numpy as np
    >>> from freqfake import AsynchronyTransformer
    >>> images = [np.random.default_rng(i).random((16, 16, 3)) for i in range(3)]
    >>> AsynchronyTransformer().fit_transform(images).shape
    (3, 6)
    """

    def __init__(self, *, spectrum: Spectrum = "log", n_jobs: int | None = None) -> None:
        self.spectrum = spectrum
        self.n_jobs = n_jobs

    def fit(self, X: Sequence[ImageLike], y: Any = None) -> Self:
        """Do nothing, since there is nothing to learn."""
        return self

    def transform(self, X: Sequence[ImageLike]) -> npt.NDArray[np.float64]:
        """Compute the features of paths, arrays or PIL images.

        Returns
        -------
        ndarray of shape (n_pictures, 6)

        Raises
        ------
        FreqFakeError
            A picture cannot be read: a matrix has no place for the reason. Use
            :func:`freqfake.extract_features` if that can happen.
        """
        parallel = joblib.Parallel(n_jobs=self.n_jobs)
        return np.array(
            parallel(
                joblib.delayed(asynchrony_features)(image, spectrum=self.spectrum) for image in X
            )
        ).reshape(-1, len(FEATURE_NAMES))

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[Any]:
        """Give the names of the six features."""
        return np.asarray(FEATURE_NAMES, dtype=object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.no_validation = True
        tags.input_tags.two_d_array = False
        return tags
