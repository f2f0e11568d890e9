"""Spectra with known answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqfake import channel_spectra, full_plane
from freqfake.features.percentiles import full_plane_percentiles
from freqfake.features.spectrum import column_weights

sizes = st.integers(1, 12)


def test_a_cosine_peaks_at_its_frequency():
    rows, cols = np.mgrid[:32, :48]
    wave = 0.5 + 0.4 * np.cos(2 * np.pi * (5 * rows / 32 + 7 * cols / 48))
    magnitude = channel_spectra(np.stack([wave] * 3, -1), spectrum="modulus")[0]
    assert magnitude[0, 0] == pytest.approx(0.5 * 32 * 48)
    assert magnitude[5, 7] == pytest.approx(0.2 * 32 * 48)
    magnitude[[0, 5], [0, 7]] = 0
    assert magnitude.max() < 1e-3


def test_a_delta_is_flat():
    image = np.zeros((9, 8, 3))
    image[3, 2] = 0.75
    np.testing.assert_allclose(channel_spectra(image, spectrum="modulus"), 0.75, rtol=1e-6)


def test_log_spectrum_maps_the_percentiles_of_the_full_plane_to_0_and_1():
    image = np.random.default_rng(0).random((33, 46, 3))
    logs = np.log(np.abs(np.fft.fft2(image, axes=(0, 1))) + 1e-3)
    low, high = np.percentile(logs, [1, 99], axis=(0, 1))
    expected = np.moveaxis(np.clip((logs - low) / (high - low), 0, 1), -1, 0)
    spectra = channel_spectra(image, dtype=np.float64)
    np.testing.assert_allclose(spectra, expected[:, :, :24], atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(n_rows=sizes, n_cols=sizes, seed=st.integers(0, 99), n_values=st.integers(1, 60))
def test_percentiles_are_those_of_the_full_plane(dtype, n_rows, n_cols, seed, n_values):
    """Covers ties, zeros and values of very different size; few values give flat planes."""
    rng = np.random.default_rng(seed)
    values = np.append(0, np.exp(rng.normal(0, 8, n_values - 1))).astype(dtype)
    half = rng.choice(values, (n_rows, n_cols // 2 + 1))
    inner = half[:, 1 : (n_cols + 1) // 2]
    full = np.sort(np.concatenate([half, inner], axis=1), axis=None)
    wanted = (0.0, 1.0, 37.5, 99.0, 100.0)
    found = full_plane_percentiles(half, n_cols, wanted)
    for percentile, (low, high, fraction) in zip(wanted, found, strict=True):
        position = (full.size - 1) * percentile / 100
        assert low == full[int(position)]
        assert high == full[min(int(position) + 1, full.size - 1)]
        assert fraction == position - int(position)


@given(n_rows=sizes, n_cols=sizes, seed=st.integers(0, 99))
def test_half_plane_unfolds_to_the_full_plane(n_rows, n_cols, seed):
    image = np.random.default_rng(seed).random((n_rows, n_cols, 3))
    half = channel_spectra(image, spectrum="modulus", dtype=np.float64)
    expected = np.abs(np.fft.fftshift(np.fft.fft2(image, axes=(0, 1)), axes=(0, 1)))
    np.testing.assert_allclose(full_plane(half, n_cols), np.moveaxis(expected, -1, 0), atol=1e-9)
    assert half[0].shape == (n_rows, len(column_weights(n_cols)))
    assert column_weights(n_cols).sum() == n_cols


def test_smooth_pictures_are_computed_in_double_precision():
    rows, cols = np.mgrid[:128, :128]
    blob = np.exp(-((rows - 60) ** 2 + (cols - 70) ** 2) / 2000)
    image = np.stack([blob, blob**2, blob**3], -1)
    assert channel_spectra(image).dtype == np.float64
    noisy = np.random.default_rng(0).random((128, 128, 3))
    assert channel_spectra(noisy).dtype == np.float32


@pytest.mark.parametrize(
    ("options", "message"),
    [({"spectrum": "power"}, "`spectrum` must be"), ({"dtype": np.int32}, "`dtype` must be")],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        channel_spectra(np.zeros((4, 4, 3)), **options)


def test_full_plane_refuses_a_width_that_does_not_fit():
    with pytest.raises(ValueError, match="`n_cols` must fit"):
        full_plane(np.zeros((3, 8, 5)), 10)
