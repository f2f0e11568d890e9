"""Which values the members of a model file may have, besides their types and shapes.

Within these limits no score can overflow: all numbers are finite, and so are their quotients.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

_LARGEST = 1e15
_LEAST = 1e-30  # of what is divided by
_WIDTH = (_LEAST, _LARGEST)
_BOUND = 9  # log10 of a likelihood ratio; no training has 10^9 pictures
_RANGES: dict[str, tuple[float, float]] = {
    "C": (_LEAST, 1e6),
    "alpha": (0, _LARGEST),
    "distance_after_": (0, 1),
    "distance_before_": (0, 1),
    "gamma": _WIDTH,
    "gamma_": _WIDTH,
    "limit_": _WIDTH,
    "lower_bound_": (-_BOUND, 0),
    "max_side_": (1, _LARGEST),
    "min_side_": (1, _LARGEST),
    "n_init": (1, 1000),
    "random_state": (0, 2**32 - 1),
    "reach": _WIDTH,
    "scale_": _WIDTH,
    "separation_": (0, _LARGEST),
    "slope_": (0, _LARGEST),
    "source_labels_": (0, 1),
    "upper_bound_": (0, _BOUND),
    "usual_": _WIDTH,
    "weights_": (_LEAST, 1),
}
_ANY = (-_LARGEST, _LARGEST)
_ROUNDING = 1e-6
_COUNTS = ("n_real", "n_fake", "n_simulated", "adapted_to")
_MAPPINGS = ("versions", "training_data", "metrics")


def check_range(member: Any, where: str) -> None:
    """Raise an error for a number, or an array with a number, beyond its limits.

    Parameters
    ----------
    member : int, float or ndarray
    where : str
        Its name after its owner's, such as ``LikelihoodRatioCalibrator.slope_``.
    """
    low, high = _RANGES.get(where.rpartition(".")[2], _ANY)
    is_array = isinstance(member, np.ndarray)
    # As Python's numbers: a limit may be more than an array of 16 bits can hold.
    least, most = (member.min().item(), member.max().item()) if is_array else (member, member)
    if low <= least and most <= high:
        return
    if is_array and not np.isfinite(member).all():
        raise ValueError(f"{where} holds NaN or infinity")
    raise ValueError(f"{where} must lie between {low:g} and {high:g}")


def check_object(name: str, members: dict[str, Any]) -> None:
    """Raise an error if the members of an object of the class `name` contradict each other."""
    fault = _fault(name, members)
    if fault:
        raise ValueError(f"{name}: the {fault}")


def _fault(name: str, members: dict[str, Any]) -> str:
    """Name the members that are wrong; empty if there are none."""
    if "classes_" in members and members["classes_"].tolist() != [0, 1]:
        return "classes are not 0 and 1"
    match name:
        case "ClassDistance" if not _is_definite(members["precisions_"], -_ROUNDING):
            return "precisions are not those of covariances"
        case "GaussianExpectationAdapter" if len(np.unique(members["source_labels_"])) != 2:
            return "labels hold one class only"
        case "GaussianExpectationScaler" if _coincide(members):
            return "expectations coincide"
        case "GaussianExpectationScaler" if not _mixtures_fit(members):
            return "mixtures do not fit the features"
        case "RealFakeMixture" if abs(members["weights_"].sum() - 1) > _ROUNDING:
            return "weights do not add up to 1"
        case "RealFakeMixture" if not _is_definite(members["covariances_"], 0):
            return "covariances are not positive definite"
        case "TrainingDomain" if members["min_side_"] > members["max_side_"]:
            return "shortest side is longer than the longest"
    return ""


def _coincide(members: dict[str, Any]) -> bool:
    gaps = np.abs(members["fake_expectation_"] - members["real_expectation_"])
    return bool(gaps.min() < _LEAST)


def _mixtures_fit(members: dict[str, Any]) -> bool:
    n = members["n_features_in_"]
    widths = {"joint": [n], "per_feature": [1] * n, "moments": []}[members["expectations"]]
    return [mixture.n_features_in_ for mixture in members["mixtures_"]] == widths


def _is_definite(matrices: npt.NDArray[Any], least: float) -> bool:
    """Whether matrices are symmetric, and their eigenvalues larger than `least`.

    They are scaled to a diagonal of 1, so that units do not matter.
    """
    diagonals = np.diagonal(matrices.astype(float), axis1=1, axis2=2)
    if diagonals.min() < _LEAST:
        return False
    widths = np.sqrt(diagonals)
    scaled = matrices / (widths[:, :, np.newaxis] * widths[:, np.newaxis, :])
    asymmetry = np.abs(scaled - np.swapaxes(scaled, 1, 2)).max()
    return bool(asymmetry <= 1e-3 and np.linalg.eigvalsh(scaled).min() > least)


def check_info(info: dict[str, Any]) -> None:
    """Raise an error if what a model says of its training is not plain, or cannot be shown.

    Everything in it may be missing, and more may be there.
    """
    _check_plain(info, "info")
    for name in ("name", "note"):
        if not isinstance(info.get(name, ""), str):
            raise ValueError(f"info.{name} is not text")
    for name in _COUNTS:
        number = info.get(name, 0)
        if type(number) is not int or number < 0:
            raise ValueError(f"info.{name} is not a number of pictures")
    if info.get("n_simulated", 0) > info.get("n_fake", 0):
        raise ValueError("info.n_simulated is larger than info.n_fake")
    for name in _MAPPINGS:
        if not isinstance(info.get(name, {}), dict):
            raise ValueError(f"info.{name} is not a mapping")
    if not all(isinstance(number, str) for number in info.get("versions", {}).values()):
        raise ValueError("info.versions are not text")


def _check_plain(value: Any, where: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _check_plain(item, f"{where}.{key}")
    elif isinstance(value, list):
        for item in value:
            _check_plain(item, where)
    elif isinstance(value, (int, float)):
        check_range(value, where)
    elif value is not None and not isinstance(value, str):
        raise ValueError(f"{where} is {type(value).__name__}, which is not allowed")
