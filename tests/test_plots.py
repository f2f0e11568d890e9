"""Figures: what they drew, checked against the numbers."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from freqfake.metrics import cllr, cllr_min

matplotlib = pytest.importorskip("matplotlib", reason="the figures need matplotlib")
matplotlib.use("agg")

from matplotlib import pyplot  # noqa: E402

from freqfake.plots import (  # noqa: E402
    plot_confusion,
    plot_ece,
    plot_learning_curves,
    plot_pav,
    plot_tippett,
)


@pytest.fixture
def ratios():
    y = np.repeat([0, 1], [300, 200])
    return y, np.random.default_rng(0).normal(1.5 * (2 * y - 1), 1.2)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.mark.parametrize("plot", [plot_tippett, plot_ece, plot_pav])
def test_figures_can_be_read(plot, ratios):
    ax = plot(*ratios)
    assert ax.get_title()
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    assert len(ax.get_legend().get_texts()) >= 2
    _, own = pyplot.subplots()
    assert plot(*ratios, ax=own) is own


def test_tippett_curves_are_shares(ratios):
    y, llrs = ratios
    real, fake, _ = plot_tippett(y, llrs).get_lines()
    for line, label in ((real, 0), (fake, 1)):
        x, share = line.get_data()
        assert share[50] == pytest.approx(np.mean(llrs[y == label] >= x[50]))


def test_cross_entropy_at_even_odds_is_cllr(ratios):
    neutral, system, hindsight = plot_ece(*ratios).get_lines()
    at_even_odds = [line.get_ydata()[50] for line in (neutral, system, hindsight)]
    assert at_even_odds == pytest.approx([1, cllr(*ratios), cllr_min(*ratios)])


def test_calibrated_ratios_lie_on_the_diagonal():
    y = np.repeat([0, 1], 20_000)
    llrs = np.random.default_rng(0).normal(2 * y - 1) * 2 / np.log(10)
    line = plot_pav(y, llrs).get_lines()[1]
    x, hindsight = line.get_data()
    middle = np.abs(x) < 1
    assert np.abs(x - hindsight)[middle].mean() < 0.1


def test_learning_curves_are_the_log():
    log = pd.DataFrame(
        {
            "epoch": [1, 2, 3],
            "train_loss": [0.7, 0.5, 0.4],
            "val_loss": [0.8, 0.6, 0.65],
            "train_accuracy": [0.5, 0.7, 0.8],
            "val_accuracy": [0.5, 0.6, 0.7],
            "val_auc": [0.5, 0.65, 0.8],
        }
    )
    loss, accuracy = plot_learning_curves(log)
    drawn = [line.get_ydata().tolist() for ax in (loss, accuracy) for line in ax.get_lines()]
    assert drawn == [log[column].tolist() for column in log.columns[[1, 2, 3, 4, 5]]]
    assert loss.get_lines()[0].get_xdata().tolist() == [1, 2, 3]
    _, own = pyplot.subplots(1, 2)
    assert plot_learning_curves(log, axes=own) == list(own)


def test_confusion_matrix_counts():
    ax = plot_confusion([0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1, 0])
    texts = [text.get_text() for text in ax.texts]
    assert texts == ["2\n67%", "1\n33%", "1\n25%", "3\n75%"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["real", "fake"]
    one_class = plot_confusion([1, 1], [1, 0])
    assert [text.get_text() for text in one_class.texts] == ["0\n0%", "0\n0%", "1\n50%", "1\n50%"]


def test_without_matplotlib_the_error_names_the_extra():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from freqfake.plots import plot_pav\n"
        "plot_pav([0, 1], [-1.0, 1.0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'pip install "freqfake[plots]"' in done.stderr
