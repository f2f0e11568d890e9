"""Rings with known answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freqfake import rich_features
from freqfake.features.rich import N_RINGS
from freqfake.features.rings import ring_profiles


def test_a_wave_has_its_power_in_its_ring():
    x = np.arange(128)
    wave = 0.5 + 0.25 * np.cos(2 * np.pi * 25 / 128 * x)
    profiles = ring_profiles(np.tile(wave, (128, 1)), n_rings=32)
    width = 0.5 / 32
    assert profiles.freqs[profiles.power[0].argmax()] == pytest.approx(25 / 128)
    assert profiles.freqs[[0, -1]] == pytest.approx([width / 2, 0.5 - width / 2])


def test_white_noise_is_flat_and_its_channels_are_unrelated():
    noise = np.random.default_rng(0).random((256, 256, 3))
    profiles = ring_profiles(noise, n_rings=16)
    levels = profiles.power[:, 2:]
    assert levels.max() / levels.min() < 1.3
    assert np.abs(profiles.coherence[:, 4:]).max() < 0.1
    assert np.abs(profiles.correlation[:, 4:]).max() < 0.1


def test_equal_channels_agree_and_negatives_do_not():
    grey = np.random.default_rng(0).random((64, 64, 1))
    image = np.concatenate([grey, grey, 1 - grey], axis=2)
    profiles = ring_profiles(image, n_rings=8)
    assert profiles.coherence[0] == pytest.approx(np.ones(8), abs=1e-4)
    assert profiles.coherence[1] == pytest.approx(-np.ones(8), abs=1e-4)
    assert profiles.correlation == pytest.approx(np.ones((3, 8)), abs=1e-3)


def test_the_rich_features_begin_with_the_same_rings():
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    power = ring_profiles(image, n_rings=N_RINGS).power
    expected = rich_features(image)[: 3 * (N_RINGS + 1)].reshape(3, -1)[:, :N_RINGS]
    np.testing.assert_allclose(np.log(power + 1e-3), expected, rtol=1e-5)


@given(st.integers(8, 70), st.integers(8, 70), st.integers(1, 100), st.booleans())
def test_no_ring_is_empty(n_rows, n_cols, n_rings, black):
    image = np.zeros((n_rows, n_cols, 3))
    if not black:
        image[:] = np.random.default_rng(0).random(image.shape)
    profiles = ring_profiles(image, n_rings=n_rings)
    assert profiles.power.shape[1] == min(n_rings, min(n_rows, n_cols) // 2)
    for values in (profiles.power, profiles.coherence, profiles.correlation):
        assert np.isfinite(values).all()
    assert np.abs(profiles.coherence).max() <= 1 + 1e-6
