"""Figures. They need matplotlib: ``python -m pip install "freqfake[plots]"``.

Each function draws into the axes it is given, or into new ones, and returns them. Colours are
told apart with every kind of colour vision, and never tell anything alone.
"""

from .features import plot_contributions, plot_features, plot_mixture
from .ratios import (
    plot_ece,
    plot_pav,
    plot_reliability,
    plot_scores,
    plot_tippett,
    plot_verbal_scale,
)
from .results import plot_confusion, plot_delivery, plot_learning_curves
from .spectra import plot_picture, plot_ring_agreement, plot_ring_profiles, plot_spectra

__all__ = [
    "plot_confusion",
    "plot_contributions",
    "plot_delivery",
    "plot_ece",
    "plot_features",
    "plot_learning_curves",
    "plot_mixture",
    "plot_pav",
    "plot_picture",
    "plot_reliability",
    "plot_ring_agreement",
    "plot_ring_profiles",
    "plot_scores",
    "plot_spectra",
    "plot_tippett",
    "plot_verbal_scale",
]
