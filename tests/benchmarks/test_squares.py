"""Squares of large photographs."""

import numpy as np
import pytest
from helpers import make_picture
from PIL import Image

pytest.importorskip("matplotlib", reason="the bench needs the extra bench")

from benchmarks import squares
from benchmarks.default_model import families_of
from freqfake.pictures.facts import ImageFacts


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_squares_that_are_cut_keep_the_pixels_and_the_grid_of_jpeg():
    pixels = np.random.default_rng(1).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    facts = ImageFacts(400, 300, "RGB", "JPEG 4:2:0", quality=90)
    for square, own in squares.cut(Image.fromarray(pixels), facts, 5, rng()):
        assert square.size == (own.width, own.height)
        assert 256 <= own.width == own.height <= 300
        assert (own.coding, own.quality) == ("JPEG 4:2:0", 90)
        shown = np.asarray(square)
        places = [
            (top, left)
            for top in range(0, 300 - own.height + 1, 8)
            for left in range(0, 400 - own.width + 1, 8)
            if (pixels[top, left] == shown[0, 0]).all()
        ]
        assert any(
            (pixels[y : y + own.height, x : x + own.width] == shown).all() for y, x in places
        )


def test_prepared_squares_show_only_the_picture():
    """Nothing from beyond the edges, which would be black, whatever the turn."""
    made = list(squares.prepared(Image.new("RGB", (1700, 1300), (200, 100, 50)), 40, rng()))
    assert {facts.coding for _, facts in made} == {"lossless", "JPEG 4:4:4", "JPEG 4:2:0"}
    for square, facts in made:
        assert square.size == (facts.width, facts.height)
        assert facts.width in squares.SIDES
        assert np.abs(np.asarray(square, int) - (200, 100, 50)).max() <= 3


def test_prepared_squares_are_turned_and_resampled():
    """A wave in the picture has another frequency and direction in each square."""
    wave = np.rint(128 + 100 * np.cos(2 * np.pi * np.arange(1400) * 40 / 1400)).astype(np.uint8)
    image = Image.fromarray(np.repeat(np.tile(wave, (1400, 1))[..., np.newaxis], 3, axis=2))
    found = set()
    for square, _ in squares.prepared(image, 30, rng()):
        magnitude = np.abs(np.fft.rfft2(np.asarray(square, float)[..., 0] - 128))
        row, col = np.unravel_index(magnitude.argmax(), magnitude.shape)
        side = square.size[0]
        row = min(row, side - row)
        length = 40 / 1400 * side  # cycles in a square without any scaling
        assert 0.7 * length <= np.hypot(row, col) <= 3.3 * length * 1.05
        assert row <= np.tan(np.deg2rad(22)) * col + 1.5
        found.add((row > 1.5, round(np.hypot(row, col) / length, 1)))
    assert len(found) > 8
    assert {turned for turned, _ in found} == {False, True}


def test_small_pictures_have_no_prepared_squares():
    assert not list(squares.prepared(Image.new("RGB", (380, 2000)), 20, rng()))


def test_the_same_file_has_the_same_squares(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(make_picture(0, asynchrony=0.3, size=900)).save(path)
    one, other = (families_of(str(path), 1, 3, prepare=True) for _ in range(2))
    assert 1 <= len(one) <= 3
    for family, again in zip(one, other, strict=True):
        np.testing.assert_array_equal(family["features"], again["features"])
        assert len(family["features"]) == len(family["facts"]) == 3
        assert family["facts"][1].quality == 95
