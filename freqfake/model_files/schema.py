"""What a model file may hold: a closed list of classes, with types and shapes of members.

Their values are checked in :mod:`freqfake.model_files.values`.
"""

import math
import pkgutil
from typing import Any, get_args

import numpy as np

from ..estimators.panel_scores import DeliveryPanel
from ..evidence.calibration import false_alarm_threshold
from ..evidence.deliveries import DeliveryEvidence
from ..features import rich, student
from ..features.asynchrony import FEATURE_NAMES
from ..features.spectrum import Spectrum
from .values import check_info, check_object, check_range

_N_FEATURES = {
    "asynchrony": len(FEATURE_NAMES),
    "rich": rich.N_FEATURES,
    "student": student.N_FEATURES,
}

# Classes are given by name, and imported when a model holds one: many need scikit-learn, whose
# import takes longer than scoring a picture.
_ESTIMATORS, _EVIDENCE = "freqfake.estimators", "freqfake.evidence"
CLASSES = {
    "ClassDistance": f"{_EVIDENCE}.distance:ClassDistance",
    "DeliveryEvidence": f"{_EVIDENCE}.deliveries:DeliveryEvidence",
    "DeliveryPanelClassifier": f"{_ESTIMATORS}.panel_scores:DeliveryPanel",
    "Evidence": f"{_EVIDENCE}.deliveries:Evidence",
    "GaussianExpectationAdapter": f"{_ESTIMATORS}.adaptation:GaussianExpectationAdapter",
    "GaussianExpectationScaler": f"{_ESTIMATORS}.expectations:GaussianExpectationScaler",
    "LikelihoodRatioCalibrator": f"{_EVIDENCE}.calibration:LikelihoodRatioCalibrator",
    "NeighbourDistance": f"{_EVIDENCE}.distance:NeighbourDistance",
    "RBFSVMClassifier": f"{_ESTIMATORS}.svm:RBFSVMClassifier",
    "RealFakeMixture": f"{_ESTIMATORS}.mixture:RealFakeMixture",
    "StandardizedRidgeClassifier": f"{_ESTIMATORS}.ridge:StandardizedRidgeClassifier",
    "TrainingDomain": f"{_EVIDENCE}.domain:TrainingDomain",
}
_NAMES = {place: name for name, place in CLASSES.items()}
_NAMES[f"{_ESTIMATORS}.panel:DeliveryPanelClassifier"] = "DeliveryPanelClassifier"

# A tuple is the shape of an array: a letter is the same length throughout an object, None is any
# length. A list has exactly these items, or with ... at its end any number of the first. A set
# holds the allowed words. Text is the name of a class, or several with | between them.
_N = {"n_features_in_": int}
MEMBERS: dict[str, dict[str, Any]] = {
    "ClassDistance": {"means_": (2, "n"), "precisions_": (2, "n", "n"), "limit_": float},
    "DeliveryEvidence": {"groups_": (None,), "parts_": ["Evidence", ...]},
    "DeliveryPanelClassifier": {
        "alpha": float,
        "reach": float,
        "classes_": (2,),
        "mean_": ("n",),
        "scale_": ("n",),
        "centers_": ("m", "k"),
        "coef_": ("j", "m", "n"),
        "intercept_": ("j", "m"),
        "delivery_coef_": ("k", "n"),
        "delivery_intercept_": ("k",),
        **_N,
    },
    "Evidence": {"calibrator_": "LikelihoodRatioCalibrator", "held_out_": [(None,), (None,)]},
    "GaussianExpectationAdapter": {
        "estimator": "RBFSVMClassifier | None",
        "expectations": {"joint", "per_feature", "moments"},
        "start": {"source", "random"},
        "random_state": int | None,
        "estimator_": "RBFSVMClassifier",
        "source_scaler_": "GaussianExpectationScaler",
        "target_scaler_": "GaussianExpectationScaler",
        "source_": ("m", "n"),
        "source_labels_": ("m",),
        "classes_": (2,),
        "distance_before_": float,
        "distance_after_": float,
        "agrees_": bool,
        **_N,
    },
    "GaussianExpectationScaler": {
        "expectations": {"joint", "per_feature", "moments"},
        "n_init": int,
        "random_state": int | None,
        "real_expectation_": ("n",),
        "fake_expectation_": ("n",),
        "mixtures_": ["RealFakeMixture", ...],
        "separated_": bool,
        **_N,
    },
    "LikelihoodRatioCalibrator": dict.fromkeys(("slope_", "lower_bound_", "upper_bound_"), float),
    "NeighbourDistance": {
        "center_": ("n",),
        "scale_": ("n",),
        "projection_": ("n", "k"),
        "references_": [(None, "k"), (None, "k")],
        "usual_": (2,),
        "limit_": float,
    },
    "RBFSVMClassifier": {
        "C": float,
        "gamma": float | None,
        "classes_": (2,),
        "mean_": ("n",),
        "scale_": ("n",),
        "support_vectors_": ("m", "n"),
        "dual_coef_": ("m",),
        "intercept_": float,
        "gamma_": float,
        **_N,
    },
    "RealFakeMixture": {
        "n_init": int,
        "random_state": int | None,
        "weights_": (2,),
        "means_": (2, "n"),
        "covariances_": (2, "n", "n"),
        "separation_": float,
        "separated_": bool,
        **_N,
    },
    "StandardizedRidgeClassifier": {
        "alpha": float,
        "classes_": (2,),
        "mean_": ("n",),
        "scale_": ("n",),
        "coef_": ("n",),
        "intercept_": float,
        **_N,
    },
    "TrainingDomain": {
        "codings_": [str, ...],
        "min_side_": int,
        "max_side_": int,
        "range_": "ClassDistance | NeighbourDistance",
    },
}
DETECTOR: dict[str, Any] = {
    "classifier": (
        "GaussianExpectationAdapter | StandardizedRidgeClassifier | DeliveryPanelClassifier"
    ),
    "calibrator": "LikelihoodRatioCalibrator",
    "domain": "TrainingDomain",
    "held_out": [(None,), (None,)],
    "training_hashes": [(None, 32), (None, 32)],
    "features": {*_N_FEATURES},
    "spectrum": {*get_args(Spectrum)},
    "max_fpr": float | None,
    "score_adapter": "GaussianExpectationAdapter | None",
    "by_delivery": "DeliveryEvidence | None",
    "info": dict,
}
OPTIONAL = {"distance_before_", "distance_after_", "agrees_", "by_delivery"}  # may be missing
_WHOLE = {"classes_": "i", "groups_": "i", "source_labels_": "i", "training_hashes": "u"}
_STORED = {  # data types of arrays, in words
    "f": ("fractions", ("f2", "f4", "f8")),
    "i": ("whole numbers", ("i4", "i8")),
    "u": ("bytes", ("u1",)),
}


def name_of(kind: type) -> str:
    """Name of a class in model files; empty if they cannot hold it."""
    return _NAMES.get(f"{kind.__module__}:{kind.__qualname__}", "")


def class_of(name: str) -> type[Any]:
    """Class that a model file means by a name of ``CLASSES``."""
    found: type[Any] = pkgutil.resolve_name(CLASSES[name])
    return found


def check_members(members: dict[str, Any], expected: dict[str, Any], owner: str) -> None:
    """Raise an error for members that are missing, unknown, or of a wrong type, shape or value."""
    missing = expected.keys() - members.keys() - OPTIONAL
    unknown = members.keys() - expected.keys()
    for word, names in (("lacks", missing), ("has unknown members:", unknown)):
        if names:
            raise ValueError(f"{owner} {word} {', '.join(sorted(names))}")
    sizes: dict[str, int] = {"n": members["n_features_in_"]} if "n_features_in_" in members else {}
    for name, member in members.items():
        _check(member, expected[name], sizes, f"{owner}.{name}", _WHOLE.get(name, "f"))
    check_object(owner, members)


def check_parts_fit(state: dict[str, Any]) -> None:
    """Raise an error if the parts of a detector do not belong together."""
    six = state["features"] == "asynchrony"
    classifier, known, moved = state["classifier"], state["domain"].range_, state["score_adapter"]
    if (name_of(type(classifier)) == "GaussianExpectationAdapter") != six:
        raise ValueError(f"the classifier does not fit the {state['features']} features")
    if (name_of(type(known)) == "ClassDistance") != six:
        raise ValueError(f"the domain does not fit the {state['features']} features")
    n_features = _N_FEATURES[state["features"]]
    widths = {known.means_.shape[1] if six else len(known.center_)}
    widths |= _widths(classifier) if six else {classifier.n_features_in_}
    if widths != {n_features}:
        raise ValueError(f"the parts are for {sorted(widths)} features, not for {n_features}")
    by_delivery = state.get("by_delivery")
    if moved is not None and (six or by_delivery is not None or _widths(moved) != {1}):
        raise ValueError("the score adapter does not fit the detector")
    if by_delivery is not None:
        _check_groups(by_delivery, classifier)
    if state["max_fpr"] is not None:
        false_alarm_threshold(state["held_out"][0], state["max_fpr"])  # an error if there is none
    check_info(state["info"])


def _check_groups(known: DeliveryEvidence, classifier: Any) -> None:
    """Raise an error if the evidence by delivery does not fit the members of a panel."""
    if not isinstance(classifier, DeliveryPanel):
        raise ValueError("only a panel distinguishes deliveries")
    groups, n_members = known.groups_, len(classifier.centers_)
    if len(groups) != len(known.parts_):
        raise ValueError(f"{len(groups)} groups of deliveries have {len(known.parts_)} parts")
    if (np.diff(groups) <= 0).any() or groups[0] < 0 or groups[-1] >= n_members:
        raise ValueError(f"the groups of deliveries are not numbers of the {n_members} members")


def _widths(adapter: Any) -> set[int]:
    """Numbers of features of the parts of an adapter."""
    scalers = [adapter.source_scaler_, adapter.target_scaler_]
    return {part.n_features_in_ for part in (adapter, adapter.estimator_, *scalers)}


def _check(member: Any, expected: Any, sizes: dict[str, int], where: str, kind: str) -> None:
    if isinstance(expected, tuple):
        _check_array(member, expected, sizes, where, kind)
    elif isinstance(expected, list):
        items = member if isinstance(member, (list, tuple)) else None
        if items is not None and expected[-1] is ...:
            expected = expected[:1] * len(items)
        if items is None or len(items) != len(expected):
            raise ValueError(f"{where} is not a list of the right length")
        for item, each in zip(items, expected, strict=True):
            _check(item, each, sizes, where, kind)
    elif isinstance(expected, set):
        if not isinstance(member, str) or member not in expected:
            raise ValueError(f"{where} is not one of {', '.join(sorted(expected))}")
    elif not _is_a(member, expected):
        raise ValueError(f"{where} is {type(member).__name__}, which is not allowed")
    elif isinstance(member, (int, float)):
        check_range(member, where)


def _check_array(
    member: Any, lengths: tuple[Any, ...], sizes: dict[str, int], where: str, kind: str
) -> None:
    words, types_ = _STORED[kind]
    if not isinstance(member, np.ndarray) or member.dtype.str[1:] not in types_:
        raise ValueError(f"{where} is not an array of {words}")
    if member.ndim != len(lengths):
        raise ValueError(f"{where} has {member.ndim} dimensions, not {len(lengths)}")
    for length, name in zip(member.shape, lengths, strict=True):
        expected = sizes.setdefault(name, length) if isinstance(name, str) else name
        if expected not in (None, length):
            raise ValueError(f"{where} has shape {member.shape}: {length} should be {expected}")
    if member.size:
        check_range(member, where)
    elif kind != "u":  # pictures in memory have no hashes
        raise ValueError(f"{where} is empty")


def _is_a(member: Any, expected: Any) -> bool:
    if isinstance(expected, str):
        name = "None" if member is None else name_of(type(member))
        return name in expected.split(" | ")
    kinds = get_args(expected) or (expected,)
    if isinstance(member, (bool, np.bool_)):
        return bool in kinds
    if isinstance(member, (float, np.floating)):
        return float in kinds and math.isfinite(member)
    if isinstance(member, (int, np.integer)):
        return int in kinds or float in kinds
    return any(type(member) is kind for kind in kinds)
