"""ONNX files: onnxruntime gets the same results from pictures as the detector."""

import copy
import io
import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from helpers import LOSSLESS, POSTED, ROOT, make_picture, scores_of_two_groups, train_panel
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

import freqfake
from freqfake import cli
from freqfake.batch.copies import as_jpeg, reencoded
from freqfake.batch.extraction import Extraction, extract, feature_function
from freqfake.detector.training import train_on_extractions
from freqfake.pictures.reading import read_bytes

onnx = pytest.importorskip("onnx", reason="ONNX files need the extra onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX files are run by onnxruntime")

from freqfake.export import export_onnx  # noqa: E402

SIZES = [(64, 64), (65, 97), (127, 128), (540, 73), (72, 523)]


def noise(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def smooth(shape, seed=0):
    """A picture with edges and areas, as in photographs, and few repeated colours."""
    rows, columns = np.indices(shape)
    waves = [np.sin(rows / (7 + i) + columns / (11 - i)) for i in range(3)]
    texture = np.random.default_rng(seed).normal(0, 4, (*shape, 3))
    edge = 50 * (rows > columns)[..., np.newaxis]
    return np.clip(100 + 60 * np.stack(waves, -1) + edge + texture, 0, 255).astype(np.uint8)


def half_black():
    picture = noise((200, 150))
    picture[:, 70:] = 0
    return picture


MADE = {
    **{f"noise {rows} x {columns}": noise((rows, columns)) for rows, columns in SIZES},
    **{f"smooth {rows} x {columns}": smooth((rows, columns)) for rows, columns in SIZES},
    "large": smooth((530, 600)),
    "grey": np.repeat(noise((90, 120))[..., :1], 3, axis=2),
    "half black": half_black(),
    "two equal channels": smooth((96, 100))[..., [0, 0, 1]],
    "one channel black": smooth((96, 100)) * np.array([1, 0, 1], np.uint8),
}
FLAT = {
    "black": np.zeros((80, 80, 3), np.uint8),
    "white": np.full((81, 90, 3), 255, np.uint8),
    "one colour": np.full((100, 101, 3), (10, 20, 30), np.uint8),
    "bright colour": np.full((127, 128, 3), (255, 255, 0), np.uint8),
    "gradient": np.stack(np.broadcast_arrays(*np.ogrid[:200, :150], 9), -1).astype(np.uint8),
}
EMBEDDED = ("faces", "lewoo")
ADAPTED = ("adapted asynchrony", "adapted rich", "adapted panel")
PANELS = ("panel", "panel of kinds", "one delivery")
MODELS = ("asynchrony", "modulus", "rich", *PANELS, *ADAPTED, *EMBEDDED)
SAMPLES = sorted(path for path in (ROOT / "tests" / "samples").glob("*/*.*"))


class Exported:
    """A detector and its ONNX file, run with one thread."""

    def __init__(self, detector, path):
        self.detector, self.path = detector, path
        self.about = export_onnx(detector, path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )

    def run(self, image):
        names = [output.name for output in self.session.get_outputs()]
        return dict(zip(names, self.session.run(None, {"image": image}), strict=True))

    def expected(self, image):
        """All outputs but the features, by the detector."""
        detector = self.detector
        compute = feature_function(detector.features, detector.spectrum)
        extraction = extract("", image, compute=compute)
        score = detector.decision_function([extraction.features])[0]
        features = known = extraction.features
        if detector.features == "asynchrony":
            known = detector.classifier.to_source([features])[0]
        distance = detector.domain.range_.distance(known)
        evidence, group = detector.evidence_for(features), 0
        if detector.by_delivery is not None:
            group = detector.classifier.nearest([features])[0]
        return {
            "score": score,
            "llr": evidence.calibrator_.predict(score),
            "threshold": detector.threshold(evidence=evidence),
            "distance": distance,
            "group": group,
        }

    def check(self, image, tolerance=1e-5):
        image = np.ascontiguousarray(image)
        found = self.run(image)
        for name, value in self.expected(image).items():
            assert found[name].dtype == np.float64
            assert found[name].shape == ()
            assert found[name] == pytest.approx(value, rel=0, abs=tolerance), name


def extractions(X):
    return [Extraction("", row, LOSSLESS) for row in X]


def features_of(kind, spectrum="log"):
    """Features of 40 real and 40 generated pictures, shape (2, 40, n_features)."""
    compute = feature_function(kind, spectrum)
    sides = ([make_picture(i, asynchrony=a * (1 + i / 100)) for i in range(40)] for a in (0.2, 0.5))
    return np.array([[compute(picture) for picture in side] for side in sides])


def trained():
    """Detectors of both kinds, before and after an adaptation that changes their scores."""
    six, modulus, rich = (
        features_of(*kind) for kind in (("asynchrony",), ("asynchrony", "modulus"), ("rich",))
    )
    found = {"asynchrony": train_on_extractions(*map(extractions, six), max_fpr=0.2)}
    found["modulus"] = train_on_extractions(*map(extractions, modulus), spectrum="modulus")
    found["rich"] = train_on_extractions(*map(extractions, rich), features="rich")
    moved = np.concatenate(six) * 0.7 + 0.05
    found["adapted asynchrony"] = found["asynchrony"].adapt_to(extractions(moved))
    ridge = found["rich"].classifier
    shift = 1.5 * ridge.coef_ * ridge.scale_ / np.square(ridge.coef_).sum()
    found["adapted rich"] = found["rich"].adapt_to(extractions(np.concatenate(rich) + shift))
    assert found["adapted rich"].score_adapter is not None
    panel = found["panel"] = trained_panel()
    kinds = np.arange(40) // 2 % 3
    found["panel of kinds"] = trained_panel(kinds=kinds, scores=scores_of_two_groups(40))
    assert [len(found[name].classifier.coef_) for name in PANELS[:2]] == [1, 4]
    found["one delivery"] = copy.copy(panel)
    found["one delivery"].by_delivery = copy.copy(panel.by_delivery)
    found["one delivery"].by_delivery.groups_ = panel.by_delivery.groups_[1:]
    found["one delivery"].by_delivery.parts_ = panel.by_delivery.parts_[1:]
    coef = panel.classifier.coef_[0].sum(axis=0)
    gap = np.subtract(*(side.mean() for side in panel.held_out[::-1]))
    shift = gap * coef * panel.classifier.scale_ / np.square(coef).sum()
    found["adapted panel"] = panel.adapt_to(extractions(np.concatenate(rich) + shift))
    assert found["adapted panel"].score_adapter is not None
    assert found["adapted asynchrony"].classifier.target_scaler_ is not (
        found["adapted asynchrony"].classifier.source_scaler_
    )
    return found


def trained_panel(**options):
    """A detector of originals and posted JPEGs, each with its calibration and threshold."""
    compute = feature_function("rich", "log")
    sides = [[], []]
    for side, asynchrony in zip(sides, (0.2, 0.5), strict=True):
        for i in range(40):
            picture = make_picture(i, asynchrony=asynchrony * (1 + i / 100), size=96)
            if i % 2:
                picture, _ = read_bytes(as_jpeg(Image.fromarray(picture), 50, "4:2:0"))
            facts = POSTED if i % 2 else LOSSLESS
            side.append(Extraction("", compute(picture), facts))
    detector = train_panel(*sides, max_fpr=0.2, **options)
    assert len(detector.by_delivery.parts_) == 2
    return detector


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Trained and adapted detectors of both kinds, and the embedded ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # training on so few pictures warns often
        found = trained() | {name: freqfake.load_detector(name) for name in EMBEDDED}
    folder = tmp_path_factory.mktemp("onnx")
    return {name: Exported(made, folder / f"{name}.onnx") for name, made in found.items()}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("picture", MADE)
def test_made_pictures(models, model, picture):
    models[model].check(MADE[picture])


@pytest.mark.parametrize("model", PANELS)
def test_each_group_has_its_ratio_and_threshold(models, model):
    pictures = [make_picture(900 + i, asynchrony=0.3 + 0.02 * i, size=96) for i in range(8)]
    posted = [read_bytes(as_jpeg(Image.fromarray(p), 50, "4:2:0"))[0] for p in pictures]
    groups = []
    for picture in (*pictures, *posted):
        models[model].check(picture)
        groups.append(float(models[model].run(picture)["group"]))
    assert groups == [0] * 8 + [1] * 8
    detector, rates = models[model].detector, models[model].about["thresholds"]
    assert [*rates] == []  # of 40 pictures
    limits = [detector.threshold(evidence=part) for part in detector.evidence_by_group]
    assert len(set(limits)) == 2
    assert len({part.calibrator_.slope_ for part in detector.evidence_by_group}) == 2
    assert (limits[0] == detector.threshold()) == (model == "one delivery")


@pytest.mark.parametrize("model", EMBEDDED)
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_real_pictures(models, model, path):
    pixels, _ = freqfake.read_image(path)
    models[model].check(pixels)


@settings(max_examples=20)
@given(image=arrays.arrays(np.uint8, st.tuples(*[st.integers(64, 90)] * 2, st.just(3))))
def test_any_pixels_rich(models, image):
    models["faces"].check(image)


@settings(max_examples=40)
@given(
    noise_of=st.integers(0, 1 << 30),
    shape=st.tuples(*[st.integers(3, 40)] * 2),
    low=st.integers(0, 240),
    contrast=st.integers(8, 255),
)
def test_any_contrast_six(models, noise_of, shape, low, contrast):
    high = min(low + contrast, 255)
    rng = np.random.default_rng(noise_of)
    image = rng.integers(low, high + 1, (*shape, 3), dtype=np.uint8)
    models["adapted asynchrony"].check(image)


@pytest.mark.parametrize("picture", FLAT)
def test_without_contrast_the_verdict_is_the_same(models, picture):
    for model in models.values():
        model.check(FLAT[picture])


@pytest.mark.parametrize("shape", [(63, 64), (200, 40), (1, 1), (5, 600)])
def test_too_small_for_the_rich_features(models, shape):
    found = models["faces"].run(noise(shape))
    assert all(np.isnan(found[name]).all() for name in ("score", "llr", "distance", "features"))
    assert all(np.isfinite(found[name]) for name in ("group", "threshold"))


def test_features_are_an_output(models):
    image = MADE["smooth 65 x 97"]
    six = models["lewoo"].run(image)["features"]
    np.testing.assert_allclose(
        six, freqfake.asynchrony_features(image, dtype=np.float64), atol=1e-9
    )
    rich = models["rich"].run(image)["features"]
    np.testing.assert_allclose(rich, freqfake.rich_features(image), atol=1e-9)


# --- what a verdict needs besides the outputs -----------------------------------------------------


def verdict(model, path):
    """The steps of docs/onnx.md."""
    about, (image, facts) = model.about, freqfake.read_image(path)
    low, high = about["sides"]
    known = (
        facts.mode in about["modes"]
        and not facts.animated
        and not facts.transparent
        and facts.coding in about["codings"]
        and low <= min(facts.width, facts.height) <= max(facts.width, facts.height) <= high
    )
    if not known:
        return "inconclusive", 0.0
    found = model.run(image)
    equal = about["equal_channels"] or -1
    if np.abs(found["features"]).max() < equal or found["distance"] > about["max_distance"]:
        return "inconclusive", 0.0
    llr = float(found["llr"])
    if abs(llr) < about["min_llr"] or (llr > 0 and found["score"] <= found["threshold"]):
        return "inconclusive", llr
    verdict = "fake" if llr > 0 else "real"
    if verdict == "fake" and found["distance"] > about["max_distance_fake"]:
        return "inconclusive", llr
    if about["recompression"]:
        subsampling = about["recompression"]["subsampling"][verdict]
        with Image.open(io.BytesIO(reencoded(Image.fromarray(image), subsampling))) as again:
            if (model.run(np.asarray(again))["score"] > 0) != (found["score"] > 0):
                return "inconclusive", 0.0
    return verdict, llr


@pytest.mark.parametrize("model", EMBEDDED)
def test_verdict_from_the_file_alone(models, model, tmp_path):
    Image.fromarray(MADE["smooth 540 x 73"]).save(tmp_path / "long.png")
    Image.fromarray(MADE["large"]).save(tmp_path / "large.jpg", subsampling="4:2:0")
    pictures = [*SAMPLES, *sorted(tmp_path.iterdir())]
    table = models[model].detector.score(pictures)
    for path, expected, llr in zip(pictures, table.verdict, table.llr, strict=True):
        assert verdict(models[model], path) == (expected, pytest.approx(llr, abs=1e-5)), path
    assert "inconclusive" in set(table.verdict)
    assert "fake" in set(table.verdict)


def test_metadata_of_the_file(models):
    for model in models.values():
        stored = model.session.get_modelmeta().custom_metadata_map["freqfake"]
        assert json.loads(stored) == model.about
        assert model.about["sha256"] == model.detector.sha256
        assert model.about["max_distance"] == model.detector.domain.range_.limit_
        assert model.about["format"] == 2
        assert model.about["max_distance_fake"] == model.detector.domain.limit_of_fake
        assert model.about["max_fpr"] == model.detector.max_fpr
    faces, panel = models["faces"], models["panel"]
    rates = faces.about["thresholds"]
    parts = faces.detector.evidence_by_group
    assert rates["0.01"] == [faces.detector.threshold(0.01, evidence=part) for part in parts]
    assert panel.about["thresholds"] == {}  # its held-out pictures cannot support them
    assert faces.about["recompression"]["subsampling"] == {"real": "4:4:4", "fake": "4:2:0"}
    assert models["lewoo"].about["recompression"] is None


# --- the file -------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", EMBEDDED)
def test_file(models, model, tmp_path):
    exported = models[model]
    export_onnx(exported.detector, tmp_path / "again.onnx")
    data = exported.path.read_bytes()
    assert (tmp_path / "again.onnx").read_bytes() == data
    assert len(data) < {"lewoo": 50_000, "faces": 4_000_000}[model]
    made = onnx.load_from_string(data)
    onnx.checker.check_model(made, full_check=True)
    assert {found.domain for found in made.opset_import} == {""}  # standard operators only


def test_an_older_file_is_replaced_or_kept(tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"an older one")
    detector = freqfake.load_detector("lewoo")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_disk)
        with pytest.raises(OSError, match="no space left"):
            export_onnx(detector, path)
    assert path.read_bytes() == b"an older one"
    export_onnx(detector, path)
    assert len(path.read_bytes()) > 1000
    assert list(tmp_path.iterdir()) == [path]


def full_disk(_):
    raise OSError("no space left")


def test_without_onnx_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(freqfake.MissingExtraError, match=r'pip install "freqfake\[onnx\]"'):
        export_onnx(freqfake.load_detector("lewoo"), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


# --- the command ----------------------------------------------------------------------------------


def test_command(tmp_path):
    command = [sys.executable, "-m", "freqfake", "export", "--model", "lewoo", "--onnx", "a.onnx"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        0, "wrote a.onnx: model lewoo; what a verdict needs is in its metadata\n"
    )  # fmt: skip
    assert done.stdout == ""
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx")
    stored = session.get_modelmeta().custom_metadata_map["freqfake"]
    assert json.loads(stored)["sha256"] == freqfake.load_detector("lewoo").sha256


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "damaged.safetensors", "--onnx", "a.onnx"), "damaged.safetensors"),
        (("--model", "lewo", "--onnx", "a.onnx"), "lewoo"),
        (("--onnx", "nowhere/a.onnx"), "no such folder for --onnx"),
        (("--onnx", "."), "--onnx must be a file"),
    ],
)
def test_wrong_use_is_reported(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    Path("damaged.safetensors").write_bytes(b"PK no archive")
    assert cli.main(["export", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not Path("a.onnx").exists()


# --- another language -----------------------------------------------------------------------------


def node_packages():
    """Folder of node packages, if it has those of the example."""
    folder = Path(os.environ.get("NODE_PATH", ROOT / "node_modules"))
    wanted = ("onnxruntime-web", "sharp")
    return folder if all((folder / name).is_dir() for name in wanted) else None


@pytest.mark.skipif(
    not (shutil.which("node") and node_packages()),
    reason="no node with onnxruntime-web and sharp: set NODE_PATH to the folder of its packages",
)
def test_the_example_in_javascript(models, tmp_path):
    page = (ROOT / "docs" / "onnx.md").read_text(encoding="utf-8")
    script = re.search(r"```js\n(.*?)```", page, re.DOTALL)[1]
    (tmp_path / "verdict.mjs").write_text(script, encoding="utf-8")
    (tmp_path / "node_modules").symlink_to(node_packages())
    shutil.copy(models["faces"].path, tmp_path / "faces.onnx")
    (tmp_path / "faces.json").write_text(json.dumps(models["faces"].about))
    paths = [str(path) for path in SAMPLES if path.suffix != ".webp" or path.stem.endswith("1")]
    command = ["node", "verdict.mjs", *paths]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    table = models["faces"].detector.score(paths)
    assert [row["verdict"] for row in found] == list(table.verdict)
    np.testing.assert_allclose([row["llr"] for row in found], table.llr, atol=1e-5)
