"""The same picture and model give the same bits, and a row says how to repeat them."""

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import warnings
from itertools import product
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from helpers import make_picture, run
from PIL import Image

import freqfake
from freqfake import load_detector, read_image, train_detector
from freqfake.detector.columns import FACE_COLUMNS, PROVENANCE_COLUMNS, SCORE_COLUMNS
from freqfake.features.rich import YCBCR, _colours, _ycbcr

SCRIPT = """
import sys, warnings
from freqfake import asynchrony_features, load_detector, rich_features
warnings.simplefilter("ignore")
*models, folder = sys.argv[1:]
for model in models:
    for row in load_detector(model).iter_scores(folder):
        print(model, row["path"], *(float(row[n]).hex() for n in ("score", "llr", "p_fake")))
        if row["error"]:
            continue
        print(asynchrony_features(row["path"]).tobytes().hex())
        rich = rich_features(row["path"])
        print(rich.tobytes().hex(), load_detector("faces").domain.range_.distance(rich).hex())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures of some sizes and formats, one of them broken."""
    root = tmp_path_factory.mktemp("various")
    for number, (size, form) in enumerate(product((64, 97, 150), ("png", "jpg"))):
        image = Image.fromarray(make_picture(number, asynchrony=0.2 + 0.1 * number, size=size))
        image.save(root / f"{number}.{form}")
    (root / "broken.png").write_bytes((root / "0.png").read_bytes()[:300])
    return root


@pytest.fixture(scope="module")
def models(picture_folders, tmp_path_factory):
    """Names of an embedded model of each kind, and files of trained and adapted ones."""
    root = tmp_path_factory.mktemp("models")
    sides = [picture_folders / side for side in ("real", "fake")]
    others = [make_picture(i, asynchrony=0.3 + 0.01 * (i % 20), size=64) for i in range(40)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # few pictures give many warnings
        for features in ("asynchrony", "rich"):
            detector = train_detector(*sides, features=features)
            detector.save(root / f"{features}.safetensors")
            detector.adapt(others, expectations="moments").save(
                root / f"{features}_adapted.safetensors"
            )
    return ["faces", "lewoo", *map(str, sorted(root.glob("*.safetensors")))]


def bits(table):
    """Every cell, numbers by their bits: NaN equals itself, and 0 differs from -0."""
    return {
        row["path"]: [v.hex() if isinstance(v, float) else v for v in row.values()]
        for row in table.to_dict("records")
    }


@pytest.mark.slow
def test_order_batch_and_processes_do_not_matter(folder, models):
    paths = sorted(map(str, folder.iterdir()))
    for model in models:
        detector = load_detector(model)
        expected = bits(detector.score(paths))
        assert len(expected) == len(paths)
        assert bits(detector.score(paths[::-1])) == expected
        alone = pd.concat([detector.score(path) for path in paths])
        assert bits(alone) == expected
        assert bits(detector.score(paths, n_jobs=2)) == expected
        with joblib.parallel_config(backend="threading", n_jobs=3):
            assert bits(detector.score(paths)) == expected


@pytest.mark.slow
def test_the_number_of_threads_does_not_matter(folder, models):
    printed = set()
    for threads in ("1", "4"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, *models, folder],
            env={**os.environ, **dict.fromkeys(names, threads), "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        printed.add(done.stdout)
    assert len(printed) == 1
    assert printed.pop().count("faces") >= 7


@pytest.mark.parametrize("layout", ["C", "F"])
def test_a_row_of_a_matrix_scores_as_by_itself(models, layout):
    rng = np.random.default_rng(0)
    for model in models:
        detector = load_detector(model)
        n_features = 6 if detector.features == "asynchrony" else 1800
        X = np.array(rng.random((33, n_features)), order=layout)
        together = detector.decision_function(X)
        alone = [detector.decision_function(row[np.newaxis])[0] for row in X]
        np.testing.assert_array_equal(together, alone)
        np.testing.assert_array_equal(together[::2], detector.decision_function(X[::2]))


def test_half_way_values_are_rounded_exactly():
    """Integer colours give luma and chroma in millionths, exact as integers."""
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (3, 400, 400))
    colours[2, :, :200] = colours[1, :, :200]  # then Cr is (R - G) / 2: half of them half-way
    exact = np.tensordot(np.rint(YCBCR * 1e6).astype(int), colours, 1)
    whole, rest = np.divmod(exact, 1_000_000)
    expected = whole + (rest > 500_000) + ((rest == 500_000) & (whole % 2 == 1))
    assert (rest == 500_000).mean() > 0.05
    for pixels in (colours.astype(np.uint8), colours / 255):
        planes = _ycbcr(_colours(np.moveaxis(pixels, 0, -1)))
        np.testing.assert_array_equal([np.rint(plane) for plane in planes], expected)


# --- provenance in a row ------------------------------------------------------------------------


def test_a_row_states_its_provenance(folder, models):
    for model in models:
        detector = load_detector(model)
        table = detector.score(folder, provenance=True, prior=0.2)
        assert list(table.columns) == [*SCORE_COLUMNS, *PROVENANCE_COLUMNS]
        plain = detector.score(folder, prior=0.2)
        assert bits(table[list(SCORE_COLUMNS)]) == bits(plain)
        for row in table.to_dict("records"):
            data = b"" if row["error"] else Path(row["path"]).read_bytes()
            assert row["sha256"] == (hashlib.sha256(data).hexdigest() if data else "")
            assert row["model_sha256"] == detector.sha256
            assert row["prior"] == 0.2
            rate = detector.max_fpr
            assert np.isnan(row["max_fpr"]) if rate is None else row["max_fpr"] == rate
            assert np.isnan(row["threshold"]) or row["threshold"] == limit_of(detector, row)
            judged = abs(row["llr"]) > 0 and rate is not None
            assert not (judged and np.isnan(row["threshold"]))
            assert f"freqfake=={freqfake.__version__} " in row["versions"]
            assert f"numpy=={np.__version__}" in row["versions"].split()
        assert table["error"].astype(bool).sum() == 1


def limit_of(detector, row):
    """Threshold by the evidence for a picture."""
    features = detector.compute(read_image(row["path"])[0])
    return detector.threshold(evidence=detector.evidence_for(features))


def test_pictures_in_memory_have_their_own_hash():
    image = make_picture(0, asynchrony=0.3)
    other = image.copy()
    other[5, 5, 1] ^= 1
    turned = np.ascontiguousarray(image.reshape(32, 128, 3))
    inputs = [image, image.copy(order="F"), Image.fromarray(image), other, turned, image / 255]
    for model in ("faces", "lewoo"):
        table = load_detector(model).score(inputs, provenance=True)
        first, same, pil, changed, reshaped, floating = table["sha256"]
        assert first == same == pil
        assert len({first, changed, reshaped, floating}) == 4
    expected = b"|u1 (64, 64, 3) " + image.tobytes()
    assert first == hashlib.sha256(expected).hexdigest()


def test_faces_have_the_hash_of_their_file(samples):
    pytest.importorskip("onnxruntime", reason="faces need the extra faces")
    path = samples / "real" / "astronaut.png"
    image = np.asarray(Image.open(path).convert("RGB"))
    blank = np.zeros((128, 128, 3), np.uint8)
    for model in ("faces", "lewoo"):
        options = {"faces": True, "provenance": True}
        table = load_detector(model).score([path, image, blank, "nothing.png"], **options)
        assert list(table.columns) == [*FACE_COLUMNS, *PROVENANCE_COLUMNS]
        in_file, in_memory, without, missing = table.to_dict("records")
        assert in_file["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        whole = b"|u1 (512, 512, 3) " + image.tobytes()
        assert in_memory["sha256"] == hashlib.sha256(whole).hexdigest()
        assert without["reason"] == "no face found"
        assert len(without["sha256"]) == 64
        assert missing["sha256"] == ""
        assert table["model_sha256"].nunique() == 1


@pytest.mark.slow
def test_files_of_every_format_hold_the_same_bits(folder, tmp_path):
    """From the command line, with one and with two processes, and in two halves."""
    pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    expected = bits(load_detector().score(folder, provenance=True))
    for name, options in (("a.csv", []), ("b.jsonl", ["--jobs", 2]), ("c.parquet", [])):
        out = tmp_path / name
        halves = [sorted(folder.glob("*.jpg")), [folder]]
        for paths in halves:
            more = ["--resume"] if out.exists() else []
            run("score", *paths, "--provenance", "--out", out, *options, *more)
        if name.endswith("parquet"):
            rows = pd.read_parquet(out).to_dict("records")
        elif name.endswith("jsonl"):
            rows = [json.loads(line) for line in out.read_text().splitlines()]
        else:
            rows = [*csv.DictReader(io.StringIO(out.read_text()))]
        found = {row["path"]: [*row.values()] for row in rows}
        assert found.keys() == expected.keys()
        for path, cells in expected.items():
            for cell, stored in zip(cells, found[path], strict=True):
                if isinstance(stored, float):
                    assert stored.hex() == cell
                elif cell == "nan":
                    assert stored in ("", None)
                else:
                    assert stored == cell or float(stored).hex() == cell, path


def test_a_row_can_be_repeated_from_its_provenance(folder, tmp_path):
    """As years later: find the file, the model and the options from the row."""
    out = tmp_path / "scores.csv"
    run("score", folder, "--provenance", "--prior", "0.3", "--max-fpr", "0.02", "--out", out)
    rows = [row for row in csv.DictReader(io.StringIO(out.read_text())) if not row["error"]]
    files = {hashlib.sha256(p.read_bytes()).hexdigest(): p for p in folder.iterdir()}
    detector = load_detector()
    for row in rows:
        assert detector.sha256 == row["model_sha256"]
        options = {name: float(row[name]) for name in ("prior", "max_fpr")}
        again = detector.score(files[row["sha256"]], **options)
        assert repr(float(again["score"][0])) == row["score"]
        assert repr(float(again["p_fake"][0])) == row["p_fake"]
        assert again["verdict"][0] == row["verdict"]


@pytest.mark.slow
def test_training_and_adapting_do_not_depend_on_threads(picture_folders, tmp_path):
    code = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "import freqfake\n"
        "for kind in ('asynchrony', 'rich'):\n"
        "    d = freqfake.train_detector(*sys.argv[1:3], features=kind, name='x')\n"
        "    print(d.sha256, d.adapt(sys.argv[1:3], expectations='joint').sha256)\n"
    )
    printed = set()
    for threads in ("1", "4"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        done = subprocess.run(
            [sys.executable, "-c", code, picture_folders / "real", picture_folders / "fake"],
            env={**os.environ, **dict.fromkeys(names, threads)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        printed.add(done.stdout)
    assert len(printed) == 1
