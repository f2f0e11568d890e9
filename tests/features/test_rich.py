"""The rich features, part by part, on known answers; delivered copies."""

import io
import itertools

import numpy as np
import pytest
from helpers import make_picture
from PIL import Image

from freqfake import ImageValueError, rich_feature_names, rich_features
from freqfake.batch.copies import delivered_copy, reencoded
from freqfake.features.rich import _block_transform, _residuals, fold_triples
from freqfake.features.rings import cut_middle
from freqfake.pictures.reading import read_bytes


def parts(image):
    """Features by part."""
    values = zip(rich_feature_names(), rich_features(image), strict=True)
    grouped = itertools.groupby(values, key=lambda item: item[0].rsplit("_", 1)[0])
    return {name: np.array([value for _, value in items]) for name, items in grouped}


def test_same_length_for_all_sizes_and_shapes():
    sizes = [(64, 64), (65, 130), (128, 97), (600, 300), (1030, 700)]
    found = [rich_features(np.random.default_rng(0).random((*size, 3))) for size in sizes]
    assert {len(features) for features in found} == {len(rich_feature_names())}
    assert np.isfinite(found).all()


def test_too_small_pictures_are_refused():
    with pytest.raises(ImageValueError, match="at least 64 x 64 pixels; got 200 x 63"):
        rich_features(np.zeros((63, 200, 3), np.uint8))


def test_only_the_middle_is_read():
    image = make_picture(0, asynchrony=0.3, size=700)
    other = image.copy()
    other[:88] = other[:, -90:] = 0
    np.testing.assert_array_equal(rich_features(image), rich_features(other))
    np.testing.assert_array_equal(rich_features(image), rich_features(image[88:600, 88:600]))


def test_flat_pictures_have_finite_features():
    for value in (0, 128, 255):
        assert np.isfinite(rich_features(np.full((64, 64, 3), value, np.uint8))).all()


def test_a_wave_has_its_power_in_its_ring():
    rows, cols = np.mgrid[:128, :128]
    wave = 0.5 + 0.3 * np.cos(2 * np.pi * (rows * 26 + cols * 13) / 128)  # 0.227 cycles a pixel
    power = parts(np.dstack([wave] * 3))["ring_power"].reshape(3, 17)
    assert (power.argmax(axis=1) == int(0.227 / 0.5 * 16)).all()


def test_equal_channels_agree_and_independent_ones_do_not():
    grey = np.random.default_rng(0).integers(0, 256, (256, 256), dtype=np.uint8)
    noise = np.random.default_rng(1).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    for kind in ("coherence", "correlation"):
        for pair in ("rg", "rb", "gb"):
            np.testing.assert_allclose(parts(grey)[f"ring_{kind}_{pair}"], 1, atol=1e-3)
            assert np.abs(parts(noise)[f"ring_{kind}_{pair}"][2:]).max() < 0.15


def test_a_shift_lowers_coherence_but_not_correlation():
    texture = np.random.default_rng(0).integers(0, 256, (128, 128), dtype=np.uint8)
    shifted = np.dstack([texture, np.roll(texture, 1, axis=1), texture])
    found = parts(shifted)
    assert found["ring_coherence_rg"][12] < 0.2
    assert found["ring_correlation_rg"][12] > 0.8
    assert found["ring_coherence_rb"][12] > 0.99


def test_residuals_of_a_ramp_and_of_a_point():
    ramp = np.arange(10, dtype=np.int16)[np.newaxis].repeat(10, axis=0)
    codes = _residuals(ramp)
    assert (codes["d1h"] == 3).all()  # difference 1
    assert all((codes[name] == 2).all() for name in ("d1v", "d2h", "d2v", "d3h", "mixed", "kernel"))
    point = np.zeros((9, 9), np.int16)
    point[4, 4] = 4
    kernel = _residuals(point)["kernel"].astype(int) - 2
    assert kernel[3, 3] == 2  # 4 * 4 in steps of 4, clipped
    assert kernel[3, 2] == -2
    assert kernel[2, 2] == 1
    kernel = _residuals(point // 4)["kernel"].astype(int) - 2
    assert (kernel[3, 3], kernel[3, 2], kernel[2, 2]) == (1, 0, 0)


def test_triples_are_folded_by_reversal_and_sign():
    fold = fold_triples()
    assert len(fold) == 125
    assert fold.max() + 1 == 39
    code = lambda *digits: digits @ np.array([25, 5, 1])  # noqa: E731
    assert fold[code(0, 1, 3)] == fold[code(3, 1, 0)] == fold[code(4, 3, 1)] == fold[code(1, 3, 4)]
    assert fold[code(0, 1, 3)] != fold[code(0, 3, 1)]


def test_histograms_are_shares():
    for name, values in parts(make_picture(0, asynchrony=0.3)).items():
        if not name.startswith(("ring", "rgb")) and "dct" not in name:
            assert np.square(values).sum() == pytest.approx(1, rel=1e-5), name


def test_half_a_turn_keeps_rings_and_cooccurrences():
    image = make_picture(0, asynchrony=0.3, size=128)
    here, turned = parts(image), parts(image[::-1, ::-1])
    for name in here:
        if "dct" not in name:
            np.testing.assert_allclose(here[name], turned[name], atol=2e-3, err_msg=name)


def test_compression_changes_the_block_transforms():
    picture = Image.fromarray(make_picture(0, asynchrony=0.2, size=128))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=50)
    before, after = (parts(p)["y_dct_zeros"] for p in (picture, Image.open(file)))
    assert after[63] > 0.5 > before[63]


@pytest.mark.parametrize(("n_lower", "share"), [(0, 0), (4, 0), (5, 1), (8, 1)])
@pytest.mark.parametrize("noise", [-4e-8, 0, 4e-8])
def test_rounding_decides_about_no_coefficient(n_lower, share, noise):
    """The mean coefficient is 0.5, less an eighth of a millionth for each lower pixel."""
    plane = np.full((8, 8), 0.0625)
    plane.flat[:n_lower] -= 1e-6
    assert _block_transform("y", plane + noise / 8)["y_dct_zeros"][0] == share


def test_copies_depend_on_picture_and_seed_only():
    picture = Image.fromarray(make_picture(0, asynchrony=0.3, size=256))
    other = Image.fromarray(make_picture(1, asynchrony=0.3, size=256))
    copies = [delivered_copy(picture, seed) for seed in range(30)]
    assert copies[3] == delivered_copy(picture.copy(), 3)
    assert delivered_copy(other, 3) != copies[3]
    opened = [Image.open(io.BytesIO(copy)) for copy in copies]
    assert {image.format for image in opened} >= {"JPEG", "WEBP"}
    assert {min(image.size) for image in opened} > {256}
    assert min(min(image.size) for image in opened) >= 128


def test_light_reencoding_hardly_changes_the_pixels():
    picture = Image.open(io.BytesIO(delivered_copy(
        Image.fromarray(make_picture(0, asynchrony=0.2)), 0))).convert("RGB")  # fmt: skip
    again = Image.open(io.BytesIO(reencoded(picture)))
    assert np.abs(np.asarray(again, int) - np.asarray(picture)).mean() < 4


@pytest.mark.parametrize("shape", [(700, 901), (512, 1030), (600, 520)])
def test_compressing_the_middle_equals_compressing_the_whole(shape):
    """The middle begins on the 8 x 8 grid of JPEG."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    whole, part = (
        rich_features(read_bytes(reencoded(Image.fromarray(p)))[0])
        for p in (pixels, cut_middle(pixels))
    )
    np.testing.assert_array_equal(part, whole)
