"""Pictures to learn with: a simulated camera and a simulated generator.

They show why the colour channels of a photograph agree and those of a generated picture drift
apart, and nothing more. No figure that is measured on them says anything about real cameras or
real generators.
"""

import numpy as np
from scipy.ndimage import convolve

SIDE = 128  # pixels


def camera(rng, side=SIDE):
    """Photograph a scene: each pixel sees one colour; its neighbours supply the others."""
    light = scene(rng, side) + noise(rng, side, 1, 5)
    row, column = np.indices((side, side)) % 2
    is_red, is_green, is_blue = row + column == 0, row != column, row + column == 2
    cross, square = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]), np.outer([1, 2, 1], [1, 2, 1])
    green = filtered(light[..., 1] * is_green, cross / 4)
    # Red and blue are filled in by their difference from green: they take over its fine detail.
    red = green + filtered((light[..., 0] - green) * is_red, square / 4)
    blue = green + filtered((light[..., 2] - green) * is_blue, square / 4)
    return to_pixels(np.stack([red, green, blue], axis=-1) + noise(rng, side, 0, 1))


def generator(rng, side=SIDE):
    """Paint a scene of half the size, and enlarge each channel by a separate filter."""
    small, channels = scene(rng, side // 2), []
    for channel in range(3):
        spread = np.zeros((side, side))
        spread[::2, ::2] = small[..., channel]
        own = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 16 * rng.uniform(0.88, 1.12, (4, 4))
        channels.append(filtered(spread, own))
    grain = noise(rng, side, 2, 6)[..., :1]  # the same for all three
    return to_pixels(np.stack(channels, axis=-1) + grain + noise(rng, side, 1, 3))


def pictures(make, n_pictures, seed, side=SIDE):
    """Make pictures by `camera` or `generator`; the same seed gives the same ones."""
    return [make(rng, side) for rng in np.random.default_rng(seed).spawn(n_pictures)]


def scene(rng, side):
    """Brightness with fine detail, colour with little of it; of shape (side, side, 3)."""
    brightness = clouds(rng, side, rng.uniform(1.0, 1.3))[..., np.newaxis]
    colour = np.stack([clouds(rng, side, 1.6) for _ in range(3)], axis=-1)
    return rng.uniform(90, 150) + rng.uniform(20, 40) * brightness + 12 * colour


def clouds(rng, side, steepness):
    """Random texture that gets weaker towards high frequencies; mean 0, standard deviation 1."""
    freqs = np.hypot(np.fft.fftfreq(side)[:, np.newaxis], np.fft.rfftfreq(side))
    white = np.fft.rfft2(rng.normal(size=(side, side)))
    texture = np.fft.irfft2(white / np.maximum(freqs, 1 / side) ** steepness, (side, side))
    return (texture - texture.mean()) / texture.std()


def filtered(plane, kernel):
    """Apply a filter with periodic borders, like those of the clouds."""
    return convolve(plane, kernel, mode="wrap")


def noise(rng, side, least, most):
    """Draw independent noise per pixel and channel; its strength differs between pictures."""
    return rng.normal(0, rng.uniform(least, most), (side, side, 3))


def to_pixels(picture):
    """Round to 8 bits."""
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)
