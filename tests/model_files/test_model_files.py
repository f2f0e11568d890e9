"""Files that are no models, damaged, or made to do harm: one clear error each, and no code run."""

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import pickletools
import re
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import joblib
import numpy as np
import pytest
from PIL import Image

import freqfake
from freqfake import ModelFileError, load_detector
from freqfake.cli import main
from freqfake.model_files.npz import MAX_BYTES, read_archive
from freqfake.model_files.state import _digest, load_state, read_manifest, state_digest

EMBEDDED = Path(freqfake.__file__).parent / "model_files" / "embedded" / "lewoo.npz"


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "sprung"

    def __reduce__(self):
        return Path.touch, (self.file,)


def refusal(path) -> str:
    """What the error says after the name of the file, the same from all that read it."""
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
    path = tmp_path / "model.npz"
    data = pickle.dumps([Trap(tmp_path), list(range(size))], protocol)
    path.write_bytes(data)
    assert refusal(path).startswith("is a pickle: loading one runs any code")
    assert not (tmp_path / "sprung").exists()
    if size == 1:
        assert pickletools.genops(data)
        pickle.loads(data)
        assert (tmp_path / "sprung").exists()  # the trap works


@pytest.mark.parametrize("packer", [0, "zlib", "gzip", "bz2", "xz", "lzma"])
def test_dumps_of_joblib_are_refused_by_name(tmp_path, packer):
    path = tmp_path / "model.joblib"
    joblib.dump({"trap": Trap(tmp_path), "X": np.ones(1000)}, path, compress=packer and (packer, 3))
    words = refusal(path)
    assert words.startswith("is a pickle" if packer == 0 else "is ")
    assert "any code" in words
    assert not (tmp_path / "sprung").exists()


def as_zip(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, b"\x80\x04.")
    return stream.getvalue()


def as_picture(form: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, form)
    return stream.getvalue()


def as_npy() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    return stream.getvalue()


OTHERS = {
    "lz4": (b"\x04\x22\x4d\x18" + bytes(99), "is LZ4-compressed, as joblib.dump can write"),
    "zlib": (zlib.compress(b"x"), "is zlib-compressed, as joblib.dump can write"),
    "gzip": (gzip.compress(b"x"), "is gzip-compressed"),
    "bz2": (bz2.compress(b"x"), "is bzip2-compressed"),
    "xz": (lzma.compress(b"x"), "is xz-compressed"),
    "torch": (as_zip("model/data.pkl", "model/version"), "is an archive of torch.save .* a pickle"),
    "skops": (as_zip("schema.json"), "is an archive of skops, .* does not build"),
    "keras": (as_zip("config.json", "model.weights.h5"), "is a Keras archive"),
    "first format": (as_zip("manifest.npy"), "is of model format 1, .* Train the model again"),
    "word": (as_zip("word/document.xml"), r"is an archive without manifest\.json"),
    "safetensors": (struct.pack("<Q", 2) + b"{}", "is a safetensors file .*load_deep_detector"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "is an HDF5 file .*freqfake deep score --weights"),
    "onnx": (b"\x08\x08\x12\x07pytorch\x1a\x03", "is an ONNX file: onnxruntime runs it"),
    "npy": (as_npy(), "is a single array of NumPy's"),
    "png": (as_picture("PNG"), "is a picture. Name it as an input"),
    "jpeg": (as_picture("JPEG"), "is a picture"),
    "webp": (as_picture("WEBP"), "is a picture"),
    "html": (b"\xef\xbb\xbf\n<!DOCTYPE html><title>404</title>", "is HTML or XML: .* Download"),
    "json": (b' {"model": []}', "is JSON. A model is an archive"),
    "text": (b"hello", "is not a model of freqfake"),
    "program": (b"\x7fELF" + bytes(99), "is not a model of freqfake"),
    "empty": (b"", "is empty"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_files_are_told_what_they_are(tmp_path, kind):
    data, expected = OTHERS[kind]
    (tmp_path / "model.npz").write_bytes(data)
    assert re.match(expected, refusal(tmp_path / "model.npz"))


def test_what_is_no_file(tmp_path):
    assert refusal(tmp_path) == "is a folder, not a file"
    assert refusal(EMBEDDED / "x").startswith("cannot be read: ")
    with pytest.raises(ModelFileError, match="no such model: nobody is neither a file nor"):
        load_detector("nobody")
    with pytest.raises(ModelFileError, match="null"):
        load_detector("a\0b")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_what_would_never_end(tmp_path):
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
def test_a_file_that_may_not_be_read(tmp_path):
    (tmp_path / "m.npz").write_bytes(EMBEDDED.read_bytes())
    (tmp_path / "m.npz").chmod(0)
    assert refusal(tmp_path / "m.npz") == "cannot be read: Permission denied"


# Damaged ones


def test_every_cut_is_refused(tmp_path):
    data = EMBEDDED.read_bytes()
    with zipfile.ZipFile(EMBEDDED) as archive:
        starts = [entry.header_offset for entry in archive.infolist()] + [archive.start_dir]
    edges = [start + step for start in starts for step in (0, 1, 30, 60, 150)]
    for size in {*edges, *np.linspace(1, len(data) - 1, 50, dtype=int)}:
        (tmp_path / "m.npz").write_bytes(data[:size])
        assert "is " in refusal(tmp_path / "m.npz")
    (tmp_path / "m.npz").write_bytes(data + b"\0")
    assert "something beside it" in refusal(tmp_path / "m.npz")
    (tmp_path / "m.npz").write_bytes(b"PK\x03\x04 something" + data)
    assert "something beside it" in refusal(tmp_path / "m.npz")


def test_every_flipped_bit_is_refused_or_changes_nothing(tmp_path):
    data = EMBEDDED.read_bytes()
    path = tmp_path / "m.npz"
    expected = load_detector("lewoo").sha256
    with zipfile.ZipFile(EMBEDDED) as archive:
        ends = range(archive.start_dir, archive.start_dir + 140)
    places = [*range(100), *ends, *range(len(data) - 22, len(data))]
    rng = np.random.default_rng(0)
    harmless = []
    for place in [*places, *rng.choice(len(data), 150, replace=False)]:
        damaged = bytearray(data)
        damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            assert state_digest(load_state(path)) == expected
            harmless.append(place)
        except ModelFileError:
            pass
    with zipfile.ZipFile(EMBEDDED) as archive:  # dates and the like, never what is packed
        for entry in archive.infolist():
            packed = range(entry.header_offset + 60, entry.header_offset + 60 + entry.compress_size)
            assert not set(packed[:-60]) & set(harmless)
    assert len(harmless) < 100


def rewritten(path, change=lambda tree, arrays: None, *, signed=True, **manifest):
    """The embedded model with a changed tree, changed arrays or another manifest."""
    text, arrays = read_archive(EMBEDDED)
    whole = json.loads(text)
    change(whole["state"], arrays)
    if signed:
        whole["sha256"] = _digest(whole["state"], arrays)
    written(path, {**whole, **manifest}, arrays)
    return path


def written(path, manifest, arrays, **more: bytes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        text = manifest if isinstance(manifest, str) else json.dumps(manifest)
        archive.writestr("manifest.json", text)
        for name, array in arrays.items():
            stream = io.BytesIO()
            np.lib.format.write_array(stream, array, version=(1, 0))
            archive.writestr(f"{name}.npy", stream.getvalue())
        for name, data in more.items():
            archive.writestr(name, data)


def test_the_rewritten_file_is_read(tmp_path):
    assert load_detector(rewritten(tmp_path / "m.npz")).sha256 == load_detector("lewoo").sha256


def test_one_number_less_is_noticed(tmp_path):
    def change(tree, arrays):
        arrays["held_out.0"][0] = np.nextafter(arrays["held_out.0"][0], 9)

    words = "is damaged: its content has not the SHA-256 that it states"
    assert words in refusal(rewritten(tmp_path / "m.npz", change, signed=False))
    assert load_detector(rewritten(tmp_path / "n.npz", change))  # who changes both is not noticed


def test_other_formats(tmp_path):
    path = rewritten(tmp_path / "m.npz", format=3)
    assert refusal(path) == (
        "has model format 3, this version of freqfake reads format 2: upgrade it with "
        "pip install -U freqfake"
    )
    for number in (1, "2", None, 2.5, [2]):
        assert refusal(rewritten(path, format=number)).startswith("is damaged: its manifest")
    assert refusal(rewritten(path, more=1)).startswith("is damaged: its manifest")
    for text in ("", "{", "[]", "null", "\xff", '{"format": 2}', '{"format": NaN}'):
        written(path, text, {})
        assert "is damaged" in refusal(path)


# Whole ones that hold what no model does


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
            tree = tree[step]
        tree[last] = value

    return change


def infinite(name):
    def change(tree, arrays):
        arrays[name].flat[-1] = np.nan

    return change


STRANGE = {
    "class": (with_value("classifier.$class", "os.system"), "of the class 'os.system'"),
    "class of another kind": (
        with_value("calibrator.$class", "TrainingDomain"),
        "TrainingDomain lacks deliveries_",
    ),
    "private member": (with_value("calibrator.__class__", 1), "unknown members: __class__"),
    "method": (with_value("calibrator.predict", 1), "unknown members: predict"),
    "missing member": (without("calibrator.slope_"), "LikelihoodRatioCalibrator lacks slope_"),
    "missing part": (without("domain"), "the detector lacks domain"),
    "missing array": (without("domain.range_.means_"), "ClassDistance lacks means_"),
    "unknown part": (with_value("more", 1), "the detector has unknown members: more"),
    "word": (with_value("features", "neural"), "the detector.features is none of"),
    "list for word": (with_value("features", ["rich"]), "the detector.features is none of"),
    "text for number": (with_value("calibrator.slope_", "1"), "slope_ is str"),
    "truth for number": (with_value("calibrator.slope_", True), "slope_ is bool"),
    "fraction for number": (with_value("domain.min_side_", 3.5), "min_side_ is float"),
    "plain tree for object": (with_value("calibrator", {"a": 1}), "calibrator is dict"),
    "other object": (with_value("calibrator", None), "calibrator is NoneType"),
    "list too short": (with_value("held_out", []), "holds arrays that nothing names"),
    "not a list": (with_value("domain.deliveries_", "PNG"), "deliveries_ is no list"),
    "list of others": (with_value("domain.deliveries_", [1]), "deliveries_ is int"),
    "NaN": (infinite("classifier.source_"), "source_ holds NaN or infinity"),
    "NaN below": (infinite("classifier.estimator_.mean_"), "mean_ holds NaN or infinity"),
    "shape": (with_array("domain.range_.means_", np.zeros((2, 5))), "has shape (2, 6, 6)"),
    "dimensions": (with_array("held_out.0", np.zeros((2, 5))), "held_out has 2 dimensions, not 1"),
    "whole numbers": (with_array("held_out.0", np.zeros(9, int)), "held_out is no array of frac"),
    "fractions": (with_array("training_hashes.0", np.zeros((9, 32))), "no array of whole numbers"),
    "complex": (with_array("held_out.0", np.zeros(9, complex)), "is no kind of number"),
    "text": (with_array("held_out.0", np.array(["a"])), "of <U1, which is no kind of number"),
    "objects": (with_array("held_out.0", np.array([{}], object)), "of object, which is no kind"),
    "records": (with_array("held_out.0", np.zeros(3, "f8,i4")), "is no kind of number"),
    "one too many": (with_array("more", np.zeros(3)), "holds arrays that nothing names: more"),
    "array of another": (
        with_value("held_out", [{"$array": "held_out.1"}] * 2),
        "lacks the array held_out.0",
    ),
    "no scores": (with_array("held_out.0", np.zeros(0)), "the detector.held_out is empty"),
    "zero width": (
        with_array("classifier.estimator_.scale_", np.zeros(6)),
        "a width that is not positive",
    ),
    "six for rich": (with_value("features", "rich"), "holds no working freqfake detector"),
    "other size": (with_value("classifier.n_features_in_", 7), "has shape"),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of numbers that make no sense
@pytest.mark.parametrize("kind", STRANGE)
def test_strange_content_is_refused(tmp_path, kind):
    change, words = STRANGE[kind]
    try:
        path = rewritten(tmp_path / "m.npz", change)
    except TypeError:
        path = rewritten(tmp_path / "m.npz", change, signed=False)
    with pytest.raises(ModelFileError, match=re.escape(words)) as caught:
        load_detector(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999"])
def test_numbers_that_are_none(tmp_path, text):
    manifest, arrays = read_archive(EMBEDDED)
    slope = re.search(rb'"slope_": ([0-9.]+)', manifest)[1]
    written(tmp_path / "m.npz", manifest.replace(slope, text.encode()).decode(), arrays)
    assert "is damaged" in refusal(tmp_path / "m.npz")


@pytest.mark.parametrize(
    "name",
    ["../../held_out.npy", "/tmp/a.npy", "a/b.npy", "C:\\a.npy", "a\n.npy", "\u202ea.npy", "a.exe"],
)
def test_names_of_entries(tmp_path, name):
    manifest, arrays = read_archive(EMBEDDED)
    written(tmp_path / "m.npz", manifest.decode(), arrays, **{name: b"x"})
    assert "which no model does" in refusal(tmp_path / "m.npz")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["manifest.json", "held_out.0.npy"])
def test_two_entries_of_one_name(tmp_path, name):
    manifest, arrays = read_archive(EMBEDDED)
    written(tmp_path / "m.npz", manifest.decode(), arrays, **{name: b"x"})
    assert refusal(tmp_path / "m.npz") == "holds two entries of the same name"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_to_pack(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "m.npz", "w", method) as archive:
        archive.writestr("manifest.json", "{}")
    assert refusal(tmp_path / "m.npz") == "is packed in a way that no model is"


# Small files that would take much memory or time


def npy(header: str, body: bytes = b"") -> bytes:
    text = header.encode("latin1").ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


def bombs(folder: Path) -> dict[str, str]:
    """Files, and words of the error that each must give."""
    manifest, arrays = read_archive(EMBEDDED)
    text = manifest.decode()
    zeros = bytes(MAX_BYTES + (1 << 20))
    written(folder / "unpacked.npz", text, arrays, **{"a.npy": zeros})
    # The directory and the header of the entry both state a hundred bytes.
    stated = struct.pack("<I", len(zeros))
    data = (folder / "unpacked.npz").read_bytes()
    (folder / "lie.npz").write_bytes(data.replace(stated, struct.pack("<I", 100)))
    half = bytes(MAX_BYTES // 2 + 100)
    written(folder / "together.npz", text, arrays, **{"a.npy": half, "b.npy": half})
    written(folder / "manifest.npz", text + " " * (1 << 21), arrays)
    huge = "{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776,), }"
    written(folder / "shape.npz", text, arrays, **{"a.npy": npy(huge)})
    many = "{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -8), }"
    written(folder / "negative.npz", text, arrays, **{"a.npy": npy(many, bytes(64))})
    nest = "{'descr': " + "(" * 60000
    written(folder / "header.npz", text, arrays, **{"a.npy": npy(nest)})
    empty = "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 99999999999999999), }"
    written(folder / "nothing.npz", text, arrays, **{"a.npy": npy(empty)})
    deep = '{"format": 2, "sha256": "", "state": ' + "[" * 400_000 + "]" * 400_000 + "}"
    written(folder / "deep.npz", deep, arrays)
    tree = {"a": 1}
    for _ in range(200):
        tree = {"a": tree}
    sha256 = _digest(tree, arrays)
    written(folder / "nested.npz", {"format": 2, "sha256": sha256, "state": tree}, arrays)
    written(folder / "digits.npz", text.replace('"format": 2', '"format": ' + "9" * 900_000), {})
    names = {f"a{i}.npy": b"" for i in range(1500)}
    written(folder / "entries.npz", text, arrays, **names)
    names = {f"{'a' * 60_000}{i}.npy": b"" for i in range(10)}
    written(folder / "directory.npz", text, arrays, **names)
    ending = bytearray((folder / "entries.npz").read_bytes())
    ending[-14:-10] = struct.pack("<HH", 2, 2)
    (folder / "uncounted.npz").write_bytes(ending)
    return {
        "unpacked": "unpacks to more than",
        "lie": "is damaged",
        "together": "unpacks to more than",
        "manifest": "manifest.json of more than 1048576 bytes",
        "shape": "has not the bytes of shape (1099511627776,)",
        "negative": "is damaged",
        "header": "is damaged",
        "nothing": "is damaged",
        "deep": "is damaged",
        "nested": "is nested too deep",
        "digits": "is damaged",
        "entries": "is a ZIP archive of more than any model",
        "directory": "is a ZIP archive of more than any model",
        "uncounted": "",
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
if sys.platform == "linux":  # the other figure may be that of the process that started this one
    with open("/proc/self/status") as file:
        megabytes = next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024
else:
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
print(json.dumps([found, megabytes]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="memory is not limited in this way there")
def test_bombs_take_little_memory_and_time(tmp_path):
    expected = bombs(tmp_path)
    paths = [str(tmp_path / f"{name}.npz") for name in expected]
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
        ["adapt", "a", "--out", "out.npz", "--model", *given],
        ["info", *given],
        ["info", "--json", *given],
    ]


@pytest.mark.parametrize("number", range(6))
def test_commands_refuse_a_pickle(tmp_path, monkeypatch, capsys, number):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.npz"
    path.write_bytes(pickle.dumps(Trap(tmp_path)))
    assert main(commands(path)[number]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"freqfake: error: {path} is a pickle: loading one runs any")
    assert captured.err.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["model.npz"]


def test_a_program_ends_with_one_line(tmp_path):
    (tmp_path / "cut.npz").write_bytes(EMBEDDED.read_bytes()[:9999])
    command = [sys.executable, "-m", "freqfake", "score", "x.png", "--model"]
    done = subprocess.run([*command, str(tmp_path / "cut.npz")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"freqfake: error: {tmp_path / 'cut.npz'} is a ZIP archive that")
    assert done.stderr.count("\n") == 1
