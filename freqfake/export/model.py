"""The whole ONNX file: the graph, and what else a verdict needs."""

import json
from contextlib import suppress
from typing import Any

import numpy as np

from .._files import PathLike, whole_file
from .._optional import extra
from .._version import __version__
from ..detector.detector import Detector
from ..detector.model import MIN_LLR
from ..detector.scoring import TRIAL
from ..evidence.domain import COLOUR_MODES, EQUAL_CHANNELS
from ..exceptions import OperatingPointError
from ..features.rich import MIN_SIDE
from .graph import IR_VERSION, OPSET, Graph, Tensor, side
from .rich import rich_features
from .spectra import asynchrony_features
from .verdict import by_group, distance_of, group_of, llr_of, score_of

FORMAT_VERSION = 2  # of what is stored besides the graph

_RATES = (0.05, 0.02, 0.01, 0.005, 0.002, 0.001)  # of false alarms, the usual ones
_RECOMPRESSION = {"quality": 95, "subsampling": TRIAL}  # as in freqfake.batch.copies.reencoded


def export_onnx(detector: Detector, path: PathLike) -> dict[str, Any]:
    """Write a detector as an ONNX file.

    Parameters
    ----------
    detector : Detector
    path : str or path-like
        An older file is replaced once the new one is complete.

    Returns
    -------
    dict
        What a verdict needs besides the outputs, see :doc:`/onnx`; also in the file, as JSON in
        the metadata property ``freqfake``.

    Raises
    ------
    MissingExtraError
        The extra ``onnx`` is not installed.
    ValueError
        The detector uses the student, whose network is ``student.onnx`` of the package.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> import freqfake
    >>> from freqfake.export import export_onnx
    >>> about = export_onnx(freqfake.load_detector("lewoo"), "lewoo.onnx")  # doctest: +SKIP
    """
    if detector.features == "student":
        raise ValueError(
            "a model of the student cannot be exported: its network is in ONNX already"
        )
    about = about_detector(detector)
    graph = Graph()
    outputs = _outputs(detector, Tensor(graph, "image"))
    data = _file(graph, outputs, json.dumps(about))
    with whole_file(path) as file:
        file.write(data)
    return about


def about_detector(detector: Detector) -> dict[str, Any]:
    """Gather what a verdict needs besides the outputs, as plain values."""
    rich = detector.features == "rich"
    thresholds = {}
    for rate in _RATES:
        with suppress(OperatingPointError):
            thresholds[str(rate)] = _thresholds(detector, rate)
    return {
        "format": FORMAT_VERSION,
        "freqfake": __version__,
        "sha256": detector.sha256,
        "info": detector.info,
        "features": detector.features,
        "spectrum": None if rich else detector.spectrum,
        "modes": sorted(COLOUR_MODES),
        "codings": list(detector.domain.codings_),
        "sides": list(detector.domain.side_limits()),
        "max_distance": detector.domain.range_.limit_,
        "max_distance_fake": detector.domain.limit_of_fake,
        "equal_channels": None if rich else EQUAL_CHANNELS,
        "min_llr": MIN_LLR,
        "max_fpr": detector.max_fpr,
        "thresholds": thresholds,
        "recompression": _RECOMPRESSION if rich else None,
    }


def _thresholds(detector: Detector, rate: float | None) -> list[float]:
    """Find the threshold in each group of deliveries."""
    return [detector.threshold(rate, evidence=part) for part in detector.evidence_by_group]


def _outputs(detector: Detector, image: Tensor) -> dict[str, Tensor]:
    if detector.features == "rich":
        shorter = side(image, 0).op("Min", side(image, 1))
        too_small = shorter.op("Less", MIN_SIDE)
        features = rich_features(image) + too_small.op("Where", np.nan, 0.0)
    else:
        features = asynchrony_features(image, detector.spectrum)
    score = score_of(detector, features).op("Squeeze")
    group = group_of(detector, features)
    return {
        "score": score,
        "llr": llr_of(detector, score, group),
        "threshold": by_group(_thresholds(detector, None), group),
        "distance": distance_of(detector, features),
        "group": group.double(),
        "features": features,
    }


def _file(graph: Graph, outputs: dict[str, Tensor], about: str) -> bytes:
    """Return the bytes of the ONNX file, which has passed ONNX's own checker."""
    with extra("onnx", "onnx"):
        import onnx
    helper, kinds = onnx.helper, onnx.TensorProto
    nodes = [helper.make_node(*node[:3], **node[3]) for node in graph.nodes]
    nodes += [helper.make_node("Identity", [made.name], [name]) for name, made in outputs.items()]
    shapes = {name: ["n_features"] if name == "features" else [] for name in outputs}
    described = helper.make_graph(
        nodes,
        "freqfake",
        [helper.make_tensor_value_info("image", kinds.UINT8, ["n_rows", "n_cols", 3])],
        [helper.make_tensor_value_info(n, kinds.DOUBLE, shape) for n, shape in shapes.items()],
        [onnx.numpy_helper.from_array(array, name) for name, array in graph.constants.values()],
    )
    model = helper.make_model(
        described,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="freqfake",
        producer_version=__version__,
    )
    helper.set_model_props(model, {"freqfake": about})
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))
