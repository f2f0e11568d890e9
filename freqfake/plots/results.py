"""Learning curves of a network, confusion matrices, and results after delivery."""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix

from ._style import FAKE_COLOUR, LINE_STYLES, NEUTRAL_COLOUR, PAIR_COLOURS, REAL_COLOUR, new_axes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def plot_learning_curves(
    log: "pd.DataFrame", *, axes: "Sequence[Axes] | None" = None
) -> "list[Axes]":
    """Draw loss and accuracy over the epochs of a training.

    Parameters
    ----------
    log : DataFrame
        From :func:`freqfake.deep.train_network`, or its ``log.csv``.
    axes : sequence of two matplotlib Axes, optional

    Returns
    -------
    list of two matplotlib Axes

    Examples
    --------
    >>> import pandas as pd
    >>> from matplotlib.figure import Figure
    >>> from freqfake.plots import plot_learning_curves
    >>> columns = ["train_loss", "val_loss", "train_accuracy", "val_accuracy", "val_auc"]
    >>> log = pd.DataFrame({"epoch": [1, 2], **{name: [0.7, 0.6] for name in columns}})
    >>> loss, accuracy = plot_learning_curves(log, axes=Figure().subplots(1, 2))
    >>> loss.get_title(), accuracy.get_title()
    ('Loss', 'Accuracy')
    """
    loss, accuracy = (new_axes(None), new_axes(None)) if axes is None else axes
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
    """Draw the confusion matrix: how many real and fake pictures were called real and fake.

    Parameters
    ----------
    y : array-like of shape (n_pictures,)
        1 for fake, 0 for real.
    called : array-like of shape (n_pictures,)
        1 for called fake, 0 for called real.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from freqfake.plots import plot_confusion
    >>> ax = plot_confusion([0, 0, 1, 1], [0, 0, 1, 0], ax=Figure().subplots())
    >>> [text.get_text().split()[0] for text in ax.texts]
    ['2', '0', '1', '1']
    """
    ax = new_axes(ax)
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


def plot_delivery(table: "pd.DataFrame", *, ax: "Axes | None" = None) -> "Axes":
    """Draw how well a detector works after JPEG compression.

    Parameters
    ----------
    table : DataFrame
        From :func:`freqfake.detector.robustness.delivery_table`, or another with the columns
        ``quality`` (1 to 100), ``subsampling`` and ``auc``.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
        The best quality is on the left.

    Examples
    --------
    >>> import pandas as pd
    >>> from freqfake.plots import plot_delivery
    >>> columns = {"quality": [95, 50], "subsampling": "4:2:0", "auc": [0.9, 0.6]}
    >>> plot_delivery(pd.DataFrame(columns)).get_ylabel()
    'area under the ROC curve'
    """
    missing = {"quality", "subsampling", "auc"} - set(table.columns)
    if missing:
        raise ValueError(f"`table` must have the column {sorted(missing)[0]}; got {[*table]}")
    ax = new_axes(ax)
    looks = itertools.cycle(zip(PAIR_COLOURS, LINE_STYLES, ("o", "^", "s"), strict=True))
    for (name, rows), (colour, style, marker) in zip(
        table.groupby("subsampling", sort=False), looks, strict=False
    ):
        rows = rows.sort_values("quality")
        ax.plot(rows.quality, rows.auc, style, marker=marker, color=colour, label=f"JPEG {name}")
    ax.axhline(0.5, color=NEUTRAL_COLOUR, linewidth=0.8, label="a coin")
    ax.set(
        title="What delivery leaves of the detector",
        xlabel="JPEG quality",
        ylabel="area under the ROC curve",
    )
    ax.set_ylim(min(0.4, float(table.auc.min())) - 0.02, 1.02)
    ax.invert_xaxis()
    ax.legend()
    return ax
