"""The base class of the classifiers of two classes."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets


class BinaryClassifier(ClassifierMixin, BaseEstimator):
    """Classifier of two classes whose boundary is the decision value 0."""

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Predict the class of each picture, shape (n_pictures,)."""
        indices = (self.decision_function(X) > 0).astype(int)
        return np.asarray(self.classes_[indices])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def _fit_classes(self, y: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Set `classes_`, and return the index of each picture's class, 0 or 1."""
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) != 2:
            raise ValueError(
                "Only binary classification is supported: `y` must hold 2 classes; got "
                f"{len(self.classes_)} class" + ("es" if len(self.classes_) > 1 else "")
            )
        return np.asarray(labels)
