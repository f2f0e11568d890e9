"""Adapt a detector to unlabelled pictures of another source."""

import copy
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .._threads import unsaid
from ..batch.extraction import Extraction
from ..estimators.adaptation import GaussianExpectationAdapter, adapt_or_keep
from ..estimators.expectations import Expectations
from ..evidence.domain import SUBSAMPLED
from ..exceptions import AdaptationError, AdaptationWarning, SeparationWarning
from ..pictures.facts import ImageFacts

if TYPE_CHECKING:
    from .detector import Detector

_MIN_TARGET = 30  # unlabelled pictures needed to adapt


def adapted_to(
    source: "Detector", pictures: Sequence[Extraction], expectations: Expectations
) -> "Detector":
    """Make a detector for these pictures, see :meth:`freqfake.Detector.adapt`."""
    if len(pictures) < _MIN_TARGET:
        raise AdaptationError(
            f"at least {_MIN_TARGET} readable pictures are needed to adapt; got {len(pictures)}"
        )
    facts = [picture.facts for picture in pictures]
    X = np.array([picture.features for picture in pictures])
    changed = copy.copy(source)
    if isinstance(source.classifier, GaussianExpectationAdapter):
        _warn_of_subsampling(facts)
        changed.classifier = adapter = copy.copy(source.classifier)
    else:  # too many features for a mixture: adapt the scores instead
        X = source.classifier.decision_function(X)[:, np.newaxis]
        changed.score_adapter = adapter = _adapter_of_scores(source)
    if expectations != adapter.expectations:
        adapter.set_params(expectations=expectations)
        adapter.fit(adapter.source_, adapter.source_labels_)
    adapted = adapt_or_keep(adapter, X)
    if not adapted:
        changed.classifier, changed.score_adapter = source.classifier, source.score_adapter
    changed.by_delivery = None if adapted else source.by_delivery  # of the source's scores
    changed.domain = source.domain.moved_to(facts, keep_sizes=not adapted)
    changed.info = {**source.info, "adapted_to": len(pictures)}
    return changed


def _adapter_of_scores(source: "Detector") -> GaussianExpectationAdapter:
    scores = np.concatenate(source.held_out)
    labels = np.repeat([0, 1], [len(side) for side in source.held_out])
    with unsaid(SeparationWarning):
        return GaussianExpectationAdapter().fit(scores[:, np.newaxis], labels)


def _warn_of_subsampling(facts: list[ImageFacts]) -> None:
    share = np.mean([fact.coding in SUBSAMPLED for fact in facts])
    if share:
        warnings.warn(
            f"{share:.0%} of the pictures are JPEGs with chroma subsampling, which removes what "
            "the six features read: the verdict on such pictures stays inconclusive",
            AdaptationWarning,
            stacklevel=3,
        )
