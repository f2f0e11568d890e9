"""The command line, run in a separate process as by a user."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from helpers import make_picture, posix, run, table
from PIL import Image

from freqfake import FEATURE_NAMES, asynchrony_features, cli
from freqfake.detector.columns import SCORE_COLUMNS

ODD = 'comma, "quote"\nnewline.png' if os.name == "posix" else "comma, odd.png"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Files of every kind found in folders, one good picture among them."""
    folder = tmp_path_factory.mktemp("hostile")
    picture = Image.fromarray(make_picture(0, asynchrony=0.3))
    picture.save(folder / "good.png")
    picture.save(folder / "cut.jpg", quality=95)
    data = (folder / "cut.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(data[: len(data) * 2 // 3])
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("this is not a picture")
    picture.crop((0, 0, 1, 1)).save(folder / "one_pixel.png")
    Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64)).save(folder / "sixteen.png")
    picture.convert("CMYK").save(folder / "cmyk.jpg")
    picture.quantize(16).save(folder / "palette.png")
    other = Image.fromarray(make_picture(1, asynchrony=0.3))
    picture.save(folder / "animated.gif", save_all=True, append_images=[other])
    picture.save(folder / ODD)
    return folder


@pytest.fixture(scope="module")
def model(picture_folders, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    done = run("train", "--real", picture_folders / "real", "--fake", picture_folders / "fake",
               "--features", "asynchrony", "--out", path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "20 real and 20 generated pictures" in done.stderr
    assert done.stdout == ""
    return path


def test_features_of_a_folder(picture_folders):
    done = run("features", picture_folders / "real")
    rows = table(done.stdout)
    assert done.returncode == 0
    assert list(rows[0]) == ["path", *FEATURE_NAMES, "error"]
    assert len(rows) == 20
    for row in rows[:3]:
        expected = asynchrony_features(row["path"])
        np.testing.assert_array_equal([float(row[name]) for name in FEATURE_NAMES], expected)


@pytest.mark.slow
def test_features_of_the_papers_faces(measuring_data, tmp_path):
    folder = measuring_data / "lewoo_samples"
    expected = {(r["file"], r["spectrum"]): r
                for r in table((folder / "expected_features.csv").read_text())}  # fmt: skip
    for spectrum in ("log", "modulus"):
        out = tmp_path / "f.csv"
        done = run("features", folder, "--spectrum", spectrum, "--out", out, "--jobs", 2)
        assert (done.returncode, done.stdout) == (0, "")
        rows = table(out.read_text())
        assert len(rows) == 8
        for row in rows:
            reference = expected[Path(row["path"]).name, spectrum]
            for name in FEATURE_NAMES:
                assert float(row[name]) == pytest.approx(float(reference[name]), abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["features", "score"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_hostile_folder_gives_one_row_each(hostile, command, jobs):
    done = run(command, hostile, "--jobs", jobs)
    rows = {Path(row["path"]).name: row for row in table(done.stdout)}
    assert set(rows) == {path.name for path in hostile.iterdir()}
    assert done.returncode == 1
    failed = {"cut.jpg": "truncated", "empty.png": "empty", "text.png": "not a picture"}
    if command == "score":  # the default model reads blocks and residuals
        failed["one_pixel.png"] = "at least 64 x 64 pixels"
    assert f"{len(failed)} input(s) could not be read" in done.stderr
    for name, reason in failed.items():
        assert reason in rows[name]["error"]
    good = [row for row in rows.values() if not row["error"]]
    assert len(good) == 10 - len(failed)
    number = "mean" if command == "features" else "score"
    assert all(np.isfinite(float(row[number])) for row in good)
    assert float(rows["good.png"][number]) == float(rows[ODD][number])
    if command == "score":
        assert {row["verdict"] for row in good} == {"inconclusive"}
        assert {row["verdict"] for row in rows.values() if row["error"]} == {""}


def test_score_columns_and_formats(model, picture_folders, tmp_path):
    paths = [picture_folders / "fake" / "03.png", tmp_path / "missing.png"]
    as_csv = run("score", "--model", model, *paths)
    as_json = run("score", "--model", model, *paths, "--format", "jsonl")
    assert as_csv.returncode == as_json.returncode == 1
    rows = table(as_csv.stdout)
    lines = [json.loads(line) for line in as_json.stdout.splitlines()]
    assert list(rows[0]) == list(lines[0]) == list(SCORE_COLUMNS)
    assert [row["verdict"] for row in rows] == [line["verdict"] for line in lines] == ["fake", ""]
    assert float(rows[0]["score"]) == lines[0]["score"] > 0
    assert lines[1]["score"] is None
    assert rows[1]["error"] == lines[1]["error"] != ""
    out = tmp_path / "scores.jsonl"
    run("score", "--model", model, *paths, "--format", "jsonl", "--out", out)
    assert out.read_text() == as_json.stdout


def test_globs_are_expanded(picture_folders):
    done = run("features", "*/0[0-4].png", cwd=picture_folders)
    assert [row["path"] for row in table(done.stdout)] == [
        str(Path(side, f"0{i}.png")) for side in ("fake", "real") for i in range(5)
    ]


def test_evaluate(model, picture_folders):
    sides = ["--real", picture_folders / "real", "--fake", picture_folders / "fake"]
    done = run("evaluate", "--model", model, *sides, "--json")
    metrics = json.loads(done.stdout)
    expected = {"n_real", "n_fake", "accuracy", "balanced_accuracy", "precision", "recall", "f1"}
    assert set(metrics) == expected | {"auc", "eer", "inconclusive"}
    assert (done.returncode, metrics["n_real"], metrics["auc"]) == (0, 20, 1)
    in_words = run("evaluate", "--model", model, *sides).stdout
    assert "balanced_accuracy" in in_words
    assert "1.000" in in_words


@pytest.mark.slow
def test_adapt_reports_unchanged_scores_or_refuses(model, picture_folders, tmp_path):
    out = tmp_path / "m2.safetensors"
    done = run("adapt", "--model", model, picture_folders, "--out", out)
    assert done.returncode == 0
    assert "the scores stay as they are" in done.stderr
    again = run("score", "--model", out, picture_folders / "fake").stdout
    assert again == run("score", "--model", model, picture_folders / "fake").stdout
    few = run(
        "adapt", "--model", model, picture_folders / "fake", "--out", tmp_path / "m3.safetensors"
    )
    assert few.returncode == 2
    assert "at least 30 readable pictures" in few.stderr
    assert not (tmp_path / "m3.safetensors").exists()


@pytest.mark.slow
def test_training_continues_without_unreadable_files(picture_folders, hostile, tmp_path):
    out = tmp_path / "m.safetensors"
    done = run("train", "--real", picture_folders / "real", hostile / "cut.jpg",
               "--fake", picture_folders / "fake", "--features", "asynchrony",
               "--out", out)  # fmt: skip
    assert done.returncode == 1
    assert "left out" in done.stderr
    assert out.exists()


@pytest.mark.slow
def test_training_from_photographs_alone(picture_folders, tmp_path):
    (tmp_path / "real").mkdir()
    for seed in range(12):
        image = Image.fromarray(make_picture(seed, asynchrony=0.4, size=144))
        image.save(tmp_path / "real" / f"{seed}.jpg", quality=88)
    out = tmp_path / "m.safetensors"
    sides = ["--real", tmp_path / "real", "--fake", picture_folders / "fake" / "00.png"]
    done = run("train", *sides, "--simulate", "--out", out)
    assert done.returncode == 0, done.stderr
    counts = "trained on 12 real and 13 generated pictures, 12 of them simulated"
    assert f"wrote {out}: {counts}\n" in done.stderr
    assert "files alone" not in done.stderr
    done = run("info", out)
    assert "13 generated pictures, 12 of them simulated from the real ones" in done.stdout
    done = run("info", out, "--json")
    assert '"n_simulated": 12' in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: COMMAND"),
        (["scores", "x"], "invalid choice"),
        (["score"], "required: PATH"),
        (["score", "--model", "nobody", "x.png"], "no such model"),
        (["score", "x.png", "--out", "no/such/folder/f.csv"], "no such folder"),
        (["features", "x.png", "--out", "."], "--out must be a file"),
        (["train", "--real", "x", "--fake", "y", "--out", "m"], "at least 10 readable real"),
        (["train", "--real", "x", "--out", "m"], "at least 10 readable generated"),
        (["train", "--real", "x", "--simulate", "--out", "m"], "at least 10 readable real"),
        (
            ["train", "--real", "x", "--simulate", "--features", "asynchrony", "--out", "m"],
            "--simulate needs --features rich; got --features asynchrony",
        ),
        (["evaluate", "--real", "x.png", "--fake", "y.png"], "0 real and 0 fake"),
    ],
)
def test_wrong_use_is_status_2(arguments, message, tmp_path):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""


def test_missing_inputs_are_rows(tmp_path):
    (tmp_path / "hollow").mkdir()
    done = run("score", "missing.png", "hollow", "no*match", cwd=tmp_path)
    assert done.returncode == 1
    assert [row["path"] for row in table(done.stdout)] == ["missing.png", "hollow", "no*match"]
    assert all(row["error"] for row in table(done.stdout))


@posix
def test_names_of_any_bytes_are_kept(picture_folders, tmp_path):
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")
    try:
        shutil.copy(picture_folders / "real" / "00.png", tmp_path / name)
    except OSError:
        pytest.skip("this file system allows only UTF-8 names")
    command = [sys.executable, "-m", "freqfake", "score", "."]
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, check=True)
    assert b"caf\xe9.png" in done.stdout


@posix
def test_a_closed_pipe_is_not_an_error(picture_folders):
    command = f"{sys.executable} -m freqfake features '{picture_folders}' | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("path,mean")
    assert done.stderr == ""


def test_user_warnings_are_shown_but_not_deprecations(monkeypatch, capsys):
    def work(args):
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        warnings.warn("mind the step", UserWarning, stacklevel=1)
        return 0

    parser = argparse.ArgumentParser()
    parser.set_defaults(run=work, jobs=None, dask=None)
    monkeypatch.setattr("freqfake.cli.commands.make_parser", lambda: parser)
    assert cli.main([]) == 0
    assert capsys.readouterr().err == "freqfake: warning: mind the step\n"


@posix
def test_ctrl_c_at_the_end_changes_nothing(samples):
    """Python is still shutting down, and would print a traceback."""
    code = (
        "import atexit, os, signal, sys\n"
        "atexit.register(os.kill, os.getpid(), signal.SIGINT)\n"
        "from freqfake.cli import program\n"
        "sys.exit(program())\n"
    )
    command = [sys.executable, "-c", code, "features", str(samples / "real" / "retina.jpg")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
