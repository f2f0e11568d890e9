"""All detectors on the faces that the embedded networks were tested on, in one table."""

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

import freqfake
from freqfake.crops import faces
from freqfake.evidence.calibration import LikelihoodRatioCalibrator
from freqfake.evidence.metrics import cllr
from freqfake.features import student

from .harness.detectors import FILES, RICH, SIX_SVM
from .harness.intervals import auc, figure
from .harness.report import ROOT, Report, marked
from .harness.store import Kind, Store
from .harness.treatments import AS_IS, FILMED
from .network_faces import SETS, WIDE, load, square_of
from .network_verdicts import fusion, scored, verdicts

DELIVERIES = (AS_IS, "512 px, Q40", FILMED)
NETWORKS = ("meso4", "mesoinception4", "student", "dldfd")
N_TRAIN = 1500  # pictures of each side and set that the spectral detectors are trained on
RATE = 0.01  # of false alarms
_CARD = ROOT / "freqfake/model_files/embedded/student.md"
_COPY = "copy 0"
_N_TIMED = 15
_SPECTRAL_KINDS = (SIX_SVM.kind, RICH.kind, FILES.kind)
_kept: list[Any] = []  # pixels and their square


class TestSet(NamedTuple):
    """Pictures to test on, and those of the same kind to calibrate with."""

    title: str
    calibrate: pd.DataFrame
    test: pd.DataFrame


def write_table(work: Path, write: bool) -> None:
    """Measure all detectors, and write the table."""
    report = Report(work / "results", *((ROOT / "docs", _CARD) if write else ()))
    store = Store(work / "features", n_jobs=-1)
    networks = _networks(work)
    sets = {name: load(work, name).table for name in SETS}
    tested = _test_sets(sets)
    for chosen in tested:  # all features of a picture at once: delivery and search take long
        _ensure(store, chosen.calibrate, (AS_IS,), _SPECTRAL_KINDS)
        _ensure(store, chosen.test, DELIVERIES, _SPECTRAL_KINDS)
    kinds = _add_networks(store, networks)
    for chosen in tested:
        _ensure(store, chosen.calibrate, (AS_IS,), kinds)
        _ensure(store, chosen.test, DELIVERIES, kinds)
    detectors = {**_spectral(store, sets), **_by_networks(networks)}
    rows = [
        {"faces": chosen.title, "delivery": delivery, "detector": name, **measured}
        for chosen in tested
        for delivery in DELIVERIES
        for name, measured in _measured(store, chosen, delivery, detectors)
    ]
    report.table("networks", pd.DataFrame(rows))
    report.table("networks_cost", pd.DataFrame(_costs(networks)))
    scores = scored(work)
    report.table("networks_verdicts", verdicts(scores))
    report.table("networks_fusion", fusion(scores))


def _ensure(
    store: Store, table: pd.DataFrame, deliveries: tuple[str, ...], kinds: tuple[str, ...]
) -> None:
    for name, of_set in table.groupby(table.source.map(_set_of)):
        store.ensure(name, of_set.path.tolist(), deliveries, kinds)


def _add_networks(
    store: Store, networks: dict[str, tuple[Callable[..., np.ndarray], Path]]
) -> tuple[str, ...]:
    """Let the store compute what the networks say of the largest face, in this process."""
    store.n_jobs = 1
    file = Path(student.__file__).parent / "student_files" / "student.safetensors"
    computes = {"student": (student.student_features, file, student.N_FEATURES)}
    computes |= {
        _logit_of(name): (functools.partial(logit, in_16_bits=True), file, 1)  # as in training
        for name, (logit, file) in networks.items()
    }
    for name, (compute, file, n) in computes.items():
        store.kinds[name] = Kind(
            lambda pixels, facts, compute=compute, n=n: _of_face(pixels, compute, n),
            (student, faces),
            (file,),
        )
    return tuple(computes)


def _logit_of(network: str) -> str:
    """Name of a kind of features."""
    return f"{network}-logit"


def _networks(work: Path) -> dict[str, tuple[Callable[..., np.ndarray], Path]]:
    """Logit of each network that was trained, and its file."""
    import torch

    from freqfake.deep import load_network

    found = {}
    for name in NETWORKS:
        file = work / name / "best.safetensors"
        if not file.exists():
            continue
        network = load_network(file)[0].to(memory_format=torch.channels_last)
        found[name] = (functools.partial(_logit, network), file)
    return found


def _logit(network: Any, square: np.ndarray, *, in_16_bits: bool = False) -> np.ndarray:
    import torch

    from freqfake.deep.pictures import as_tensor

    pixels = as_tensor(square, network.input_size)[None].float() / 255
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=in_16_bits):
        found: np.ndarray = network(pixels).float().numpy()
    return found


def _of_face(pixels: np.ndarray, compute: Callable[[np.ndarray], np.ndarray], n: int) -> np.ndarray:
    """Compute something of the largest face; crops of the DFDC show nothing else."""
    square = _last_square(pixels)
    return np.full(n, np.nan) if square is None else compute(np.ascontiguousarray(square))


def _last_square(pixels: np.ndarray) -> np.ndarray | None:
    """Largest face; kept for the networks after the first."""
    if _kept and _kept[0] is pixels:
        return _kept[1]
    is_crop = pixels.shape[:2] == (student.SIZE, student.SIZE)
    _kept[:] = [pixels, pixels if is_crop else square_of(pixels)]
    return _kept[1]


Scores = Callable[[Store, pd.DataFrame, str], np.ndarray]


def _spectral(store: Store, sets: dict[str, pd.DataFrame]) -> dict[str, Scores]:
    """Train the spectral detectors on whole pictures, for each set on pictures of that set."""
    found: dict[str, Scores] = {}
    for detector, treatments in ((SIX_SVM, [AS_IS]), (RICH, [AS_IS, _COPY]), (FILES, [AS_IS])):
        decide = {}
        for name, table in sets.items():
            sides = [table[(table.part == "train") & (table.y == y)] for y in (0, 1)]
            rows = pd.concat(s.sample(min(N_TRAIN, len(s)), random_state=0) for s in sides)
            X = [
                store.features(name, rows.path.tolist(), treatment, detector.kind)
                for treatment in treatments
            ]
            decide[name] = detector.fit(np.concatenate(X), np.tile(rows.y, len(treatments)))
        name = "rich features" if detector is RICH else detector.name
        found[name] = functools.partial(_decided, detector.kind, decide)
    return found


def _decided(
    kind: str,
    decide: dict[str, Callable[..., np.ndarray]],
    store: Store,
    table: pd.DataFrame,
    treatment: str,
) -> np.ndarray:
    """Scores by the decision function of each picture's set; 0 without a face."""
    parts = []
    for source, part in table.groupby("source", sort=False):
        name = _set_of(source)
        X = store.features(name, part.path.tolist(), treatment, kind)
        parts.append(np.where(np.isfinite(X).all(axis=1), decide[name](np.nan_to_num(X)), 0.0))
    return np.concatenate(parts)


def _by_networks(networks: dict[str, Any]) -> dict[str, Scores]:
    model = freqfake.load_detector("student")
    cases = {name: (_logit_of(name), _first_column) for name in networks}
    cases["model `student`"] = ("student", model.decision_function)
    return {
        name: functools.partial(_decided, kind, dict.fromkeys(SETS, decide))
        for name, (kind, decide) in cases.items()
    }


def _first_column(X: np.ndarray) -> np.ndarray:
    return X[:, 0]


def _set_of(source: str) -> str:
    return "dfdc" if source == "dfdc" else "generated"


def _test_sets(sets: dict[str, pd.DataFrame]) -> list[TestSet]:
    dfdc, generated = sets["dfdc"], sets["generated"]

    def chosen(title: str, table: pd.DataFrame) -> TestSet:
        table = table.sort_values("source", kind="stable")  # in the order of the features
        return TestSet(title, table[table.part == "calibrate"], table[table.part == "test"])

    of = generated.source.isin
    unseen = generated[generated.part == "unseen"]
    n_each = int(unseen.y.sum())
    unseen = unseen.groupby("y").sample(n_each, random_state=0)  # all fakes, as many real ones
    unseen = unseen.sort_values("source", kind="stable")
    others = generated[generated.part == "calibrate"].sort_values("source", kind="stable")
    return [
        chosen("DFDC, not enlarged", dfdc[dfdc.width >= WIDE]),
        chosen("DFDC, enlarged", dfdc[dfdc.width < WIDE]),
        chosen("StyleGAN 256", generated[of(["stylegan_ffhq256", "stylegan_ffhq256_q95"])]),
        chosen("StarGAN 128", generated[of(["stargan_celeba128"])]),
        TestSet("MobileStyleGAN 1024, left out", others, unseen),
    ]


def _measured(
    store: Store, chosen: TestSet, delivery: str, detectors: dict[str, Scores]
) -> list[tuple[str, dict[str, str]]]:
    """Figures of every detector on a set after a delivery."""
    y = chosen.test.y.to_numpy()
    persons = np.arange(len(y))
    scores = {name: score(store, chosen.test, delivery) for name, score in detectors.items()}
    by_file = figure(auc, y, scores[FILES.name], persons).value
    found = []
    for name, of_test in scores.items():
        known = detectors[name](store, chosen.calibrate, AS_IS)
        calibrator = LikelihoodRatioCalibrator().fit(known, chosen.calibrate.y.to_numpy())
        area = figure(auc, y, of_test, persons)
        recognised = (of_test[y == 1] > np.quantile(of_test[y == 0], 1 - RATE)).mean()
        figures = {
            "AUC": marked(str(area), area.value, by_file),
            "recognised at 1 %": f"{100 * recognised:.0f} %",
            "Cllr": f"{cllr(y, calibrator.predict(of_test)):.2f}",
            "pictures": f"{(y == 0).sum()} + {(y == 1).sum()}",
        }
        found.append((name, figures))
    return found


def _costs(networks: dict[str, Any]) -> list[dict[str, str]]:
    """Milliseconds a face of 224 x 224 on one thread, and bytes of the weights."""
    import torch

    pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    embedded = Path(student.__file__).parent / "student_files" / "student.safetensors"
    cases = {
        "six features": (freqfake.asynchrony_features, None),
        "rich features": (freqfake.rich_features, None),
        "student, onnxruntime": (student.student_features, embedded),
        **networks,
    }
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rows = []
    with threadpool_limits(1):
        for name, (compute, file) in cases.items():
            taken = []
            for _ in range(_N_TIMED + 1):
                start = time.perf_counter()
                compute(pixels)
                taken.append(time.perf_counter() - start)
            size = f"{file.stat().st_size:,}" if file else "-"
            rows.append(
                {
                    "detector": name,
                    "ms a face": f"{np.median(taken[1:]) * 1000:.1f}",
                    "bytes": size,
                }
            )
    torch.set_num_threads(n_threads)
    return rows
