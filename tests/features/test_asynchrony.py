"""The six features against the paper's reference values, the printed formula and known answers."""

import csv
import io

import numpy as np
import pytest
from helpers import make_picture
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from freqfake import FEATURE_NAMES, asynchrony_features


def by_the_formula(image, spectrum):
    """The formulas as printed, on full planes in double precision."""
    planes = np.moveaxis(image.astype(float) / 255, -1, 0)
    spectra = np.abs(np.fft.fft2(planes))
    if spectrum == "log":
        logs = np.log(spectra + 1e-3)
        low, high = np.percentile(logs, [1, 99], axis=(1, 2), keepdims=True)
        spectra = np.clip((logs - low) / (high - low), 0, 1)
    red, green, blue = spectra
    pairs = [(red, green), (red, blue), (green, blue)]
    distances = [np.abs(a - b).mean() for a, b in pairs]
    independence = [1 - np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs]
    return np.array([np.mean(distances), max(distances), min(distances), *independence])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_reference_values_of_the_papers_sample_faces(measuring_data, dtype):
    folder = measuring_data / "lewoo_samples"
    with (folder / "expected_features.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 16
    for row in rows:
        expected = [float(row[name]) for name in FEATURE_NAMES]
        spectrum = row["spectrum"]
        found = asynchrony_features(folder / row["file"], spectrum=spectrum, dtype=dtype)
        tolerance = 1e-9 if dtype == np.float64 else 1e-5
        if spectrum == "log":
            np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
        else:
            np.testing.assert_allclose(found, expected, rtol=tolerance, atol=0)


@pytest.mark.parametrize("spectrum", ["log", "modulus"])
@given(
    shape=st.tuples(st.integers(3, 40), st.integers(3, 40)),
    asynchrony=st.floats(0.05, 2),
    seed=st.integers(0, 999),
)
@example(shape=(4, 4), asynchrony=0.25, seed=4)  # a weak bin that rounding moves
@settings(max_examples=40)
def test_any_size_matches_the_formula(spectrum, shape, asynchrony, seed):
    image = make_picture(seed, asynchrony=asynchrony, size=40)[: shape[0], : shape[1]]
    expected = by_the_formula(image, spectrum)
    in_double = asynchrony_features(image, spectrum=spectrum, dtype=np.float64)
    np.testing.assert_allclose(in_double, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        asynchrony_features(image, spectrum=spectrum), expected, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("shape", [(251, 257), (256, 255), (1, 64), (64, 1)])
def test_primes_odd_sizes_and_lines_match_the_formula(shape):
    image = make_picture(7, asynchrony=0.4, size=257)[: shape[0], : shape[1]]
    found = asynchrony_features(image, dtype=np.float64)
    np.testing.assert_allclose(found, by_the_formula(image, "log"), atol=1e-9)


def test_rotated_and_mirrored_pictures_have_the_same_features():
    image = make_picture(3, asynchrony=0.3)[:50]
    expected = asynchrony_features(image, dtype=np.float64)
    for other in (image[::-1], image[:, ::-1], np.rot90(image), image.transpose(1, 0, 2)):
        np.testing.assert_allclose(
            asynchrony_features(other, dtype=np.float64), expected, atol=1e-10
        )


def test_swapping_channels_swaps_the_pairs():
    image = make_picture(4, asynchrony=0.3)
    mean, most, least, rg, rb, gb = asynchrony_features(image, dtype=np.float64)
    swapped = asynchrony_features(image[:, :, [0, 2, 1]], dtype=np.float64)
    np.testing.assert_allclose(swapped, [mean, most, least, rb, rg, gb], atol=1e-12)


def test_less_agreement_between_channels_raises_every_feature():
    rows = [asynchrony_features(make_picture(5, asynchrony=a)) for a in (0.1, 0.2, 0.4, 0.8)]
    assert (np.diff(rows, axis=0) > 0).all()


def test_equal_channels_give_zero():
    grey = np.random.default_rng(0).integers(0, 256, (40, 30), dtype=np.uint8)
    for spectrum in ("log", "modulus"):
        assert not asynchrony_features(grey, spectrum=spectrum).any()
        assert not asynchrony_features(np.dstack([grey] * 3), spectrum=spectrum).any()


def test_data_types_do_not_change_the_features():
    image = make_picture(6, asynchrony=0.3)
    expected = asynchrony_features(image, dtype=np.float64)
    for same in (
        image.astype(np.uint16) * 257,
        image / 255,
        np.dstack([image, np.zeros((64, 64), np.uint8)]),
        Image.fromarray(image),
    ):
        found = asynchrony_features(same, dtype=np.float64)
        np.testing.assert_allclose(found, expected, atol=1e-12)


FLAT = {
    "one pixel": np.array([[[10, 20, 30]]], np.uint8),
    "one colour": np.full((24, 31, 3), (10, 128, 200), np.uint8),
    "black": np.zeros((16, 16, 3), np.uint8),
    "deltas": np.eye(32 * 32)[[3, 500, 77]].T.reshape(32, 32, 3),
}


@pytest.mark.parametrize("name", FLAT)
@pytest.mark.parametrize("spectrum", ["log", "modulus"])
def test_pictures_without_contrast_have_finite_features(name, spectrum):
    found = asynchrony_features(FLAT[name], spectrum=spectrum)
    assert np.isfinite(found).all()
    in_double = asynchrony_features(FLAT[name], spectrum=spectrum, dtype=np.float64)
    np.testing.assert_allclose(found, in_double, rtol=1e-5, atol=1e-5)
    assert (found[3:] >= 0).all()
    assert (found[3:] <= 2).all()


def test_a_flat_spectrum_correlates_only_with_an_equal_one():
    np.testing.assert_array_equal(asynchrony_features(FLAT["deltas"]), 0)  # three flat spectra
    np.testing.assert_allclose(asynchrony_features(FLAT["one colour"]), 0, atol=1e-6)
    image = make_picture(1, asynchrony=0.3)
    image[:, :, 0] = 0
    assert asynchrony_features(image)[3] == pytest.approx(1)


def test_chroma_subsampling_removes_what_the_features_measure():
    image = Image.fromarray(make_picture(2, asynchrony=0.5, size=128))
    mean = {}
    for subsampling in (0, 2):
        file = io.BytesIO()
        image.save(file, "JPEG", quality=95, subsampling=subsampling)
        mean[subsampling] = asynchrony_features(Image.open(file))[0]
    assert mean[2] < 0.7 * mean[0]
    assert mean[0] == pytest.approx(asynchrony_features(image)[0], rel=0.1)
