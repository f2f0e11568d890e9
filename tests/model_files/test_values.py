"""One wrong value in an intact model file: an error in words, or scores that are still numbers."""

import copy
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

import freqfake
from freqfake import GaussianExpectationAdapter, ModelFileError, load_detector
from freqfake.batch.extraction import iter_features
from freqfake.cli import main
from freqfake.model_files.tensors import digest, read_tensors

LEWOO = Path(freqfake.__file__).parent / "model_files" / "embedded" / "lewoo.safetensors"
HOSTILE = [
    None, True, 0, -1, 0.5, 2**63, 10**400, -1e308, 1e-320, "", "<b>\n\x1b[31m\ud800", [1], {},
    {"$array": "held_out.0"}, {"$class": "Evidence"},
]  # fmt: skip
FILLINGS = (math.nan, math.inf, -1e308, 1e308, 1e-320, 0, 1, -1)
FORMS = {
    "half": lambda array: array.astype("f2"),
    "whole": lambda array: array.astype("i8"),
    "long": lambda array: array.astype("u8"),
    "truths": lambda array: array.astype(bool),
    "empty": lambda array: array[:0],
    "shorter": lambda array: array[:-1],
    "narrower": lambda array: array[..., :-1],
    "flat": lambda array: array.ravel(),
    "deeper": lambda array: array[np.newaxis],
    "turned": lambda array: array.T,
    "negative": lambda array: -array,
    "huge": lambda array: (array + 1) * 1e15,
    "repeated": lambda array: np.concatenate([array, array]),
}
KEPT = {  # of arrays of `faces`, so that it is read faster
    "by_delivery.parts_": 400, "classifier.coef_": 3, "classifier.intercept_": 3,
    "domain.range_.references_": 400, "held_out": 400, "training_hashes": 400,
}  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The embedded models, `lewoo` after an adaptation, and `faces` with an adapter of scores."""
    folder = tmp_path_factory.mktemp("models")
    faces, lewoo = load_detector("faces"), load_detector("lewoo")
    lewoo.classifier.adapt(2 * lewoo.classifier.source_ + 1)
    lewoo.save(folder / "lewoo.safetensors")
    scores = np.concatenate([side[:200] for side in faces.held_out])[:, np.newaxis]
    faces.score_adapter = GaussianExpectationAdapter().fit(scores, np.repeat([0, 1], 200))
    faces.by_delivery = None
    faces.save(folder / "adapted.safetensors")
    return {
        "faces": LEWOO.with_stem("faces"),
        "lewoo": folder / "lewoo.safetensors",
        "adapted": folder / "adapted.safetensors",
    }


@pytest.fixture(scope="module")
def pictures(samples):
    """A real and a generated picture, by feature set."""
    files = [sorted(samples.glob(f"{side}/*"))[0] for side in ("real", "fake")]
    return {kind: [*iter_features(files, features=kind)] for kind in ("asynchrony", "rich")}


def leaves(tree, *place):
    """Places of everything in a tree; of the many alike parts of a list, the last."""
    if place:
        yield place
    if isinstance(tree, dict) and "$array" not in tree:
        for key, item in tree.items():
            yield from leaves(item, *place, key)
    elif isinstance(tree, list):
        start = len(tree) - 1 if len(tree) > 2 else 0
        for number, item in enumerate(tree[start:], start):
            yield from leaves(item, *place, number)


def at(tree, place):
    for step in place:
        tree = tree[step]
    return tree


def changes(state, arrays, part):
    """Every change of one value of a part: its place, what it is, the changed state and arrays."""
    for place in leaves(at(state, part), *part):
        old = at(state, place)
        for value in HOSTILE:
            changed = copy.deepcopy(state)
            at(changed, place[:-1])[place[-1]] = value
            kept = arrays
            if isinstance(old, (dict, list)) or value == {}:  # arrays in it would be left over
                start = ".".join(map(str, place))
                kept = {k: v for k, v in arrays.items() if k != start and f"{start}." not in k}
            yield place, str(value)[:20], changed, kept
        if isinstance(old, dict) and "$array" in old:
            for words, array in wrong_arrays(arrays[old["$array"]]):
                yield place, words, state, {**arrays, old["$array"]: array}


@np.errstate(all="ignore")
def wrong_arrays(array):
    """Wrong values for an array, by what they are; infinities are in one place only."""
    wrong = {words: np.require(form(array), requirements="C") for words, form in FORMS.items()}
    for value in FILLINGS:
        if math.isfinite(value) or array.dtype.kind == "f":
            filled = wrong[f"filled with {value}"] = array.copy()
            filled.flat[slice(None) if math.isfinite(value) else -1] = np.float64(value)
    return wrong.items()


def written(path, whole, state, arrays):
    manifest = {**whole, "state": state, "sha256": digest(state, arrays)}
    path.write_bytes(save(arrays, metadata={"freqfake": json.dumps(manifest)}))
    return path


def check_honest(detector, pictures):
    """What a command shows of pictures can be computed, and is a number where it should be."""
    for picture in pictures[detector.features]:
        row = detector.row(picture)
        assert math.isfinite(row["score"])
        assert abs(row["llr"]) <= 9
        assert 0 <= row["p_fake"] <= 1
        assert row["verdict"] in ("real", "fake", "inconclusive")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::freqfake.exceptions.SeparationWarning")
@pytest.mark.parametrize(
    ("name", "part"), [("faces", ()), ("lewoo", ()), ("adapted", ("score_adapter",))]
)
def test_any_wrong_value_is_refused_or_harmless(tmp_path, models, pictures, name, part):
    whole, arrays = read_tensors(models[name], "detector")
    for start, length in KEPT.items():
        arrays |= {k: array[:length] for k, array in arrays.items() if k.startswith(start)}
    path, n_refused, faults = tmp_path / "m.safetensors", 0, []
    check_honest(load_detector(written(path, whole, whole["state"], arrays)), pictures)
    for place, words, state, changed in changes(whole["state"], arrays, part):
        written(path, whole, state, changed)
        try:
            detector = load_detector(path)
            check_honest(detector, pictures)
            if place[0] not in ("classifier", "score_adapter"):  # it does not show these
                assert str(detector.card())
        except ModelFileError as error:
            n_refused += 1
            if not re.fullmatch(f"{re.escape(str(path))} .{{1,400}}", str(error)):  # one line
                faults.append(f"{place} {words}: {error!r:.500}")
        except Exception as error:
            faults.append(f"{place} {words}: {error!r:.200}")
    assert not faults, f"{len(faults)} of these: " + "\n".join(faults[:40])
    assert n_refused > 400


def one_class(state, arrays):
    arrays["classifier.source_labels_"][:] = 1


def with_value(value, *place):
    def change(state, arrays):
        at(state, place[:-1])[place[-1]] = value

    return change


WRONG = {
    "versions": (with_value(None, "info", "versions"), "info.versions is not a mapping"),
    "slope": (with_value(10**400, "calibrator", "slope_"), "slope_ must lie between 0 and 1e+15"),
    "crossed bounds": (
        with_value(0.1, "calibrator", "lower_bound_"),
        "lower_bound_ must lie between -9 and 0",
    ),
    "crossed sides": (
        with_value(1025, "domain", "min_side_"),
        "TrainingDomain: the shortest side is longer than the longest",
    ),
    "one class": (one_class, "GaussianExpectationAdapter: the labels hold one class only"),
    "seed": (
        with_value(-1, "classifier", "random_state"),
        "random_state must lie between 0 and 4.29497e+09",
    ),
    "rate": (with_value(1, "max_fpr"), "`max_fpr` must lie between 0 and 1; got 1"),
    "too small a rate": (with_value(0.01, "max_fpr"), "70 held-out real pictures support a false"),
    "truth for number": (with_value(True, "domain", "min_side_"), "min_side_ is bool"),
    "number for truth": (
        with_value(1, "classifier", "source_scaler_", "separated_"),
        "separated_ is int",
    ),
    "more simulated": (with_value(201, "info", "n_simulated"), "info.n_simulated is larger than"),
}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("command", ["score", "info"])
def test_commands_refuse_wrong_values(tmp_path, samples, capsys, kind, command):
    change, words = WRONG[kind]
    whole, arrays = read_tensors(LEWOO, "detector")
    change(whole["state"], arrays)
    path = written(tmp_path / "m.safetensors", whole, whole["state"], arrays)
    picture = str(samples / "real" / "astronaut.png")
    arguments = {"info": [str(path)], "score": [picture, "--model", str(path)]}
    assert main([command, *arguments[command]]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"freqfake: error: {path} is not a model of freqfake, or is")
    assert words in printed.err
    assert printed.err.count("\n") == 1


def test_what_cannot_be_loaded_is_not_saved(tmp_path):
    detector = load_detector("lewoo")
    detector.calibrator.slope_ = math.nan
    with pytest.raises(ValueError, match="slope_ is float, which is not allowed"):
        detector.save(tmp_path / "m.safetensors")
    assert not [*tmp_path.iterdir()]
