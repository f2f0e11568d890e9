"""How reliable scores and likelihood ratios are."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from ..evidence.calibration import VERBAL_SCALE, odds, posterior, shown_llr, verbal_equivalent
from ..evidence.metrics import cllr, cllr_min, pav_llrs
from ._style import FAKE_COLOUR, NEUTRAL_COLOUR, REAL_COLOUR, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_tippett(y: npt.ArrayLike, llrs: npt.ArrayLike, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the shares of real and of fake pictures with at least a given likelihood ratio.

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

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from freqfake.plots import plot_tippett
    >>> ax = plot_tippett([0, 0, 1, 1], [-1.0, 0.3, 0.2, 1.4], ax=Figure().subplots())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['real pictures', 'fake pictures']
    """
    y, llrs = _checked(y, llrs)
    ax = new_axes(ax)
    sides = ((0, "real", REAL_COLOUR, "-"), (1, "fake", FAKE_COLOUR, "--"))
    for label, name, colour, style in sides:
        values = np.sort(llrs[y == label])
        share = 1 - np.arange(len(values)) / len(values)
        ax.step(values, share, style, where="pre", color=colour, label=f"{name} pictures")
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
    """Draw the empirical cross-entropy of likelihood ratios over the prior.

    The curve of good ratios lies below that of no evidence, and close to that of the same ratios
    calibrated in hindsight (Ramos et al. 2013). Its value at even odds is the Cllr.

    Parameters
    ----------
    y, llrs, ax
        See :func:`plot_tippett`.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from freqfake.plots import plot_ece
    >>> ax = plot_ece([0, 0, 1, 1], [-1.0, 0.3, 0.2, 1.4], ax=Figure().subplots())
    >>> ax.get_legend().get_texts()[1].get_text()
    'likelihood ratios (Cllr 0.621)'
    """
    y, llrs = _checked(y, llrs)
    ax = new_axes(ax)
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
    """Draw likelihood ratios against the same ratios calibrated in hindsight.

    Parameters
    ----------
    y, llrs, ax
        See :func:`plot_tippett`.

    Returns
    -------
    matplotlib Axes
        Good ratios lie on the diagonal.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from freqfake.plots import plot_pav
    >>> plot_pav([0, 0, 1, 1], [-1.0, 0.3, 0.2, 1.4], ax=Figure().subplots()).get_title()
    'Calibration (PAV)'
    """
    y, llrs = _checked(y, llrs)
    ax = new_axes(ax)
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


def plot_reliability(
    y: npt.ArrayLike, llrs: npt.ArrayLike, *, n_bins: int = 10, ax: "Axes | None" = None
) -> "Axes":
    """Draw the reliability diagram: the share of fake pictures at each probability.

    Parameters
    ----------
    y, llrs, ax
        See :func:`plot_tippett`. The probabilities follow from the ratios, with the share of fake
        pictures in `y` as the prior.
    n_bins : int
        Number of bins of the probabilities, of equal width.

    Returns
    -------
    matplotlib Axes
        Good points lie on the diagonal. Bars: 95 % Clopper-Pearson intervals.

    Examples
    --------
    >>> from freqfake.plots import plot_reliability
    >>> ax = plot_reliability([0, 0, 1, 1], [-1.0, -0.2, 0.2, 1.0])
    >>> ax.get_title()
    'Reliability of the probabilities'
    """
    y, llrs = _checked(y, llrs)
    if n_bins < 1:
        raise ValueError(f"`n_bins` must be at least 1; got {n_bins}")
    ax = new_axes(ax)
    p_fake = posterior(llrs, float(np.mean(y == 1)))
    bins = np.minimum((p_fake * n_bins).astype(int), n_bins - 1)
    counts, fakes = np.bincount(bins, minlength=n_bins), np.bincount(bins, y == 1, n_bins)
    kept = counts > 0
    n, k = counts[kept], fakes[kept]
    low = np.nan_to_num(beta.ppf(0.025, k, n - k + 1), nan=0.0)
    high = np.nan_to_num(beta.ppf(0.975, k + 1, n - k), nan=1.0)
    stated = np.bincount(bins, p_fake, n_bins)[kept] / n
    ax.axline((0, 0), slope=1, color=NEUTRAL_COLOUR, linewidth=0.8, label="perfectly calibrated")
    errors = [k / n - low, high - k / n]
    ax.errorbar(stated, k / n, errors, fmt="o-", color=FAKE_COLOUR, capsize=3, label="this system")
    for x, share, number in zip(stated, k / n, n, strict=True):
        ax.annotate(str(number), (x, share), (5, -11), textcoords="offset points", fontsize="small")
    ax.set(
        title="Reliability of the probabilities",
        xlabel="probability of fake that was stated",
        ylabel="share of fake pictures (with their number)",
        xlim=(-0.02, 1.02),
        ylim=(-0.02, 1.02),
    )
    ax.legend()
    return ax


def plot_scores(
    real: npt.ArrayLike,
    fake: npt.ArrayLike,
    *,
    score: float | None = None,
    threshold: float | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw the distribution of known scores, and where one picture lies among them.

    Parameters
    ----------
    real, fake : array-like of shape (n_pictures,)
        Scores. Those that a model was calibrated with are ``detector.held_out``.
    score : float, optional
        Of the one picture.
    threshold : float, optional
        Score that a picture must exceed to be called fake, see
        :meth:`freqfake.Detector.threshold`; drawn only if finite.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import freqfake
    >>> from freqfake.plots import plot_scores
    >>> ax = plot_scores(*freqfake.load_detector("lewoo").held_out, score=0.5)
    >>> ax.get_xlabel()
    'score (not calibrated; right: fake, left: real)'
    """
    sides = (np.asarray(real, float), np.asarray(fake, float))
    for name, scores in zip(("real", "fake"), sides, strict=True):
        if not len(scores) or not np.isfinite(scores).all():
            raise ValueError(f"`{name}` must hold scores, all of them finite")
    ax = new_axes(ax)
    edges = np.histogram_bin_edges(np.concatenate(sides), 40)
    looks = (("real", REAL_COLOUR, "-"), ("fake", FAKE_COLOUR, "--"))
    for scores, (name, colour, style) in zip(sides, looks, strict=True):
        shares = np.histogram(scores, edges)[0] / len(scores)
        label = f"{len(scores)} {name} pictures"
        ax.stairs(shares, edges, color=colour, alpha=0.25, fill=True)
        ax.stairs(shares, edges, color=colour, linestyle=style, linewidth=1.5, label=label)
    if threshold is not None and np.isfinite(threshold):
        label = f"called fake only beyond {threshold:.2f}"
        ax.axvline(threshold, color=NEUTRAL_COLOUR, linestyle=":", label=label)
    if score is not None and np.isfinite(score):
        ax.axvline(score, color=NEUTRAL_COLOUR, linewidth=2.5, label=f"this score, {score:.2f}")
    ax.set(
        title="Scores of known pictures",
        xlabel="score (not calibrated; right: fake, left: real)",
        ylabel="share of the pictures",
    )
    ax.legend()
    return ax


def plot_verbal_scale(
    llr: float, *, bounds: tuple[float, float] | None = None, ax: "Axes | None" = None
) -> "Axes":
    """Draw a likelihood ratio on the verbal scale of the ENFSI guideline (2015).

    Parameters
    ----------
    llr : float
        log10 likelihood ratio, positive for fake.
    bounds : tuple of two floats, optional
        Smallest and largest ratio that the model's calibration pictures support:
        ``(detector.calibrator.lower_bound_, detector.calibrator.upper_bound_)``.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from freqfake.plots import plot_verbal_scale
    >>> plot_verbal_scale(1.2).get_title()
    'Moderate support for a generated picture'
    """
    if not np.isfinite(llr):
        raise ValueError(f"`llr` must be finite; got {llr}")
    ax = new_axes(ax)
    if bounds is not None:
        label = "what this model can support"
        ax.axhspan(*(_place(bound) for bound in bounds), color="#BBBBBB", label=label)
    steps = len(VERBAL_SCALE)
    for side, colour in ((-1, REAL_COLOUR), (1, FAKE_COLOUR)):
        ends = (side / 2, side * (steps + 0.5))
        ax.plot([0, 0], ends, color=colour, linewidth=9, solid_capstyle="butt")
    here = _place(llr)
    ax.plot(0, here, "D", color="white", markersize=13, markeredgecolor="black", zorder=3)
    ax.annotate(f"  {shown_llr(llr):.1f}, {odds(llr)}", (0.03, here), va="center", weight="bold")
    words = [words.removesuffix(" support") for _, words in VERBAL_SCALE[::-1]]
    names = [*(f"{name}, real" for name in words[::-1]), "no support"]
    ax.set_yticks(range(-steps, steps + 1), [*names, *(f"{name}, generated" for name in words)])
    title = verbal_equivalent(llr)
    ax.set(
        title=title[0].upper() + title[1:],
        ylabel="support by the log10 likelihood ratio",
        xticks=[],
        xlim=(-0.3, 0.7),
        ylim=(-steps - 0.5, steps + 0.5),
    )
    if bounds is not None:
        ax.legend(loc="upper right")
    return ax


def _place(llr: float) -> float:
    """Return the place of a ratio on a scale with steps of height 1, the middle one at 0."""
    limits = [limit for limit, _ in VERBAL_SCALE[::-1]]
    limits.append(limits[-1] + 2)  # the last step has no end; it is drawn up to here
    edges = [-limit for limit in limits[::-1]] + limits
    return float(np.interp(llr, edges, np.arange(len(edges)) - (len(edges) - 1) / 2))


def _checked(
    y: npt.ArrayLike, llrs: npt.ArrayLike
) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
    """Check labels and ratios, and return them as arrays."""
    y, llrs = np.asarray(y), np.asarray(llrs, float)
    if y.ndim != 1 or y.shape != llrs.shape:
        raise ValueError(
            f"`y` and `llrs` must have the same length; got shapes {y.shape} and {llrs.shape}"
        )
    if set(np.unique(y)) != {0, 1}:
        raise ValueError(f"`y` must hold both 0 (real) and 1 (fake); got {np.unique(y)}")
    if np.isnan(llrs).any():
        raise ValueError(
            f"`llrs` must be numbers; got {int(np.isnan(llrs).sum())} NaN: leave out the pictures "
            "that cannot be read"
        )
    return y, llrs


def _cross_entropy(y: npt.NDArray[Any], llrs: npt.NDArray[Any], log_odds: float) -> float:
    prior = float(posterior(log_odds))
    natural = (llrs + log_odds) * np.log(10)
    costs = np.logaddexp(0, np.where(y == 1, -natural, natural)) / np.log(2)
    return float(prior * costs[y == 1].mean() + (1 - prior) * costs[y == 0].mean())
