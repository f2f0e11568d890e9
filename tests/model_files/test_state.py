"""Model files: the same scores after loading, and the content of the manifest."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import sklearn
from helpers import as_extractions, features_of_two_groups
from PIL import Image
from safetensors import safe_open

import freqfake
from freqfake import load_detector
from freqfake.cli import main
from freqfake.detector.training import train_on_extractions
from freqfake.evidence.metrics import cllr, detection_metrics
from freqfake.model_files.state import load_state, read_manifest, save_state, state_digest
from freqfake.model_files.tensors import read_tensors, write_tensors

EMBEDDED = Path(freqfake.__file__).parent / "model_files" / "embedded" / "lewoo.safetensors"


@pytest.fixture(scope="module")
def pictures():
    return [as_extractions(side) for side in features_of_two_groups(40)]


@pytest.mark.parametrize("adapted", [False, True])
def test_saved_and_loaded_detectors_score_the_same(tmp_path, pictures, adapted):
    detector = train_on_extractions(*pictures, name="one")
    if adapted:
        target = np.concatenate(features_of_two_groups(40, seed=1, shift=0.2))
        detector = detector.adapt_to(as_extractions(target))
    detector.save(tmp_path / "m.safetensors")
    loaded = load_detector(tmp_path / "m.safetensors")
    for picture in pictures[0] + pictures[1]:
        assert loaded.row(picture) == detector.row(picture)
    assert loaded.info == detector.info
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_a_loaded_detector_adapts_like_the_saved_one(tmp_path, pictures):
    detector = train_on_extractions(*pictures)
    detector.save(tmp_path / "m.safetensors")
    target = as_extractions(np.concatenate(features_of_two_groups(40, seed=1, shift=0.2)))
    expected = detector.adapt_to(target).row(target[0])
    assert load_detector(tmp_path / "m.safetensors").adapt_to(target).row(target[0]) == expected


def test_the_same_training_gives_the_same_file(tmp_path, pictures):
    for name in ("a.safetensors", "b.safetensors"):
        train_on_extractions(*pictures).save(tmp_path / name)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_a_failed_save_leaves_the_old_file(tmp_path, pictures):
    target = tmp_path / "m.safetensors"
    train_on_extractions(*pictures).save(target)
    before = target.read_bytes()
    with pytest.raises(TypeError):
        save_state(target, {"bad": np.array([object()])})
    assert target.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_the_digest_depends_on_every_number(tmp_path, pictures):
    detector = train_on_extractions(*pictures, name="one")
    detector.save(tmp_path / "m.safetensors")
    loaded = load_detector(tmp_path / "m.safetensors")
    assert loaded.sha256 == detector.sha256 == read_manifest(tmp_path / "m.safetensors")["sha256"]
    assert train_on_extractions(*pictures, name="one").sha256 == detector.sha256
    assert train_on_extractions(*pictures, name="two").sha256 != detector.sha256
    loaded.calibrator.slope_ = np.nextafter(loaded.calibrator.slope_, 1)
    assert loaded.sha256 != detector.sha256
    vectors = detector.classifier.estimator_.support_vectors_
    vectors[0, 0] = np.nextafter(vectors[0, 0], 9)
    assert detector.sha256 not in (
        loaded.sha256,
        read_manifest(tmp_path / "m.safetensors")["sha256"],
    )


def test_arrays_of_any_order_in_memory_come_back(tmp_path):
    """safetensors itself writes columns as if they were rows."""
    array = np.arange(6.0).reshape(2, 3)
    for each in (array, np.asfortranarray(array), array[:, ::-1], array.T, array[0, 0]):
        write_tensors(tmp_path / "a.safetensors", "network", {}, {"a": np.asarray(each)})
        _, arrays = read_tensors(tmp_path / "a.safetensors", "network")
        np.testing.assert_array_equal(arrays["a"], each, strict=True)


def test_the_digest_is_the_same_on_any_machine():
    array = np.arange(6.0).reshape(2, 3)
    same = (array.astype(">f8"), np.asfortranarray(array), array[:, ::-1][:, ::-1])
    digests = {state_digest({"a": each}) for each in (array, *same)}
    text = '{"a":{"$array":"a"}}\n["a","<f8",[2,3]]\n'
    assert digests == {hashlib.sha256(text.encode() + array.tobytes()).hexdigest()}
    others = [array.T, array.astype("f4"), array.reshape(-1), array.tolist()]
    assert len({state_digest({"a": each}) for each in [array, *others]}) == 5


@pytest.mark.slow
def test_a_file_states_its_training_data_and_versions(tmp_path, picture_folders, capsys):
    arguments = [f"--{side}={picture_folders / side}" for side in ("real", "fake")]
    assert main(["train", *arguments, "--out", str(tmp_path / "m.safetensors")]) == 0
    manifest = read_manifest(tmp_path / "m.safetensors")
    state, info = manifest["state"], manifest["state"]["info"]
    assert (manifest["format"], state["features"], state["spectrum"]) == (1, "rich", "log")
    assert info["versions"]["freqfake"] == freqfake.__version__
    assert info["versions"]["scikit-learn"] == sklearn.__version__
    assert info["versions"].keys() == {"freqfake", "python", "numpy", "scipy", "scikit-learn",
                                       "pillow"}  # fmt: skip
    detector = load_detector(tmp_path / "m.safetensors")
    for side, rows in zip(("real", "fake"), detector.training_hashes, strict=True):
        files = (picture_folders / side).iterdir()
        digests = sorted(hashlib.sha256(file.read_bytes()).digest() for file in files)
        assert [row.tobytes() for row in rows] == digests
        whole = hashlib.sha256(b"".join(digests)).hexdigest()
        assert info["training_data"][side] == {"files": 20, "sha256": whole}
    y, scores = np.repeat([0, 1], 20), np.concatenate(detector.held_out)
    assert info["metrics"]["auc"] == detection_metrics(y, scores)["auc"]
    assert info["metrics"]["cllr"] == cllr(y, detector.calibrator.predict(scores))
    capsys.readouterr()
    assert main(["info", str(tmp_path / "m.safetensors"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == manifest
    assert main(["info", str(tmp_path / "m.safetensors")]) == 0
    printed = capsys.readouterr().out
    assert f"| SHA-256 | {manifest['sha256']} |" in printed
    assert "| training files known | 40 of 40, by their SHA-256 |" in printed
    assert f"numpy {np.__version__}" in printed


def test_pictures_in_memory_have_no_hashes(picture_folders):
    sides = [
        [np.asarray(Image.open(file)) for file in sorted((picture_folders / side).iterdir())]
        for side in ("real", "fake")
    ]
    detector = freqfake.train_detector(*sides, features="asynchrony")
    assert [len(rows) for rows in detector.training_hashes] == [0, 0]
    assert detector.info["training_data"]["real"] == {"files": 0, "sha256": ""}
    assert "0 of 40" in str(detector.card())


def test_a_file_can_be_read_with_safetensors_and_json():
    """As in docs/files.md, without any code of freqfake."""
    with safe_open(EMBEDDED, "np") as file:
        manifest = json.loads(file.metadata()["freqfake"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118

    def line(value):
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode() + b"\n"

    digest = hashlib.sha256(line(manifest["state"]))
    for name in sorted(arrays):
        digest.update(line([name, arrays[name].dtype.str, arrays[name].shape]))
        digest.update(arrays[name].tobytes())
    assert digest.hexdigest() == manifest["sha256"] == load_detector("lewoo").sha256


@pytest.mark.parametrize("name", ["faces", "lewoo"])
def test_embedded_models_are_small(name):
    path = EMBEDDED.with_stem(name)
    assert path.stat().st_size < {"faces": 2_000_000, "lewoo": 50_000}[name]
    assert path.with_suffix(".md").exists()


@pytest.mark.parametrize("name", ["faces", "lewoo"])
def test_embedded_models_state_their_training(name):
    info = read_manifest(name)["state"]["info"]
    detector = load_detector(name)
    assert info["versions"]["numpy"]
    for side, rows in zip(("real", "fake"), detector.training_hashes, strict=True):
        assert info["training_data"][side]["files"] == len(rows) == info[f"n_{side}"]
        assert info["training_data"][side]["sha256"] == hashlib.sha256(rows.tobytes()).hexdigest()
    y = np.repeat([0, 1], [len(side) for side in detector.held_out])
    found = detection_metrics(y, np.concatenate(detector.held_out))
    assert found.items() <= info["metrics"].items()


@pytest.mark.parametrize(
    ("name", "folder"),
    [("lewoo", "web1024/real"), ("faces", "web1024/real"), ("faces", "celebahq512/real")],
)
def test_the_training_files_are_known_by_their_hashes(measuring_data, name, folder):
    hashes = {row.tobytes() for row in load_detector(name).training_hashes[0]}
    for file in (measuring_data / folder).iterdir():
        assert hashlib.sha256(file.read_bytes()).digest() in hashes


def test_embedded_model_follows_from_its_training_features():
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
