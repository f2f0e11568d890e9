"""Delivered copies: the seed decides, and each way of delivery is reached."""

import io
import sys

import numpy as np
import pytest
from helpers import make_picture
from PIL import Image

from freqfake.batch.copies import delivered_copy
from freqfake.pictures.reading import read_bytes

EDITS = {"_with_noise", "_blurred", "_sharpened", "_enlarged", "_compressed"}


def picture(width=200, height=150, seed=0):
    size = max(width, height)
    pixels = make_picture(seed, asynchrony=0.3, size=size)[:height, :width]
    return Image.fromarray(pixels)


def called(function, *arguments):
    """Names of the functions that a call runs."""
    names, before = set(), sys.getprofile()
    sys.setprofile(lambda frame, event, _: names.add(frame.f_code.co_name))
    try:
        function(*arguments)
    finally:
        sys.setprofile(before)
    return names


@pytest.mark.parametrize("seed", range(12))
def test_a_copy_depends_on_picture_and_seed_only(seed):
    copies = [delivered_copy(picture(), seed) for _ in range(2)]
    assert copies[0] == copies[1]
    assert copies[0] != delivered_copy(picture(seed=1), seed)
    assert copies[0] != delivered_copy(picture(), seed + 2)


@pytest.mark.slow
def test_even_seeds_reach_every_edit_and_format():
    names = [called(delivered_copy, picture(), seed) for seed in range(0, 300, 2)]
    ways = {*EDITS, "_with_past", "_scaled"}
    for way in ways:
        assert 2 < sum(way in found for found in names) < 140, way
    assert not any("_posted" in found for found in names)
    formats = [read_bytes(delivered_copy(picture(), seed))[1].format for seed in range(0, 300, 2)]
    assert {name: formats.count(name) > 1 for name in set(formats)} == dict.fromkeys(
        ("JPEG", "WEBP", "PNG"), True
    )
    assert formats.count("JPEG") > 100


@pytest.mark.slow
def test_odd_seeds_post_a_picture_and_some_forward_it():
    n_forwarded = 0
    for seed in range(1, 300, 2):
        found = called(delivered_copy, picture(400, 300), seed)
        assert "_posted" in found
        assert not found & EDITS
        n_forwarded += "_decoded" in found
    assert 10 < n_forwarded < 70


def test_posted_copies_are_small_jpegs_with_420():
    qualities = []
    for seed in range(1, 200, 2):
        _, facts = read_bytes(delivered_copy(picture(400, 300), seed))
        assert facts.coding == "JPEG 4:2:0"
        assert 128 <= facts.height <= 270
        assert facts.width == pytest.approx(facts.height * 4 / 3, abs=2)
        qualities.append(facts.quality)
    assert 30 <= min(qualities) < 35 < 64 < max(qualities) <= 69


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "largest"), [((200, 150), 400), ((1500, 700), 2048), ((2100, 200), 2100)]
)
def test_copies_are_not_much_larger(size, largest):
    sides = []
    for seed in range(0, 120, 2):
        with Image.open(io.BytesIO(delivered_copy(Image.new("RGB", size, "teal"), seed))) as made:
            sides.append(max(made.size))
            assert min(made.size) >= 100
    assert max(sides) <= largest
    assert max(sides) > size[0] or size[0] > 2048
    assert min(sides) < size[0]


def test_small_pictures_are_not_reduced():
    for seed in range(40):
        pixels, _ = read_bytes(delivered_copy(picture(128, 100), seed))
        assert np.min(pixels.shape[:2]) >= 100
