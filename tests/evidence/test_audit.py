"""The audit: data sets whose files separate real from fake, and one whose files do not."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import make_picture, run
from PIL import Image

from freqfake import TrainingError, audit_files
from freqfake.pictures.reading import read_image


def save(folder, side, *, n=20, size=64, **options):
    (folder / side).mkdir()
    for i in range(n):
        image = Image.fromarray(make_picture(i + 50 * (side == "fake"), asynchrony=0.3, size=size))
        image.save(folder / side / f"{i}.{options.get('ending', 'jpg')}", **options)


@pytest.fixture
def audit(tmp_path):
    def run_audit(real, fake):
        save(tmp_path, "real", **real)
        save(tmp_path, "fake", **fake)
        return audit_files(tmp_path / "real", tmp_path / "fake")

    return run_audit


def test_similar_sides_pass(audit):
    result = audit({"quality": 80}, {"quality": 80})
    assert result.passed
    assert result.auc < 0.7
    assert result.n_sizes == 1
    assert "do not separate" in str(result)
    assert "<strong>passed</strong>: the files alone do not separate" in result._repr_html_()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("real", "fake", "fact"),
    [
        ({"quality": 80}, {"quality": 90}, "JPEG quality"),
        ({"quality": 80, "subsampling": 0}, {"quality": 80, "subsampling": 2}, "coding"),
        ({"quality": 80}, {"quality": 80, "size": 72}, "width"),
        ({"quality": 80}, {"ending": "png"}, "format"),
    ],
)
def test_different_sides_fail_and_the_fact_is_named(audit, real, fake, fact):
    result = audit(real, fake)
    assert not result.passed
    assert result.auc_by_fact[fact] > 0.95
    assert "THE FILES ALONE SEPARATE" in str(result)
    assert fact in str(result)
    shown = result._repr_html_()
    assert "<strong>failed</strong>: the files alone separate" in shown
    assert f"<td>{fact}</td><td>{result.auc_by_fact[fact]:.3f}</td>" in shown
    assert shown.count("<tr>") == 2 + len(result.auc_by_fact)


def test_equal_pictures_are_found_in_any_format(tmp_path):
    save(tmp_path, "real", ending="png")
    save(tmp_path, "fake", ending="png")
    Image.open(tmp_path / "real" / "3.png").save(tmp_path / "fake" / "same.bmp")
    (tmp_path / "fake" / "broken.png").write_text("")
    result = audit_files(tmp_path / "real", tmp_path / "fake")
    assert [tuple(Path(p).parent.name for p in pair) for pair in result.duplicates] == [
        ("real", "fake")
    ]
    assert list(result.errors) == [str(tmp_path / "fake" / "broken.png")]


def test_a_file_on_both_sides_is_found(tmp_path):
    save(tmp_path, "real", ending="png")
    files = sorted((tmp_path / "real").iterdir())
    assert audit_files(files, files).duplicates == [(str(file), str(file)) for file in files]


def test_too_few_pictures_are_an_error(tmp_path):
    save(tmp_path, "real", n=9)
    save(tmp_path, "fake")
    with pytest.raises(TrainingError, match="at least 10 readable real pictures"):
        audit_files(tmp_path / "real", tmp_path / "fake")


@pytest.mark.parametrize("quality", [1, 10, 30, 49, 50, 75, 90, 95, 100])
def test_jpeg_quality_is_read(tmp_path, quality):
    image = Image.fromarray(make_picture(0, asynchrony=0.2))
    image.save(tmp_path / "a.jpg", quality=quality)
    assert read_image(tmp_path / "a.jpg")[1].quality == quality


@pytest.mark.slow
def test_audit_command(tmp_path):
    save(tmp_path, "real", quality=80)
    save(tmp_path, "fake", quality=90)
    done = run("audit", "--real", tmp_path / "real", "--fake", tmp_path / "fake")
    assert done.returncode == 1
    assert "JPEG quality" in done.stdout
    done = run("audit", "--real", tmp_path / "real", "--fake", tmp_path / "fake", "--json")
    assert json.loads(done.stdout)["passed"] is False
    alike = [tmp_path / "real" / f"*[{digits}].jpg" for digits in ("02468", "13579")]
    done = run("audit", "--real", alike[0], "--fake", alike[1])
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_published_data_sets(measuring_data):
    pair = measuring_data / "stylegan_ffhq256"
    assert audit_files(pair / "real", pair / "fake").passed
    differing = audit_files(
        measuring_data / "celebahq512" / "real", measuring_data / "generatedphotos512" / "fake"
    )
    assert differing.auc == 1
    assert np.isclose(differing.auc_by_fact["coding"], 1)
