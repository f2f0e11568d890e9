"""Figures: how far likelihood ratios can be trusted, how a network learned. Needs matplotlib.

Each function draws into the axes it is given, or into new ones, and returns them.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix

from ._optional import extra
from .calibration import posterior
from .metrics import cllr, cllr_min, pav_llrs

if TYPE_CHECKING:
    import pandas as pd
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


def plot_learning_curves(
    log: "pd.DataFrame", *, axes: "Sequence[Axes] | None" = None
) -> "list[Axes]":
    """Loss and accuracy over the epochs of a training.

    Parameters
    ----------
    log : DataFrame
        Of :func:`freqfake.deep.train_network`, or its ``log.csv``.
    axes : sequence of two matplotlib Axes, optional

    Returns
    -------
    list of two matplotlib Axes
    """
    loss, accuracy = (_axes(None), _axes(None)) if axes is None else axes
    for ax, name in ((loss, "loss"), (accuracy, "accuracy")):
        ax.plot(log.epoch, log[f"train_{name}"], ".-", color=NEUTRAL_COLOUR, label="training")
        ax.plot(log.epoch, log[f"val_{name}"], ".-", color=FAKE_COLOUR, label="validation")
        ax.set(title=name.capitalize(), xlabel="epoch", ylabel=name)
        ax.locator_params(axis="x", integer=True)
    loss.set_ylim(0, None)
    accuracy.plot(log.epoch, log.val_auc, "--", color=REAL_COLOUR, label="validation, AUC")
    accuracy.set_ylim(None, 1.02)
    for ax in (loss, accuracy):
        ax.legend()
    return [loss, accuracy]


def plot_confusion(y: npt.ArrayLike, called: npt.ArrayLike, *, ax: "Axes | None" = None) -> "Axes":
    """Confusion matrix: how many real and fake pictures were called real and fake.

    Parameters
    ----------
    y : array-like of shape (n_pictures,)
        1 for fake, 0 for real.
    called : array-like of shape (n_pictures,)
        The same, as they were called.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    ax = _axes(ax)
    counts = confusion_matrix(y, np.asarray(called, int), labels=[0, 1])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        text, colour = f"{counts[row, column]}\n{share:.0%}", "white" if share > 0.5 else "black"
        ax.text(column, row, text, ha="center", va="center", color=colour)
    names = ("real", "fake")
    ax.set_xticks([0, 1], names)
    ax.set_yticks([0, 1], names)
    ax.set(title="Confusion matrix", xlabel="called", ylabel="truth")
    return ax


def _cross_entropy(y: npt.NDArray[Any], llrs: npt.NDArray[Any], log_odds: float) -> float:
    prior = float(posterior(log_odds))
    natural = (llrs + log_odds) * np.log(10)
    costs = np.logaddexp(0, np.where(y == 1, -natural, natural)) / np.log(2)
    return float(prior * costs[y == 1].mean() + (1 - prior) * costs[y == 0].mean())


def _axes(ax: "Axes | None") -> "Axes":
    if ax is not None:
        return ax
    with extra("plots", "matplotlib"):
        from matplotlib import pyplot
    return pyplot.subplots(layout="constrained")[1]
