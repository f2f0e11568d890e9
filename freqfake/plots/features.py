"""The six features against those of known pictures, and the parts of a score."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..estimators.mixture import RealFakeMixture
from ..features.asynchrony import FEATURE_NAMES
from ._style import FAKE_COLOUR, NEUTRAL_COLOUR, REAL_COLOUR, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIDES = ((0, "real", REAL_COLOUR, "o"), (1, "fake", FAKE_COLOUR, "^"))
_MAX_DEVIATION = 12.0  # standard deviations; values beyond are drawn at the edge
_N_FEATURES = len(FEATURE_NAMES)


def plot_features(
    features: npt.ArrayLike, X: npt.ArrayLike, y: npt.ArrayLike, *, ax: "Axes | None" = None
) -> "Axes":
    """Draw the six features of pictures against those of known real and fake ones.

    Parameters
    ----------
    features : array-like of shape (6,) or (n_pictures, 6)
        From :func:`freqfake.asynchrony_features`.
    X : array-like of shape (n_known, 6)
        Of known pictures. A detector on the six features has those of its training pictures:
        ``detector.classifier.source_`` and ``detector.classifier.source_labels_``.
    y : array-like of shape (n_known,)
        1 for fake, 0 for real.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
        Thick bars hold half of the known real or fake pictures, thin bars 95 %. An arrow at the
        edge stands for a value farther out.

    Examples
    --------
    >>> import freqfake
    >>> from freqfake.plots import plot_features
    >>> known = freqfake.load_detector("lewoo").classifier
    >>> ax = plot_features([0.1] * 6, known.source_, known.source_labels_)
    >>> ax.get_title()
    'Six features against known pictures'
    """
    features, X, y = np.atleast_2d(np.asarray(features, float)), np.asarray(X, float), np.asarray(y)
    for name, array in (("features", features), ("X", X)):
        if array.ndim != 2 or array.shape[1] != _N_FEATURES:
            raise ValueError(f"`{name}` must have 6 columns; got shape {array.shape}")
    _check_sides(X, y)
    ax = new_axes(ax)
    real = X[y == 0]
    center, scale = real.mean(axis=0), np.where(np.ptp(real, axis=0) > 0, real.std(axis=0), 1.0)
    rows = np.arange(_N_FEATURES)
    for label, name, colour, _ in _SIDES:
        known = (X[y == label] - center) / scale
        height = rows + (0.14 if label else -0.14)
        low, first, third, high = np.percentile(known, [2.5, 25, 75, 97.5], axis=0)
        style = "-" if label == 0 else "--"
        ax.hlines(height, low, high, color=colour, linewidth=1.2, linestyle=style)
        ax.hlines(height, first, third, color=colour, linewidth=6, label=f"{name}, known")
    for picture in (features - center) / scale:
        shown = np.clip(picture, -_MAX_DEVIATION, _MAX_DEVIATION)
        for row, (value, true) in enumerate(zip(shown, picture, strict=True)):
            marker = "D" if value == true else "<" if true < 0 else ">"
            ax.plot(value, row, marker, color=NEUTRAL_COLOUR, markeredgecolor="white", zorder=3)
    ax.plot([], [], "D", color=NEUTRAL_COLOUR, markeredgecolor="white", label="looked at")
    single = features[0] if len(features) == 1 else None
    ax.set_yticks(rows, FEATURE_NAMES if single is None else _with_values(single))
    ax.invert_yaxis()
    ax.set(
        title="Six features against known pictures",
        xlabel="standard deviations of the known real pictures from their mean",
    )
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3, frameon=False)
    return ax


def _with_values(features: npt.NDArray[Any]) -> list[str]:
    return [f"{name}\n{value:.3g}" for name, value in zip(FEATURE_NAMES, features, strict=True)]


def plot_mixture(
    mixture: RealFakeMixture,
    X: npt.ArrayLike,
    y: npt.ArrayLike | None = None,
    *,
    names: tuple[str, str] = ("mean", "icorr_rg"),
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw two of the six features and the two Gaussians of a mixture.

    Parameters
    ----------
    mixture : RealFakeMixture
        Fitted to six features.
    X : array-like of shape (n_pictures, 6)
    y : array-like of shape (n_pictures,), optional
        1 for fake, 0 for real: the true labels, which were not used to fit the mixture. Without
        them all pictures are drawn alike.
    names : tuple of two str
        Horizontal and vertical axis, of :data:`freqfake.FEATURE_NAMES`.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
        The ellipses are at one and two standard deviations.

    Examples
    --------
    >>> import freqfake
    >>> from matplotlib.figure import Figure
    >>> from freqfake.plots import plot_mixture
    >>> known = freqfake.load_detector("lewoo").classifier
    >>> mixture = freqfake.RealFakeMixture().fit(known.source_)
    >>> ax = plot_mixture(mixture, known.source_, known.source_labels_, ax=Figure().subplots())
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('mean', 'icorr_rg')
    """
    X = np.asarray(X, float)
    if X.ndim != 2 or X.shape[1] != _N_FEATURES:
        raise ValueError(f"`X` must have 6 columns; got shape {X.shape}")
    for name in names:
        if name not in FEATURE_NAMES:
            raise ValueError(f"`names` must be among {', '.join(FEATURE_NAMES)}; got {name!r}")
    chosen = [FEATURE_NAMES.index(name) for name in names]
    ax = new_axes(ax)
    if y is None:
        ax.plot(*X[:, chosen].T, ".", color=NEUTRAL_COLOUR, alpha=0.5, label="pictures")
    else:
        y = np.asarray(y)
        _check_sides(X, y)
        for label, name, colour, marker in _SIDES:
            points = X[y == label][:, chosen].T
            ax.plot(
                *points, marker, color=colour, alpha=0.4, markersize=4, label=f"{name} in truth"
            )
    for component, name, colour, _ in _SIDES:
        covariance = mixture.covariances_[component][np.ix_(chosen, chosen)]
        outline = _ellipse(mixture.means_[component][chosen], covariance)
        style = "-" if component == 0 else "--"
        share = mixture.weights_[component]
        for deviations in (1, 2):
            words = f"Gaussian taken as {name} ({share:.0%})" if deviations == 1 else None
            ax.plot(*outline(deviations), style, color=colour, linewidth=2, label=words)
    separated = "two groups" if mixture.separated_ else "no two groups"
    ax.set(
        title=f"Two Gaussians ({separated}, distance D {mixture.separation_:.1f})",
        xlabel=names[0],
        ylabel=names[1],
    )
    ax.legend()
    return ax


def plot_contributions(contributions: Mapping[str, float], *, ax: "Axes | None" = None) -> "Axes":
    """Draw what each kind of trace adds to the score.

    Parameters
    ----------
    contributions : mapping of str to float
        From :meth:`freqfake.Detector.contributions`.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from freqfake.plots import plot_contributions
    >>> plot_contributions({"rings": 0.4, "noise residuals": -0.1}).get_title()
    'What speaks for real and for fake'
    """
    ax = new_axes(ax)
    names, values = list(contributions), np.array(list(contributions.values()), float)
    bars = ax.barh(
        names,
        values,
        color=[FAKE_COLOUR if value > 0 else REAL_COLOUR for value in values],
        height=0.6,
    )
    ax.bar_label(bars, [f"{value:+.2f}" for value in values], padding=4)
    ax.axvline(0, color=NEUTRAL_COLOUR, linewidth=0.8)
    ax.invert_yaxis()
    ax.margins(x=0.2)
    ax.set(
        title="What speaks for real and for fake",
        xlabel="part of the score (left: real, right: fake)",
    )
    return ax


def _check_sides(X: npt.NDArray[Any], y: npt.NDArray[Any]) -> None:
    if y.shape != (len(X),):
        raise ValueError(
            f"`y` must have a label for each row of `X`, {len(X)}; got shape {y.shape}"
        )
    missing = [name for label, name, *_ in _SIDES if not np.any(y == label)]
    if missing:
        raise ValueError(f"`y` must hold both 0 (real) and 1 (fake); got no {missing[0]}")


def _ellipse(mean: npt.NDArray[Any], covariance: npt.NDArray[Any]) -> Any:
    """Return a function that gives the outline at a number of standard deviations."""
    angles = np.linspace(0, 2 * np.pi, 200)
    circle = np.linalg.cholesky(covariance) @ np.array([np.cos(angles), np.sin(angles)])
    return lambda deviations: mean[:, np.newaxis] + deviations * circle
