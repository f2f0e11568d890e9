"""What the classifiers of two classes have in common."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets


class BinaryClassifier(ClassifierMixin, BaseEstimator):
    """Base of a classifier of two classes whose boundary is the decision value 0."""

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Class of each picture, shape (n_pictures,)."""
        called = (self.decision_function(X) > 0).astype(int)
        return np.asarray(self.classes_[called])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def _fit_classes(self, y: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Learn the two classes, and return the number of the class of each picture, 0 or 1."""
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) != 2:
            raise ValueError(
                "Only binary classification is supported: `y` must hold 2 classes; got "
                f"{len(self.classes_)} class" + ("es" if len(self.classes_) > 1 else "")
            )
        return np.asarray(labels)
