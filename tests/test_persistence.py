"""Model files: the same scores after loading, and no harm from bad files."""

import json
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from test_detector import as_extractions, features_of_two_groups

import freqfake
from freqfake import ModelFileError, load_detector
from freqfake.persistence import load_state, save_state
from freqfake.training import train_on_extractions

EMBEDDED = Path(freqfake.__file__).parent / "models" / "lewoo.npz"


@pytest.fixture(scope="module")
def pictures():
    return [as_extractions(side) for side in features_of_two_groups(40)]


@pytest.mark.parametrize("adapted", [False, True])
def test_saved_and_loaded_detectors_score_the_same(tmp_path, pictures, adapted):
    detector = train_on_extractions(*pictures, name="one")
    if adapted:
        target = np.concatenate(features_of_two_groups(40, seed=1, shift=0.2))
        detector = detector.adapt_to(as_extractions(target))
    detector.save(tmp_path / "m.npz")
    loaded = load_detector(tmp_path / "m.npz")
    for picture in pictures[0] + pictures[1]:
        assert loaded.row(picture) == detector.row(picture)
    assert loaded.info == detector.info
    assert [p.name for p in tmp_path.iterdir()] == ["m.npz"]


def test_a_loaded_detector_adapts_like_the_saved_one(tmp_path, pictures):
    detector = train_on_extractions(*pictures)
    detector.save(tmp_path / "m.npz")
    target = as_extractions(np.concatenate(features_of_two_groups(40, seed=1, shift=0.2)))
    expected = detector.adapt_to(target).row(target[0])
    assert load_detector(tmp_path / "m.npz").adapt_to(target).row(target[0]) == expected


def test_the_same_training_gives_the_same_file(tmp_path, pictures):
    for name in ("a.npz", "b.npz"):
        train_on_extractions(*pictures).save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_failed_save_leaves_the_old_file(tmp_path, pictures):
    target = tmp_path / "m.npz"
    train_on_extractions(*pictures).save(target)
    before = target.read_bytes()
    with pytest.raises(TypeError):
        save_state(target, {"bad": np.array([object()])})
    assert target.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.npz"]


def rewritten(path, change):
    """Write the embedded model with another manifest."""
    with np.load(EMBEDDED) as entries:
        arrays = dict(entries)
    content = json.loads(str(arrays.pop("manifest")))
    np.savez(path, manifest=np.array(json.dumps(change(content))), **arrays)


def newer(content):
    return {**content, "format": 99}


def unknown_class(content):
    return json.loads(json.dumps(content).replace("RBFSVMClassifier", "os.system"))


def private_member(content):
    return json.loads(json.dumps(content).replace('"slope_"', '"__class__"'))


def other_state(content):
    return {**content, "state": {"dict": {"spectrum": "log"}}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (newer, "model format 99"),
        (unknown_class, r"damaged: 'os\.system'"),
        (private_member, "unknown member '__class__'"),
        (other_state, "no working freqfake detector"),
    ],
)
def test_manifests_that_are_refused(tmp_path, change, message):
    rewritten(tmp_path / "m.npz", change)
    with pytest.raises(ModelFileError, match=message):
        load_detector(tmp_path / "m.npz")


def test_files_that_are_refused(tmp_path, monkeypatch):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    (tmp_path / "pickle.npz").write_bytes(pickle.dumps(Trap()))
    np.savez(tmp_path / "object.npz", manifest=np.array([Trap()], dtype=object))
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "empty.npz").touch()
    data = EMBEDDED.read_bytes()
    (tmp_path / "cut.npz").write_bytes(data[: len(data) // 2])
    for name in ("pickle", "object", "text", "empty", "cut"):
        with pytest.raises(ModelFileError, match="not a freqfake model or is damaged"):
            load_detector(tmp_path / f"{name}.npz")
    assert not (tmp_path / "sprung").exists()
    with pytest.raises(ModelFileError, match="no such model: nobody"):
        load_detector("nobody")
    monkeypatch.setattr("freqfake.persistence._MAX_BYTES", 1000)
    with pytest.raises(ModelFileError, match="unpacks to more than 1000 bytes"):
        load_detector("lewoo")


def test_every_flipped_byte_gives_a_model_error_or_the_same_model(tmp_path):
    data = EMBEDDED.read_bytes()
    rng = np.random.default_rng(0)
    expected = json.dumps(load_detector("lewoo").info)
    refused = 0
    for position in rng.choice(len(data), 60, replace=False):
        damaged = bytearray(data)
        damaged[position] ^= 1 << rng.integers(8)
        (tmp_path / "m.npz").write_bytes(damaged)
        try:
            assert json.dumps(load_detector(tmp_path / "m.npz").info) == expected
        except ModelFileError:
            refused += 1
    assert refused > 40


@pytest.mark.parametrize("name", ["faces", "lewoo"])
def test_embedded_models_are_small_and_plain(name):
    path = EMBEDDED.with_stem(name)
    assert path.stat().st_size < 1_000_000
    with zipfile.ZipFile(path) as archive:
        assert all(entry.endswith(".npy") for entry in archive.namelist())
    assert path.with_suffix(".md").exists()


def test_embedded_model_is_what_its_training_features_give():
    adapter = load_state(EMBEDDED)["classifier"]
    X, y = adapter.source_, adapter.source_labels_
    again = freqfake.GaussianExpectationAdapter().fit(X, y)
    np.testing.assert_allclose(again.decision_function(X), adapter.decision_function(X), atol=1e-6)


def test_a_file_named_like_an_embedded_model_needs_its_path(tmp_path, monkeypatch, pictures):
    train_on_extractions(*pictures, name="mine").save(tmp_path / "lewoo")
    monkeypatch.chdir(tmp_path)
    assert load_detector("lewoo").info["name"] == "lewoo"
    assert load_detector("./lewoo").info["name"] == "mine"
    shutil.copy("lewoo", "mine")
    assert load_detector("mine").info["name"] == "mine"
