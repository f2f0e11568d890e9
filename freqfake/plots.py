"""Figures of how far likelihood ratios can be trusted. Needs matplotlib.

Each function draws into the axes it is given, or into new ones, and returns them.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .calibration import posterior
from .metrics import cllr, cllr_min, pav_llrs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REAL_COLOUR, FAKE_COLOUR, NEUTRAL_COLOUR = "#0072B2", "#D55E00", "#555555"  # Okabe and Ito


def plot_tippett(y: npt.ArrayLike, llrs: npt.ArrayLike, *, ax: "Axes | None" = None) -> "Axes":
    """Share of pictures whose likelihood ratio exceeds a value, real and fake apart.

    Parameters
    ----------
    y : array-like of shape (n_pictures,)
        1 for fake, 0 for real.
    llrs : array-like of shape (n_pictures,)
        log10 likelihood ratios.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    ax = _axes(ax)
    y, llrs = np.asarray(y), np.asarray(llrs, float)
    for label, name, colour in ((0, "real", REAL_COLOUR), (1, "fake", FAKE_COLOUR)):
        values = np.sort(llrs[y == label])
        share = 1 - np.arange(len(values)) / len(values)
        ax.step(values, share, where="pre", color=colour, label=f"{name} pictures")
    ax.axvline(0, color=NEUTRAL_COLOUR, linewidth=0.8)
    ax.set(
        title="Tippett plot",
        xlabel="log10 likelihood ratio (right: fake, left: real)",
        ylabel="share of pictures with at least this ratio",
        ylim=(0, 1.02),
    )
    ax.legend()
    return ax


def plot_ece(y: npt.ArrayLike, llrs: npt.ArrayLike, *, ax: "Axes | None" = None) -> "Axes":
    """Empirical cross-entropy of likelihood ratios over the prior.

    The curve of good ratios lies under that of no evidence, and close to that of the same ratios
    calibrated in hindsight (Ramos et al. 2013). Its value at even odds is the Cllr.

    Parameters
    ----------
    y, llrs, ax
        See :func:`plot_tippett`.

    Returns
    -------
    matplotlib Axes
    """
    ax = _axes(ax)
    y, llrs = np.asarray(y), np.asarray(llrs, float)
    prior_odds = np.linspace(-2.5, 2.5, 101)
    curves = (
        ("no evidence", np.zeros(len(y)), NEUTRAL_COLOUR, ":"),
        (f"likelihood ratios (Cllr {cllr(y, llrs):.3f})", llrs, FAKE_COLOUR, "-"),
        (
            f"calibrated in hindsight (Cllr min {cllr_min(y, llrs):.3f})",
            pav_llrs(y, llrs),
            REAL_COLOUR,
            "--",
        ),
    )
    for name, ratios, colour, style in curves:
        entropy = [_cross_entropy(y, ratios, odds) for odds in prior_odds]
        ax.plot(prior_odds, entropy, style, color=colour, label=name)
    ax.set(
        title="Empirical cross-entropy",
        xlabel="log10 of the prior odds of fake",
        ylabel="cross-entropy in bits",
        ylim=(0, None),
    )
    ax.legend()
    return ax


def plot_pav(y: npt.ArrayLike, llrs: npt.ArrayLike, *, ax: "Axes | None" = None) -> "Axes":
    """Likelihood ratios against the same calibrated in hindsight; good ones lie on the diagonal.

    Parameters
    ----------
    y, llrs, ax
        See :func:`plot_tippett`.

    Returns
    -------
    matplotlib Axes
    """
    ax = _axes(ax)
    llrs = np.asarray(llrs, float)
    order = np.argsort(llrs)
    hindsight = pav_llrs(y, llrs)
    limit = float(max(1.0, np.abs(llrs).max()))
    ax.axline((0, 0), slope=1, color=NEUTRAL_COLOUR, linewidth=0.8, label="perfectly calibrated")
    shown = np.clip(hindsight[order], -1.2 * limit, 1.2 * limit)
    ax.step(llrs[order], shown, where="mid", color=FAKE_COLOUR, label="this system")
    ax.set(
        title="Calibration (PAV)",
        xlabel="log10 likelihood ratio",
        ylabel="the same, calibrated in hindsight",
        xlim=(-1.1 * limit, 1.1 * limit),
        ylim=(-1.25 * limit, 1.25 * limit),
    )
    ax.legend()
    return ax


def _cross_entropy(y: npt.NDArray[Any], llrs: npt.NDArray[Any], log_odds: float) -> float:
    prior = float(posterior(log_odds))
    natural = (llrs + log_odds) * np.log(10)
    costs = np.logaddexp(0, np.where(y == 1, -natural, natural)) / np.log(2)
    return float(prior * costs[y == 1].mean() + (1 - prior) * costs[y == 0].mean())


def _axes(ax: "Axes | None") -> "Axes":
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise ImportError('figures need matplotlib: pip install "freqfake[plots]"') from error
    return pyplot.subplots(layout="constrained")[1]
