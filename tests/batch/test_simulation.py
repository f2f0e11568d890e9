"""Simulated fakes: what they change in a picture, and how they are coded."""

import numpy as np
import pytest
from helpers import make_picture
from PIL import Image

from freqfake import iter_features
from freqfake.batch import simulation
from freqfake.batch.extraction import Picture, Unreadable, read_picture
from freqfake.batch.simulation import iter_with_simulated, simulated_fake, simulated_picture
from freqfake.pictures.facts import ImageFacts

SEEDS = range(12)


@pytest.fixture(scope="module")
def noise() -> Image.Image:
    """White noise: the same power at all frequencies."""
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_the_seed_decides(noise):
    first = [np.asarray(simulated_fake(noise, seed)) for seed in (3, 3, 4)]
    np.testing.assert_array_equal(first[0], first[1])
    assert (first[0] != first[2]).mean() > 0.5


@pytest.mark.parametrize("size", [(128, 128), (259, 130), (301, 514)])
def test_the_size_is_cut_to_a_multiple_of_4(size):
    for seed in SEEDS:
        made = simulated_fake(Image.new("RGB", size, "teal"), seed)
        assert made.mode == "RGB"
        assert made.size == tuple(side // 4 * 4 for side in size)


@pytest.mark.parametrize("size", [(127, 400), (400, 127)])
def test_small_pictures_are_refused(size):
    with pytest.raises(ValueError, match=f"at least 128 pixels a side; got {size[0]} x {size[1]}"):
        simulated_fake(Image.new("RGB", size), 0)


def test_the_picture_still_shows_the_same(samples):
    """Its mirror image differs by 36, and by 31 in blocks."""
    with Image.open(samples / "real" / "chelsea.png") as opened:
        original = np.asarray(opened.convert("RGB"))[:300, :444]
    for seed in SEEDS:
        made = np.asarray(simulated_fake(Image.fromarray(original), seed))
        assert 0.5 < np.abs(made - original.astype(float)).mean() < 10
        blocks = (image.reshape(25, 12, 37, 12, 3).mean(axis=(1, 3)) for image in (made, original))
        assert np.abs(np.subtract(*blocks)).mean() < 4


@pytest.mark.parametrize("name", ["_by_neighbour", "_by_zeros", "_by_binomial"])
def test_enlarging_moves_nothing_and_keeps_the_brightness(name):
    enlarge, rng = getattr(simulation, name), np.random.default_rng(0)
    flat = enlarge(np.full((3, 16, 16), 100, np.float32), rng)[:, 4:-4, 4:-4]
    assert flat.mean() == pytest.approx(100, abs=1.5)
    assert flat.std() < 3  # no visible checkerboard
    impulse = np.zeros((3, 16, 16), np.float32)
    impulse[:, 4, 4] = 100
    for plane in enlarge(impulse, rng):  # the middle of the pixels 8 and 9
        centre = (np.indices(plane.shape) * plane).sum(axis=(1, 2)) / plane.sum()
        np.testing.assert_allclose(centre, 8.5, atol=0.1)


def power_of(image, frequencies):
    planes = np.moveaxis(np.asarray(image, float), -1, 0)
    planes = planes - planes.mean(axis=(1, 2), keepdims=True)
    return (np.abs(np.fft.fft2(planes)) ** 2)[:, frequencies].mean(axis=1)


def test_high_frequencies_lose_power(noise):
    """The reduction by 2 removes all above 0.25; enlarging leaves weak images of the rest."""
    f = np.fft.fftfreq(256)
    radius = np.hypot(f[:, np.newaxis], f)
    high, low = radius > 0.25, (radius > 0.01) & (radius < 0.1)
    for seed in SEEDS:
        made = simulated_fake(noise, seed)
        assert (power_of(made, high) < 0.15 * power_of(noise, high)).all()
        assert (power_of(made, low) > 0.25 * power_of(noise, low)).all()


def test_each_kernel_is_reached(noise, monkeypatch):
    reached = []
    names = ("_by_neighbour", "_by_zeros", "_by_binomial")
    for name in names:
        own = getattr(simulation, name)

        def recorded(planes, rng, name=name, own=own):
            reached.append(name)
            return own(planes, rng)

        monkeypatch.setattr(simulation, name, recorded)
    for seed in range(20):
        simulated_fake(noise, seed)
    assert {reached.count(name) > 2 for name in names} == {True}
    assert 20 < len(reached) < 40  # one step or two


SAVED = {
    "a.jpg": ({"quality": 71, "subsampling": 2}, "JPEG 4:2:0", 71),
    "b.jpg": ({"quality": 93, "subsampling": 0}, "JPEG 4:4:4", 93),
    "c.jpg": ({"quality": 85, "subsampling": 1}, "JPEG 4:2:2", 85),
    "d.webp": ({"quality": 60}, "lossy WEBP", 0),
    "e.webp": ({"lossless": True}, "lossless", 0),
    "f.png": ({}, "lossless", 0),
}


@pytest.mark.parametrize("name", SAVED)
def test_the_coding_is_that_of_the_photograph(name, tmp_path):
    options, coding, quality = SAVED[name]
    path = tmp_path / name
    Image.fromarray(make_picture(0, asynchrony=0.3, size=131)).save(path, **options)
    (real,) = iter_with_simulated(path, n_copies=2)
    fake = real.simulated
    assert (real.facts.coding, real.facts.quality) == (coding, quality)
    assert (fake.facts.coding, fake.facts.quality) == (coding, quality)
    assert (fake.facts.width, fake.facts.height, fake.facts.mode) == (128, 128, "RGB")
    assert (fake.path, fake.facts.sha256) == (str(path), "")
    assert (len(real.copies), len(fake.copies)) == (2, 2)
    assert np.isfinite(fake.features).all()
    (alone,) = iter_features(path, features="rich", n_copies=2)
    np.testing.assert_array_equal(alone.features, real.features)
    np.testing.assert_array_equal(alone.copies[1].features, real.copies[1].features)


def test_pixels_are_compressed_as_the_facts_say(tmp_path):
    """The blocks of a JPEG of quality 20 are flat; those of a lossless picture are not."""
    image = Image.fromarray(make_picture(0, asynchrony=0.3, size=128))
    steps = {}
    for name, options in (("a.jpg", {"quality": 20}), ("b.png", {})):
        image.save(tmp_path / name, **options)
        pixels = simulated_picture(read_picture(name, tmp_path / name)).pixels.astype(float)
        step = np.abs(np.diff(pixels[..., 1], axis=1)).mean(axis=0)
        steps[name] = step[7::8].mean() / step[3::8].mean()
    assert steps["a.jpg"] > 1.1 * steps["b.png"]


def test_arrays_give_arrays_and_the_same_again_in_other_processes():
    pictures = [make_picture(i, asynchrony=0.3, size=128) for i in range(2)]
    first, again = (list(iter_with_simulated(pictures, n_jobs=jobs)) for jobs in (1, 2))
    for one, other in zip(first, again, strict=True):
        assert one.simulated.facts.coding == "pixels"
        np.testing.assert_array_equal(one.simulated.features, other.simulated.features)
    assert (first[0].simulated.features != first[1].simulated.features).any()


@pytest.mark.parametrize("name", ["grey.png", "grey.jpg", "palette.gif", "small.png"])
def test_other_pictures_have_none(name, tmp_path):
    size = 127 if name == "small.png" else 200
    image = Image.fromarray(make_picture(0, asynchrony=0.3, size=size))
    (image.convert("L") if "grey" in name else image).save(tmp_path / name)
    (real,) = iter_with_simulated(tmp_path / name)
    assert real.simulated is None
    assert len(real.features)


def test_what_cannot_be_used_is_a_reason(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_text("no picture")
    tiny, large = (make_picture(0, asynchrony=0.3, size=size) for size in (32, 128))
    broken, small = iter_with_simulated([tmp_path / "a.png", tiny])
    assert "not a picture" in broken.error
    assert "at least 64 x 64 pixels" in small.error

    def full(*arguments):
        raise MemoryError

    monkeypatch.setattr(simulation, "simulated_fake", full)
    (refused,) = iter_with_simulated([large])
    assert isinstance(refused, Unreadable)
    assert "not enough memory" in refused.error


@pytest.mark.parametrize("coding", ["AVIF", "JPEG", "JPEG2000", "lossy TIFF", "WEBP"])
def test_codings_that_cannot_be_repeated_have_none(coding):
    pixels = make_picture(0, asynchrony=0.3, size=128)
    picture = Picture("x", pixels, ImageFacts(128, 128, "RGB", coding, quality=80))
    assert simulated_picture(picture) is None
