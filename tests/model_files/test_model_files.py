"""Damaged, malicious and other files in place of models: one clear error each, no code run."""

import io
import json
import os
import pickle
import pickletools
import re
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pytest
from helpers import rich_extractions, run, scores_of_two_groups, train_panel
from safetensors.numpy import save

import freqfake
from freqfake import ModelFileError, load_detector
from freqfake.cli import main
from freqfake.model_files.state import load_state, read_manifest
from freqfake.model_files.tensors import MAX_BYTES, digest, read_tensors

EMBEDDED = Path(freqfake.__file__).parent / "model_files" / "embedded" / "lewoo.safetensors"


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "sprung"

    def __reduce__(self):
        return Path.touch, (self.file,)


def refusal(path) -> str:
    """Message after the name of the file, which is the same from every reader."""
    messages = set()
    for read in (load_detector, load_state, read_manifest):
        with pytest.raises(ModelFileError) as caught:
            read(path)
        messages.add(str(caught.value))
    (message,) = messages
    assert message.startswith(f"{path} ")
    assert "\n" not in message
    return message.removeprefix(f"{path} ")


# Files of other kinds


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("size", [1, 100_000])
def test_pickles_are_refused_by_name(tmp_path, protocol, size):
    path = tmp_path / "model.safetensors"
    data = pickle.dumps([Trap(tmp_path), list(range(size))], protocol)
    path.write_bytes(data)
    assert refusal(path).startswith("is a pickle: loading one runs any code")
    assert not (tmp_path / "sprung").exists()
    if size == 1:
        assert pickletools.genops(data)
        pickle.loads(data)
        assert (tmp_path / "sprung").exists()  # the trap works


@pytest.mark.parametrize("packer", [0, "zlib", "gzip"])
def test_dumps_of_joblib_are_refused_by_name(tmp_path, packer):
    path = tmp_path / "model.joblib"
    joblib.dump({"trap": Trap(tmp_path), "X": np.ones(1000)}, path, compress=packer and (packer, 3))
    words = refusal(path)
    assert words.startswith("is a pickle" if packer == 0 else "is compressed, as joblib.dump")
    assert "any code" in words
    assert not (tmp_path / "sprung").exists()


def as_zip(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, b"\x80\x04.")
    return stream.getvalue()


NO_MODEL = "is not a model of freqfake"
OTHERS = {
    "torch": (as_zip("model/data.pkl", "model/version"), "is a ZIP archive, as torch.save, Keras"),
    "keras": (as_zip("config.json", "model.weights.h5"), "is a ZIP archive, .* safetensors file"),
    "safetensors": (struct.pack("<Q", 2) + b"{}", "is a safetensors file, but not a model of"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "is an HDF5 file, .*freqfake deep score --weights"),
    "onnx": (b"\x08\x08\x12\x07pytorch\x1a\x03", "is an ONNX file: .*onnxruntime runs them"),
    "onnx of 2017": (b"\x08\x03\x12\x07pytorch\x1a\x03", "is an ONNX file"),
    "beginning like a pickle": (b"\x80\x09" + bytes(99), NO_MODEL),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(99), NO_MODEL),
    "html": (b"<!DOCTYPE html><title>404</title>", NO_MODEL),
    "json": (b' {"model": []}', NO_MODEL),
    "text": (b"hello", NO_MODEL),
    "program": (b"\x7fELF" + bytes(99), NO_MODEL),
    "empty": (b"", "is empty"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_errors_name_the_type_of_other_files(tmp_path, kind):
    data, expected = OTHERS[kind]
    (tmp_path / "model.safetensors").write_bytes(data)
    assert re.match(expected, refusal(tmp_path / "model.safetensors"))


def test_paths_that_are_not_files(tmp_path):
    assert refusal(tmp_path) == "is a folder, not a file"
    assert refusal(EMBEDDED / "x").startswith("cannot be read: ")
    with pytest.raises(ModelFileError, match="no such model: nobody is neither a file nor"):
        load_detector("nobody")
    with pytest.raises(ModelFileError, match="null"):
        load_detector("a\0b")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are not available")
def test_inputs_that_never_end(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe") == "is a device, a pipe or a socket, not a file"
    if Path("/dev/zero").exists():
        assert refusal("/dev/zero") == "is a device, a pipe or a socket, not a file"
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert refusal(tmp_path / "loop").startswith("cannot be read: ")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    assert refusal(tmp_path / "large").startswith("has 1099511627776 bytes, more than")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads anything")
def test_a_file_without_read_permission(tmp_path):
    (tmp_path / "m.safetensors").write_bytes(EMBEDDED.read_bytes())
    (tmp_path / "m.safetensors").chmod(0)
    assert refusal(tmp_path / "m.safetensors") == "cannot be read: Permission denied"


# Damaged files


def test_every_cut_is_refused(tmp_path):
    data = EMBEDDED.read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    edges = [start + step for start in (0, 8, header) for step in (1, 2, 30, 150)]
    for size in {*edges, header, *np.linspace(1, len(data) - 1, 50, dtype=int)}:
        (tmp_path / "m.safetensors").write_bytes(data[:size])
        assert "is " in refusal(tmp_path / "m.safetensors")
    for damaged in (data + b"\0", b"\0" + data):
        (tmp_path / "m.safetensors").write_bytes(damaged)
        assert "is " in refusal(tmp_path / "m.safetensors")


def test_every_flipped_bit_is_refused(tmp_path):
    data = EMBEDDED.read_bytes()
    path = tmp_path / "m.safetensors"
    header = 8 + int.from_bytes(data[:8], "little")
    rng = np.random.default_rng(0)
    places = [*range(100), *range(header - 50, header + 50), *range(len(data) - 20, len(data))]
    for place in [*places, *rng.choice(len(data), 150, replace=False)]:
        damaged = bytearray(data)
        damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError):
            load_state(path)


def rewritten(path, change=lambda tree, arrays: None, *, signed=True, source=EMBEDDED, **manifest):
    """Write a model with a changed tree, changed arrays or another manifest."""
    whole, arrays = read_tensors(source, "detector")
    change(whole["state"], arrays)
    if signed:
        whole["sha256"] = digest(whole["state"], arrays)
    written(path, {**whole, **manifest}, arrays)
    return path


def written(path, manifest, arrays):
    text = manifest if isinstance(manifest, str) else json.dumps(manifest)
    path.write_bytes(save(arrays, metadata={"freqfake": text}))


def test_the_rewritten_file_is_read(tmp_path):
    assert (
        load_detector(rewritten(tmp_path / "m.safetensors")).sha256 == load_detector("lewoo").sha256
    )


def test_a_changed_number_is_detected(tmp_path):
    def change(tree, arrays):
        arrays["held_out.0"][0] = np.nextafter(arrays["held_out.0"][0], 9)

    words = "is damaged: its content does not match its SHA-256"
    assert words in refusal(rewritten(tmp_path / "m.safetensors", change, signed=False))
    assert load_detector(
        rewritten(tmp_path / "n.safetensors", change)
    )  # changing the hash as well is not detected


def test_other_formats(tmp_path):
    path = tmp_path / "m.safetensors"
    for number in (0, 2):
        assert refusal(rewritten(path, format=number)) == (
            f"has model format {number}, but this version of freqfake reads format 1: upgrade "
            "freqfake (pip install -U freqfake), or train the model again"
        )
    for number in ("1", None, 1.5, [1]):
        assert refusal(rewritten(path, format=number)).startswith("is damaged: its manifest")
    assert refusal(rewritten(path, more=1)).startswith("is damaged: its manifest")
    assert refusal(rewritten(path, kind="os.system")).startswith("is damaged: its manifest")
    for text in ("", "{", "[]", "null", "\xff", '{"format": 1}', '{"format": NaN}'):
        written(path, text, {})
        assert "is damaged" in refusal(path)


def test_a_network_is_not_a_detector(tmp_path):
    words = "holds a network, not a detector: freqfake.deep.load_deep_detector"
    assert words in refusal(rewritten(tmp_path / "m.safetensors", kind="network"))


# Valid files whose content is not that of a model


def without(name):
    def change(tree, arrays):
        owner = tree
        *way, last = name.split(".")
        for step in way:
            owner = owner[step]
        del owner[last]
        for array in [array for array in arrays if array.startswith(name)]:
            del arrays[array]

    return change


def with_array(name, array):
    return lambda tree, arrays: arrays.update({name: array})


def with_value(name, value):
    def change(tree, arrays):
        *way, last = name.split(".")
        for step in way:
            tree = tree[int(step) if step.isdigit() else step]
        tree[last] = value

    return change


def infinite(name):
    def change(tree, arrays):
        arrays[name].flat[-1] = np.nan

    return change


INVALID = {
    "class": (with_value("classifier.$class", "os.system"), "of the class 'os.system'"),
    "class of another kind": (
        with_value("calibrator.$class", "TrainingDomain"),
        "TrainingDomain lacks codings_",
    ),
    "private member": (with_value("calibrator.__class__", 1), "unknown members: __class__"),
    "method": (with_value("calibrator.predict", 1), "unknown members: predict"),
    "missing member": (without("calibrator.slope_"), "LikelihoodRatioCalibrator lacks slope_"),
    "missing part": (without("domain"), "the detector lacks domain"),
    "missing array": (without("domain.range_.means_"), "ClassDistance lacks means_"),
    "unknown part": (with_value("more", 1), "the detector has unknown members: more"),
    "word": (with_value("features", "neural"), "the detector.features is not one of"),
    "list for word": (with_value("features", ["rich"]), "the detector.features is not one of"),
    "text for number": (with_value("calibrator.slope_", "1"), "slope_ is str"),
    "truth for number": (with_value("calibrator.slope_", True), "slope_ is bool"),
    "fraction for number": (with_value("domain.min_side_", 3.5), "min_side_ is float"),
    "plain tree for object": (with_value("calibrator", {"a": 1}), "calibrator is dict"),
    "other object": (with_value("calibrator", None), "calibrator is NoneType"),
    "list too short": (with_value("held_out", []), "holds unused arrays"),
    "not a list": (with_value("domain.codings_", "PNG"), "codings_ is not a list"),
    "list of others": (with_value("domain.codings_", [1]), "codings_ is int"),
    "NaN": (infinite("classifier.source_"), "source_ holds NaN or infinity"),
    "NaN below": (infinite("classifier.estimator_.mean_"), "mean_ holds NaN or infinity"),
    "shape": (with_array("domain.range_.means_", np.zeros((2, 5))), "has shape (2, 6, 6)"),
    "dimensions": (with_array("held_out.0", np.zeros((2, 5))), "held_out has 2 dimensions, not 1"),
    "whole numbers": (with_array("held_out.0", np.zeros(9, int)), "is not an array of fractions"),
    "fractions": (with_array("training_hashes.0", np.zeros((9, 32))), "not an array of bytes"),
    "truths": (with_array("held_out.0", np.zeros(9, bool)), "is not an array of fractions"),
    "one too many": (with_array("more", np.zeros(3)), "holds unused arrays: more"),
    "array of another": (
        with_value("held_out", [{"$array": "held_out.1"}] * 2),
        "lacks the array held_out.0",
    ),
    "no scores": (with_array("held_out.0", np.zeros(0)), "the detector.held_out is empty"),
    "zero width": (
        with_array("classifier.estimator_.scale_", np.zeros(6)),
        "scale_ must lie between 1e-30 and 1e+15",
    ),
    "six for rich": (
        with_value("features", "rich"),
        "the classifier does not fit the rich features",
    ),
    "other size": (with_value("classifier.n_features_in_", 7), "has shape"),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # from meaningless numbers
@pytest.mark.parametrize("kind", INVALID)
def test_invalid_content_is_refused(tmp_path, kind):
    change, words = INVALID[kind]
    try:
        path = rewritten(tmp_path / "m.safetensors", change)
    except TypeError:
        path = rewritten(tmp_path / "m.safetensors", change, signed=False)
    with pytest.raises(ModelFileError, match=re.escape(words)) as caught:
        load_detector(path)
    assert str(caught.value).startswith(str(path))


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    """A model that distinguishes two deliveries."""
    path = tmp_path_factory.mktemp("panel") / "m.safetensors"
    train_panel(*rich_extractions(60), scores=scores_of_two_groups(60)).save(path)
    return path


def last_part_removed(tree, arrays):
    tree["by_delivery"]["parts_"].pop()
    for array in [array for array in arrays if array.startswith("by_delivery.parts_.1.")]:
        del arrays[array]


def of_other_size(tree, arrays):
    tree["classifier"]["n_features_in_"] = 6
    for name in ("mean_", "scale_", "coef_", "delivery_coef_"):
        arrays[f"classifier.{name}"] = arrays[f"classifier.{name}"][..., :6].copy()


def all_of_other_size(tree, arrays):
    tree["classifier"]["n_features_in_"] = 6
    for name, array in arrays.items():
        for axis, length in enumerate(array.shape):
            if length == 1800:
                arrays[name] = arrays[name].take(range(6), axis)


def a_ridge_regression(tree, arrays):
    panel = tree["classifier"]
    kept = {name: panel[name] for name in ("alpha", "classes_", "mean_", "scale_", "coef_")}
    kept |= {"n_features_in_": panel["n_features_in_"], "intercept_": 0.0}
    tree["classifier"] = {"$class": "StandardizedRidgeClassifier", **kept}
    arrays["classifier.coef_"] = arrays["classifier.coef_"][0, 0].astype(float).copy()
    for name in ("centers_", "delivery_coef_", "delivery_intercept_", "intercept_"):
        del arrays[f"classifier.{name}"]


GROUPS, MEMBERS = "by_delivery.groups_", "classifier.centers_"
NOT_NUMBERS = "the groups of deliveries are not numbers of the 2 members"
INVALID_PANEL = {
    "too few parts": (last_part_removed, "2 groups of deliveries have 1 parts"),
    "too few groups": (with_array(GROUPS, np.array([0])), "1 groups of deliveries have 2 parts"),
    "no member": (with_array(GROUPS, np.array([0, 2])), NOT_NUMBERS),
    "below 0": (with_array(GROUPS, np.array([-1, 1])), NOT_NUMBERS),
    "twice": (with_array(GROUPS, np.array([1, 1])), NOT_NUMBERS),
    "no groups": (with_array(GROUPS, np.zeros(0, int)), "groups_ is empty"),
    "fractions": (with_array(GROUPS, np.array([0.0, 1.0])), "not an array of whole numbers"),
    "other parts": (
        with_value("by_delivery.parts_.0.$class", "TrainingDomain"),
        "TrainingDomain lacks codings_",
    ),
    "not a part": (with_value("by_delivery.parts_", [1, 1]), "parts_ is int"),
    "too many members": (with_array(MEMBERS, np.zeros((3, 2))), "should be 3"),
    "other coordinates": (with_array(MEMBERS, np.zeros((2, 3))), "should be 3"),
    "one delivery more": (with_array("classifier.intercept_", np.zeros((1, 3))), "should be 2"),
    "one kind more": (with_array("classifier.intercept_", np.zeros((3, 2))), "should be 1"),
    "numbers by delivery only": (
        with_array("classifier.intercept_", np.zeros(2)),
        "intercept_ has 1 dimensions, not 2",
    ),
    "no kinds": (
        with_array("classifier.coef_", np.zeros((2, 1800), np.float32)),
        "coef_ has 2 dimensions, not 3",
    ),
    "other features": (of_other_size, "the parts are for [6, 1800] features, not for 1800"),
    "other features everywhere": (all_of_other_size, "are for [6] features, not for 1800"),
    "no panel": (a_ridge_regression, "only a panel distinguishes deliveries"),
    "no reach": (with_value("classifier.reach", 0.0), "reach must lie between 1e-30 and 1e+15"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", INVALID_PANEL)
def test_evidence_by_delivery_must_fit_the_panel(tmp_path, panel, kind):
    change, words = INVALID_PANEL[kind]
    path = rewritten(tmp_path / "m.safetensors", change, source=panel)
    with pytest.raises(ModelFileError, match=re.escape(words)):
        load_state(path)


def test_evidence_by_delivery_may_be_missing(tmp_path, panel):
    assert load_detector(panel).by_delivery is not None
    path = rewritten(tmp_path / "m.safetensors", without("by_delivery"), source=panel)
    loaded = load_detector(path)
    assert loaded.by_delivery is None
    assert loaded.sha256 == read_manifest(path)["sha256"]


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999"])
def test_numbers_that_are_not_finite(tmp_path, text):
    manifest, arrays = read_tensors(EMBEDDED, "detector")
    slope = manifest["state"]["calibrator"]["slope_"]
    written(tmp_path / "m.safetensors", json.dumps(manifest).replace(str(slope), text), arrays)
    assert "is damaged" in refusal(tmp_path / "m.safetensors")


# Small files that would take much memory or time


def bombs(folder: Path) -> dict[str, str]:
    """Write the files; return words of the error that each must give."""
    manifest, _ = read_tensors(EMBEDDED, "detector")
    text = json.dumps(manifest)

    def raw(name, header, data=b""):
        content = header if isinstance(header, bytes) else json.dumps(header).encode()
        (folder / f"{name}.safetensors").write_bytes(
            struct.pack("<Q", len(content)) + content + data
        )

    metadata = {"__metadata__": {"freqfake": text}}
    for name, shape, end in (("shape", [1 << 40], 8 << 40), ("lie", [1 << 40], 8)):
        raw(name, {**metadata, "a": {"dtype": "F64", "shape": shape, "data_offsets": [0, end]}})
    raw(
        "nothing",
        {**metadata, "a": {"dtype": "F64", "shape": [0, 1 << 62], "data_offsets": [0, 0]}},
    )
    raw("negative", {**metadata, "a": {"dtype": "F64", "shape": [-1], "data_offsets": [0, 8]}})
    raw("long", b"{" + b" " * (2 << 20) + b"}")
    (folder / "stated.safetensors").write_bytes(struct.pack("<Q", 1 << 60) + b"{" + bytes(99))
    raw("nest", b'{"a":' + b"[" * 400_000 + b"]" * 400_000 + b"}")
    written(folder / "deep.safetensors", '{"format": 1, "state": ' + "[" * 400_000, {})
    tree = {"a": 1}
    for _ in range(200):
        tree = {"a": tree}
    sha256 = digest(tree, {})
    nested = {"format": 1, "kind": "detector", "sha256": sha256, "state": tree}
    written(folder / "nested.safetensors", nested, {})
    written(
        folder / "digits.safetensors", text.replace('"format": 1', '"format": ' + "9" * 900_000), {}
    )
    with (folder / "large.safetensors").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    return {
        "shape": "is damaged",
        "lie": "is damaged",
        "nothing": "is damaged",
        "negative": "is damaged",
        "long": "has a longer header than any model",
        "stated": "has a longer header than any model",
        "nest": "is damaged",
        "deep": "is damaged",
        "nested": "is nested too deep",
        "digits": "is damaged",
        "large": "bytes, more than the",
    }


LIMITED = """
import json, resource, sys, time
if sys.platform != "darwin":
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
from freqfake import ModelFileError, load_detector
load_detector("lewoo")
found = {}
for path in sys.argv[1:]:
    start = time.perf_counter()
    try:
        load_detector(path)
        found[path] = ["", time.perf_counter() - start]
    except ModelFileError as error:
        found[path] = [str(error), time.perf_counter() - start]
if sys.platform == "linux":  # ru_maxrss may be that of the parent process
    with open("/proc/self/status") as file:
        megabytes = next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024
else:
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
print(json.dumps([found, megabytes]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="memory cannot be limited in this way")
def test_bombs_take_little_memory_and_time(tmp_path):
    expected = bombs(tmp_path)
    paths = [str(tmp_path / f"{name}.safetensors") for name in expected]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *paths], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found, megabytes = json.loads(done.stdout)
    for path, (name, words) in zip(paths, expected.items(), strict=True):
        message, seconds = found[path]
        assert message.startswith(path), name
        assert words in message
        assert len(message) < 600
        assert seconds < 10, name
    assert megabytes < 512


# On the command line


def commands(model: Path) -> list[list[str]]:
    given = [str(model)]
    return [
        ["score", "x.png", "--model", *given],
        ["report", "x.png", "-o", "x.html", "--model", *given],
        ["evaluate", "--real", "a", "--fake", "b", "--model", *given],
        ["adapt", "a", "--out", "out.safetensors", "--model", *given],
        ["info", *given],
        ["info", "--json", *given],
    ]


@pytest.mark.parametrize("number", range(6))
def test_commands_refuse_a_pickle(tmp_path, monkeypatch, capsys, number):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(pickle.dumps(Trap(tmp_path)))
    assert main(commands(path)[number]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"freqfake: error: {path} is a pickle: loading one runs any")
    assert captured.err.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_program_prints_a_one_line_error(tmp_path):
    (tmp_path / "cut.safetensors").write_bytes(EMBEDDED.read_bytes()[:9999])
    done = run("score", "x.png", "--model", tmp_path / "cut.safetensors")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        f"freqfake: error: {tmp_path / 'cut.safetensors'} is not a model of freqfake"
    )
    assert done.stderr.count("\n") == 1
