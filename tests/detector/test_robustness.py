"""Detectors after JPEG compression."""

import numpy as np
import pytest
from PIL import Image

from freqfake import FEATURE_NAMES, UnreadableImageWarning, load_detector, train_detector
from freqfake.batch.copies import as_jpeg
from freqfake.detector.robustness import delivery_table


@pytest.fixture(scope="module")
def detector(picture_folders):
    return train_detector(picture_folders / "real", picture_folders / "fake", features="asynchrony")


def test_table_equals_scores_of_the_files(detector, picture_folders, tmp_path):
    table = delivery_table(
        detector, picture_folders / "real", picture_folders / "fake",
        qualities=[90, 30], subsamplings=["4:2:0"],
    )  # fmt: skip
    assert table.quality.tolist() == [90, 30]
    for side in ("real", "fake"):
        (tmp_path / side).mkdir()
        for path in (picture_folders / side).iterdir():
            with Image.open(path) as image:
                data = as_jpeg(image, 30, "4:2:0")
            (tmp_path / side / f"{path.stem}.jpg").write_bytes(data)
    expected = detector.evaluate(tmp_path / "real", tmp_path / "fake")
    assert table.auc[1] == expected["auc"]
    assert table.inconclusive[1] == expected["inconclusive"] == 1  # 4:2:0 is outside the domain
    assert table.real_called_fake[1] == 0


def test_shares_are_those_of_the_verdicts(samples, tmp_path):
    detector, small = load_detector(), np.zeros((40, 40, 3), np.uint8)  # too small for the features
    sides = [[*sorted((samples / side).iterdir()), small] for side in ("real", "fake")]
    table = delivery_table(detector, *sides, qualities=[95], subsamplings=["4:4:4"])
    verdicts = []
    for side in sides:
        for i, path in enumerate(side[:-1]):
            with Image.open(path) as image:
                (tmp_path / f"{i}.jpg").write_bytes(as_jpeg(image.convert("RGB"), 95, "4:4:4"))
        scored = detector.score([tmp_path / f"{i}.jpg" for i in range(3)])
        verdicts.append(scored.verdict)
    real, fake = verdicts
    assert table.fake_called_fake[0] == np.mean(fake == "fake") > 0
    assert table.real_called_fake[0] == np.mean(real == "fake") == 0
    assert table.inconclusive[0] == np.mean([*real, *fake] == np.array(["inconclusive"] * 6))


def test_light_compression_does_less_harm(detector, picture_folders):
    sides = (picture_folders / "real", picture_folders / "fake")
    table = delivery_table(detector, *sides, qualities=[100, 10])
    auc = table.set_index(["subsampling", "quality"]).auc
    assert auc["4:4:4", 100] > 0.95
    assert auc["4:4:4", 100] > auc["4:2:0", 10]


def test_pictures_of_all_kinds_and_unreadable_ones(detector, picture_folders):
    pictures = [picture_folders / "real" / "00.png", np.zeros((64, 64), np.uint8), "missing.png"]
    with pytest.warns(UnreadableImageWarning, match="left out missing.png"):
        table = delivery_table(detector, pictures, picture_folders / "fake", qualities=[50])
    assert len(table) == 2
    assert not set(table.columns) & set(FEATURE_NAMES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"qualities": [0]}, "`qualities` must lie between 1 and 100; got 0"),
        ({"subsamplings": ["4:1:1"]}, "`subsamplings` must be among 4:4:4, 4:2:2, 4:2:0; got '4"),
    ],
)
def test_wrong_options_are_named(detector, options, message):
    with pytest.raises(ValueError, match=message):
        delivery_table(detector, [], [], **options)
    with pytest.raises(ValueError, match="real and fake pictures are both needed; got 0 real"):
        delivery_table(detector, [], [])
