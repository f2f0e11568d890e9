"""The picture of the README."""

import numpy as np
from matplotlib.figure import Figure

from freqfake import channel_spectra, read_image
from freqfake.features.spectrum import full_plane
from freqfake.plots import plot_picture

from .harness.config import Config
from .harness.report import ROOT, Report

_ROWS = {
    "a photograph": "real/astronaut.png",
    "generated": "fake/mobilestylegan_201.webp",
}


def picture(config: Config, report: Report) -> None:
    """Draw a photograph and a generated face of tests/samples with their spectra."""
    drawing = Figure(figsize=(6.4, 4.6), layout="constrained", dpi=100)
    for axes, (title, name) in zip(drawing.subplots(2, 3), _ROWS.items(), strict=True):
        pixels, _ = read_image(ROOT / "tests/samples" / name)
        red, green, _ = full_plane(channel_spectra(pixels), pixels.shape[1])
        plot_picture(pixels, ax=axes[0])
        axes[1].imshow(green, cmap="viridis", vmin=0, vmax=1)
        axes[2].imshow(np.abs(red - green), cmap="magma", vmin=0, vmax=0.3)
        for ax, words in zip(axes, (title, "its spectrum", "red and green differ"), strict=True):
            ax.set_title(words)
            ax.set_axis_off()
    report.drawing("spectra", drawing)
