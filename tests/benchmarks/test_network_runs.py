"""The faces that the networks are trained on, and a whole small run to the embedded weights."""

import hashlib
import shutil

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch", reason="the networks need torch")
pytest.importorskip("onnxruntime", reason="faces need the extra faces")

from helpers import write_keras_meso4  # noqa: E402
from PIL import Image  # noqa: E402

from benchmarks import network_faces, network_table, network_verdicts, networks  # noqa: E402
from benchmarks.harness.store import Store  # noqa: E402
from benchmarks.harness.treatments import AS_IS  # noqa: E402
from benchmarks.network_faces import load  # noqa: E402
from freqfake import load_detector  # noqa: E402
from freqfake.deep import Meso4, import_keras_weights, load_network, save_network  # noqa: E402
from freqfake.exceptions import ModelFileError  # noqa: E402

LETTERS = "abcdefghijklmnop"


def originals(digits: str, n: int) -> list[str]:
    """Names of videos whose SHA-256 begins with one of the digits."""
    names = (f"{a}{b}{c}.mp4" for a in LETTERS for b in LETTERS for c in LETTERS)
    found = [x for x in names if hashlib.sha256(x.encode()).hexdigest()[0] in digits]
    return found[:n]


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    """Crops with the names, sizes and table of the DFDC; swaps are noisier."""
    folder = tmp_path_factory.mktemp("dfdc")
    (folder / "faces_224").mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for digits, n in (("0123", 12), ("b", 6), ("c", 14), ("d", 6), ("ef", 4)):
        for original in originals(digits, n):
            for label in ("REAL", "FAKE", "FAKE"):
                name = original if label == "REAL" else f"s{len(rows)}.mp4"
                scale = 10 if label == "REAL" else 30
                grid = np.add.outer(np.arange(224), np.arange(224))[..., None] / 2
                pixels = np.clip(grid + rng.normal(0, scale, (224, 224, 3)), 0, 255)
                file = folder / "faces_224" / name.replace(".mp4", ".jpg")
                Image.fromarray(pixels.astype(np.uint8)).save(file, quality=75)
                rows.append((name, 224, 224, label, "" if label == "REAL" else original))
    columns = ["videoname", "original_width", "original_height", "label", "original"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "metadata.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def work(crops, tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    network_faces.prepare_dfdc(crops, folder, n_jobs=1)
    return folder


def test_an_original_and_its_swaps_are_in_one_part_and_some_are_kept_apart(work, crops):
    faces = load(work, "dfdc")
    listed = pd.read_csv(crops / "metadata.csv")
    owner = dict(zip(listed.videoname, listed.original.fillna(listed.videoname), strict=True))
    names = faces.table.path.str.rsplit("/").str[-1].str.replace(".jpg", ".mp4")
    digits = [hashlib.sha256(owner[name].encode()).hexdigest()[0] for name in names]
    expected = {"b": "validate", "c": "calibrate", "d": "test"}
    assert faces.table.part.tolist() == [expected.get(digit, "train") for digit in digits]
    assert not {"e", "f"} & {*digits}
    counts = faces.table.groupby(["part", "y"]).size().unstack()
    assert (counts[0] == counts[1]).all()  # as many swaps as real ones


def test_faces_are_those_of_the_files(work):
    faces = load(work, "dfdc")
    face = faces.table.iloc[3]
    with Image.open(face.path) as image:
        np.testing.assert_array_equal(faces.whole[face.row], np.asarray(image))
    assert not np.array_equal(faces.copies[face.row], faces.whole[face.row])
    assert face.coding == "JPEG 4:2:0"


def test_parts_of_generated_faces_keep_persons_together():
    assert network_faces._person("a/g012_r03_c4.png") == "g012_r03"
    assert network_faces._person("a/00012.png") == ""
    parts = {network_faces._part("generated", f"g{n:03d}_r00") for n in range(100)}
    assert parts == {"train", "validate", "calibrate", "test"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::freqfake.exceptions.CalibrationWarning")
def test_from_faces_to_embedded_weights(work, tmp_path, monkeypatch):
    monkeypatch.setattr(networks, "SETS", ("dfdc",))
    monkeypatch.setattr(networks, "MAX_FPR", 0.3)
    networks.train("meso4", work, epochs=1)
    (tmp_path / "model_files" / "embedded").mkdir(parents=True)
    networks.embed(work, tmp_path)
    trained, _ = load_network(work / "meso4" / "best.safetensors")
    stored, _ = load_network(tmp_path / "deep" / "weights" / "meso4.safetensors")
    for name, value in trained.state_dict().items():
        torch.testing.assert_close(stored.state_dict()[name], value, rtol=1e-3, atol=1e-4)
    model = load_detector(tmp_path / "model_files" / "embedded" / "student.safetensors")
    assert (model.features, model.info["n_real"], model.info["n_fake"]) == ("student", 14, 14)
    assert "DFDC" in model.info["note"]


def test_a_meso_net_starts_from_the_published_convolutions(tmp_path):
    """Published for 256 pixels; the dense layers are for faces of 224 and start anew."""
    pytest.importorskip("h5py", reason="Keras' files need h5py")
    write_keras_meso4(tmp_path / "meso.h5", size=256)
    published = import_keras_weights(tmp_path / "meso.h5").state_dict()
    started = networks.make_network("meso4", tmp_path / "meso.h5").state_dict()
    random = networks.make_network("meso4", None).state_dict()
    for name, value in started.items():
        assert torch.equal(value, random[name] if name == "dense1.weight" else published[name])
    assert networks.make_network("meso4", None).config == {"input_size": 224, "dropout": 0}
    for name, words in (
        ("mesoinception4", "holds meso4, not mesoinception4"),
        ("student", "student does not start from a file of Keras"),
    ):
        with pytest.raises(ModelFileError, match=words):
            networks.make_network(name, tmp_path / "meso.h5")


def test_a_network_is_trained_further_under_its_own_name(tmp_path):
    file = tmp_path / "trained.safetensors"
    save_network(file, Meso4(input_size=64))
    assert networks.make_network("meso4", file).config == {"input_size": 64, "dropout": 0.5}
    with pytest.raises(ModelFileError, match="holds meso4, not student"):
        networks.make_network("student", file)


def test_unenlarged_faces_can_be_taken_alone(work, tmp_path):
    work = shutil.copytree(work, tmp_path / "work")
    faces = load(work, "dfdc")
    narrow = faces.table.row[::2]
    faces.table.loc[faces.table.row.isin(narrow), "width"] = network_faces.WIDE - 1
    faces.table.to_csv(work / "dfdc" / "faces.csv", index=False)
    (taken,) = networks._sets(work, unenlarged=True)
    assert set(taken.table.row) == set(faces.table.row) - set(narrow)
    assert len(networks._sets(work)[0].table) == len(faces.table)


def test_spectral_detectors_are_trained_on_pictures_of_the_set_they_are_tested_on(work, tmp_path):
    """In the other set the noise is the other way round: one detector for both cannot know it."""
    table = load(work, "dfdc").table
    swapped = table.assign(y=1 - table.y, source="other")
    store = Store(tmp_path, n_jobs=1)
    scores = network_table._spectral(store, {"dfdc": table, "generated": swapped})
    assert list(scores) == ["six features, SVM", "rich features", "files alone"]
    tested = network_table.TestSet("any", *(table[table.part == x] for x in ("calibrate", "test")))
    other = network_table.TestSet("any", *(swapped.loc[rows.index] for rows in tested[1:]))
    for chosen in (tested, other):
        rows = dict(network_table._measured(store, chosen, AS_IS, scores))
        assert rows["rich features"]["AUC"].startswith("1.000")
        assert rows["rich features"]["recognised at 1 %"] == "100 %"
        assert rows["rich features"]["pictures"] == "6 + 6"


def made_scores(n=40):
    """Scores of both models: the student's ratios are right, the other's say nothing."""
    y = np.tile([0, 1], n // 2)
    return pd.DataFrame(
        {
            "y": y,
            "source": np.where(np.arange(n) < n // 2, "a", "b"),
            "llr": 0.0,
            "deep_llr": np.where(y == 1, 1.5, -1.5),
            "deep_verdict": np.where(y == 1, "fake", "inconclusive"),
        }
    )


def test_verdicts_are_counted_by_source_and_side():
    table = network_verdicts.verdicts({"kind": made_scores()})
    assert table[["pictures", "are", "number"]].to_numpy().tolist() == [
        ["a", "real", 10], ["b", "real", 10], ["a", "fake", 10], ["b", "fake", 10],
    ]  # fmt: skip
    assert table["called fake, %"].tolist() == ["0.0", "0.0", "100.0", "100.0"]
    assert table["called real, %"].tolist() == ["0.0"] * 4


def test_fusion_takes_the_ratio_that_says_something():
    (row,) = network_verdicts.fusion({network_verdicts.DFDC: made_scores()}).to_dict("records")
    assert row["`faces`"] == "1.000"  # of a ratio of 1, in bits
    assert row["student"] == f"{np.log2(1 + 10**-1.5):.3f}"
    assert float(row["both, fused"]) < 0.2
    assert row["number"] == "20 + 20"
