"""Figures: what they draw, checked against the numbers."""

import io
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from helpers import make_picture

import freqfake
from freqfake.evidence.calibration import odds
from freqfake.evidence.metrics import cllr, cllr_min
from freqfake.features.rings import ring_profiles

matplotlib = pytest.importorskip("matplotlib", reason="the figures need matplotlib")
matplotlib.use("agg")

from matplotlib import pyplot  # noqa: E402
from matplotlib.colors import to_hex  # noqa: E402

from freqfake import plots  # noqa: E402
from freqfake.plots import (  # noqa: E402
    plot_confusion,
    plot_contributions,
    plot_delivery,
    plot_ece,
    plot_features,
    plot_frames,
    plot_learning_curves,
    plot_mixture,
    plot_pav,
    plot_picture,
    plot_reliability,
    plot_ring_agreement,
    plot_ring_profiles,
    plot_scores,
    plot_spectra,
    plot_tippett,
    plot_verbal_scale,
)


@pytest.fixture
def ratios():
    y = np.repeat([0, 1], [300, 200])
    return y, np.random.default_rng(0).normal(1.5 * (2 * y - 1), 1.2)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def picture():
    return make_picture(0, asynchrony=0.4, size=96)[:80]


@pytest.fixture(scope="module")
def known():
    """Six features of 200 real and 100 fake pictures, in two groups."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [200, 100])
    return rng.normal(0.1, 0.01, (300, 6)) + 0.08 * y[:, np.newaxis], y


def all_figures(picture, ratios, known):
    """Every figure with one axes, as a function that draws it."""
    X, y = known
    mixture = freqfake.RealFakeMixture().fit(X)
    table = pd.DataFrame({"quality": [95, 50] * 2, "auc": [0.9, 0.8, 0.6, 0.5],
                          "subsampling": ["4:4:4"] * 2 + ["4:2:0"] * 2})  # fmt: skip
    real, fake = (ratios[1][ratios[0] == label] for label in (0, 1))
    frames = ([0, 1, 2], [0.5, 1.5, np.nan], ["undecided", "looks generated", "no face found"])
    return {
        "picture": lambda ax: plot_picture(picture, ax=ax),
        "profiles": lambda ax: plot_ring_profiles(picture, ax=ax),
        "agreement": lambda ax: plot_ring_agreement(picture, ax=ax),
        "features": lambda ax: plot_features(X[0], X, y, ax=ax),
        "mixture": lambda ax: plot_mixture(mixture, X, y, ax=ax),
        "contributions": lambda ax: plot_contributions({"a": 1.0, "b": -1.0}, ax=ax),
        "scores": lambda ax: plot_scores(real, fake, score=1.0, threshold=2.0, ax=ax),
        "verbal": lambda ax: plot_verbal_scale(1.2, bounds=(-2.0, 1.4), ax=ax),
        "tippett": lambda ax: plot_tippett(*ratios, ax=ax),
        "reliability": lambda ax: plot_reliability(*ratios, ax=ax),
        "ece": lambda ax: plot_ece(*ratios, ax=ax),
        "pav": lambda ax: plot_pav(*ratios, ax=ax),
        "delivery": lambda ax: plot_delivery(table, ax=ax),
        "frames": lambda ax: plot_frames(*frames, limits=(-1.0, 1.0), score=0.2, ax=ax),
        "confusion": lambda ax: plot_confusion([0, 1], [0, 1], ax=ax),
    }


@pytest.mark.parametrize("name", all_figures(np.zeros((80, 96, 3)), (np.array([0, 1]),) * 2,
                                             (np.eye(12, 6), np.arange(12) % 2)))  # fmt: skip
def test_figures_can_be_read(name, picture, ratios, known):
    draw = all_figures(picture, ratios, known)[name]
    ax = draw(None)
    assert ax.get_title()
    if name != "picture":
        assert ax.get_xlabel() or ax.get_ylabel()
    if len(ax.get_lines()) > 1:
        labels = [text.get_text() for text in ax.get_legend().get_texts()]
        assert len(labels) == len(set(labels)) >= 1
    drawing, own = pyplot.subplots()
    assert draw(own) is own
    drawing.savefig(io.BytesIO(), format="svg")  # some errors come only with drawing


def test_every_public_figure_is_tested(picture, ratios, known):
    names = {name.removeprefix("plot_").split("_")[-1] for name in plots.__all__}
    aliases = {"scale": "verbal"}
    tested = {*all_figures(picture, ratios, known), "spectra", "curves"}
    assert {aliases.get(name, name) for name in names} == tested


@pytest.mark.parametrize("plot", [plot_ring_profiles, plot_ring_agreement, plot_tippett, plot_ece])
def test_lines_differ_by_more_than_colour(plot, picture, ratios):
    ax = plot(picture) if plot in (plot_ring_profiles, plot_ring_agreement) else plot(*ratios)
    styles = [line.get_linestyle() for line in ax.get_lines() if line.get_label()[0] != "_"]
    assert len(styles) == len(set(styles)) >= 2


def luminance(colour):
    """Relative luminance of WCAG 2."""
    values = np.array([int(to_hex(colour)[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("background", [0.0, 1.0])
def test_real_and_fake_stand_out_on_light_and_dark(background):
    for colour in (plots._style.REAL_COLOUR, plots._style.FAKE_COLOUR):
        low, high = sorted((luminance(colour), background))
        assert (high + 0.05) / (low + 0.05) >= 3  # WCAG 1.4.11, for graphics


def test_spectra_are_the_planes_and_their_mean_differences(picture):
    axes = plot_spectra(picture)
    planes = freqfake.full_plane(freqfake.channel_spectra(picture), picture.shape[1])
    for ax, plane in zip(axes[1:4], planes, strict=True):
        np.testing.assert_array_equal(ax.get_images()[0].get_array(), plane)
    for ax, (a, b) in zip(axes[4:], [(0, 1), (0, 2), (1, 2)], strict=True):
        difference = ax.get_images()[0].get_array()
        np.testing.assert_array_equal(difference, np.abs(planes[a] - planes[b]))
    assert [ax.get_images()[0].get_clim() for ax in (axes[1], axes[4])] == [(0, 1), (0, 0.3)]
    features = freqfake.asynchrony_features(picture)
    means = [float(ax.get_title().split("by ")[1].split()[0]) for ax in axes[4:]]
    assert np.mean(means) == pytest.approx(features[0], abs=1e-3)
    assert [max(means), min(means)] == pytest.approx(features[1:3], abs=1e-3)
    titles = [ax.get_title() for ax in axes]
    assert titles[:2] == ["Picture\n96 x 80 pixels", "Spectrum of red"]
    _, own = pyplot.subplots(1, 7)
    assert plot_spectra(picture, spectrum="modulus", axes=own) == list(own)
    own[0].figure.savefig(io.BytesIO())
    with pytest.raises(ValueError, match="7 axes; got 3"):
        plot_spectra(picture, axes=own[:3])


@pytest.mark.slow
def test_spectra_of_unusual_pictures_are_drawn(samples):
    shapes = [(1, 1, 3), (7, 1), (2, 300, 3), (1500, 40, 3)]
    for image in [*(np.zeros(shape) for shape in shapes), samples / "real" / "retina.jpg"]:
        for spectrum in ("log", "modulus"):
            axes = plot_spectra(image, spectrum=spectrum)
            axes[0].figure.savefig(io.BytesIO(), dpi=30)
            assert all(np.isfinite(ax.get_images()[0].get_array()).all() for ax in axes)
            pyplot.close("all")


def test_a_large_plane_is_thinned():
    drawn = plot_picture(np.zeros((2100, 600, 3), np.uint8)).get_images()[0]
    assert drawn.get_array().shape == (700, 200, 3)


def test_ring_figures_are_the_profiles(picture):
    profiles = ring_profiles(picture)
    power = [line.get_ydata() for line in plot_ring_profiles(picture).get_lines()]
    np.testing.assert_allclose(power, 10 * np.log10(profiles.power))
    lines = plot_ring_agreement(picture).get_lines()
    np.testing.assert_array_equal([line.get_ydata() for line in lines], profiles.coherence)
    np.testing.assert_array_equal(lines[0].get_xdata(), profiles.freqs)


def test_features_are_in_standard_deviations_of_real_pictures(known):
    X, y = known
    real = X[y == 0]
    ax = plot_features(real.mean(axis=0) + 2 * real.std(axis=0), X, y)
    marks = [line for line in ax.get_lines() if len(line.get_xdata()) == 1]
    assert [line.get_xdata()[0] for line in marks] == pytest.approx([2.0] * 6)
    assert [line.get_ydata()[0] for line in marks] == list(range(6))
    bars = ax.collections  # 95 % and 50 % of the real, then of the fake
    low, high = np.array([path.vertices[:, 0] for path in bars[1].get_paths()])[0]
    expected = np.percentile((real[:, 0] - real[:, 0].mean()) / real[:, 0].std(), [25, 75])
    assert [low, high] == pytest.approx(expected)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels[0].split("\n") == ["mean", f"{real[:, 0].mean() + 2 * real[:, 0].std():.3g}"]
    of_many = plot_features(X[:2], X, y).get_yticklabels()
    assert [label.get_text() for label in of_many] == list(freqfake.FEATURE_NAMES)
    constant = np.where(y[:, np.newaxis] == 0, 0.1, X)  # grey pictures: no spread to divide by
    assert plot_features(np.full(6, 2.1), constant, y).get_lines()[0].get_xdata()[
        0
    ] == pytest.approx(2)
    far = plot_features(X[0] + 9.0, X, y).get_lines()[0]
    assert (far.get_marker(), far.get_xdata()[0]) == (">", 12.0)
    below = plot_features(X[0] - 9.0, X, y).get_lines()[0]
    assert (below.get_marker(), below.get_xdata()[0]) == ("<", -12.0)


def test_ellipses_hold_the_expected_share(known):
    X, y = known
    mixture = freqfake.RealFakeMixture().fit(X)
    ax = plot_mixture(mixture, X)
    outlines = [line.get_xydata() for line in ax.get_lines() if len(line.get_xdata()) == 200]
    assert len(outlines) == 4
    points = X[y == 0][:, [0, 3]]
    share = matplotlib.path.Path(outlines[1]).contains_points(points).mean()
    assert share == pytest.approx(1 - np.exp(-2), abs=0.06)  # two standard deviations in a plane
    assert "two groups" in ax.get_title()
    assert "33%" in ax.get_legend().get_texts()[-1].get_text()


def test_reliability_points_are_shares_with_their_numbers():
    y = np.array([0, 0, 0, 1, 1, 1])
    llrs = np.array([-2.0, -2.0, 2.0, -2.0, 2.0, 2.0])
    ax = plot_reliability(y, llrs, n_bins=2)
    points = ax.get_lines()[1].get_xydata()
    assert points == pytest.approx(np.array([[1 / 101, 1 / 3], [100 / 101, 2 / 3]]))
    assert [text.get_text() for text in ax.texts] == ["3", "3"]
    # Clopper-Pearson of 1 among 3: 0.0084 to 0.9057 (tables of Pearson and Hartley)
    low, high = ax.containers[0].lines[2][0].get_segments()[0][:, 1]
    assert [low, high] == pytest.approx([0.0084, 0.9057], abs=1e-4)


def test_reliability_of_calibrated_ratios_is_on_the_diagonal():
    y = np.repeat([0, 1], [30_000, 10_000])  # the prior is the share in the pictures
    llrs = np.random.default_rng(0).normal(2 * y - 1) * 2 / np.log(10)
    points = plot_reliability(y, llrs).get_lines()[1].get_xydata()
    assert np.abs(points[:, 0] - points[:, 1]).max() < 0.03


def test_scores_show_where_the_picture_is():
    ax = plot_scores([0.0, 0.1, 0.2], [1.0, 1.1], score=0.7, threshold=np.inf)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["3 real pictures", "2 fake pictures", "this score, 0.70"]
    heights = [patch.get_data().values.sum() for patch in ax.patches]
    assert heights == pytest.approx([1.0] * 4)
    assert ax.get_lines()[0].get_xdata()[0] == 0.7


@pytest.mark.parametrize(
    ("llr", "place", "title"),
    [
        (0.0, 0.0, "No support for either side"),
        (1.5, 2.0, "Moderate support for a generated picture"),
        (-3.5, -4.0, "Strong support for a real picture"),
        (7.0, 6.0, "Extremely strong support for a generated picture"),
        (50.0, 6.5, "Extremely strong support for a generated picture"),
    ],
)
def test_verbal_scale_places_the_ratio(llr, place, title):
    ax = plot_verbal_scale(llr)
    mark = ax.get_lines()[-1]
    assert mark.get_ydata()[0] == pytest.approx(place)
    assert ax.get_title() == title
    assert ax.texts[0].get_text().endswith(odds(llr))
    steps = [label.get_text() for label in ax.get_yticklabels()]
    assert (steps[0], steps[6], steps[-1]) == (
        "extremely strong, real", "no support", "extremely strong, generated")  # fmt: skip


def test_contributions_are_signed_bars():
    ax = plot_contributions({"rings": 0.5, "noise": -0.25})
    assert [bar.get_width() for bar in ax.patches] == [0.5, -0.25]
    colours = [to_hex(bar.get_facecolor()).upper() for bar in ax.patches]
    assert colours == [plots._style.FAKE_COLOUR, plots._style.REAL_COLOUR]
    assert [text.get_text() for text in ax.texts] == ["+0.50", "-0.25"]


def test_delivery_has_a_line_for_each_subsampling():
    table = pd.DataFrame(
        {"subsampling": ["4:4:4", "4:2:0"] * 2, "quality": [90, 90, 50, 50],
         "auc": [0.9, 0.6, 0.8, 0.5]}
    )  # fmt: skip
    ax = plot_delivery(table)
    first, second, _ = ax.get_lines()
    assert first.get_xydata().tolist() == [[50, 0.8], [90, 0.9]]
    assert second.get_ydata().tolist() == [0.5, 0.6]
    assert ax.get_xlim()[0] > ax.get_xlim()[1]


def test_frames_without_a_score_lie_at_the_lower_edge():
    looks = ["looks real", "face not judged", "face not judged", "no face found"]
    scores = [-0.5, 0.5, np.nan, np.nan]
    ax = plot_frames([0, 1, 2, 3], scores, looks, limits=(-np.inf, 1.5))
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["looks real", "face not judged", "no face found", "generated above 1.50"]
    marks = [line for line in ax.get_lines() if len(line.get_xdata()) == 1]
    assert [line.get_xdata()[0] for line in marks] == [0, 1, 2, 3]
    assert len({line.get_marker() for line in marks}) == 3
    heights = [line.get_transform().transform(line.get_xydata())[0, 1] for line in marks]
    assert heights[2] == heights[3] < min(heights[:2])
    lowest, highest = ax.get_ylim()
    assert lowest < -0.5
    assert highest > 1.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot_tippett([0, 1], [1.0]), r"same length; got shapes \(2,\) and \(1,\)"),
        (lambda: plot_ece([1, 1], [1.0, 2.0]), "`y` must hold both 0"),
        (lambda: plot_pav([0, 1], [np.nan, 1.0]), "got 1 NaN: leave out"),
        (lambda: plot_reliability([0, 1], [0.0, 1.0], n_bins=0), "`n_bins` must be at least 1"),
        (lambda: plot_scores([], [1.0]), "`real` must hold scores"),
        (lambda: plot_scores([1.0], [np.nan]), "`fake` must hold scores"),
        (lambda: plot_verbal_scale(np.nan), "`llr` must be finite; got nan"),
        (lambda: plot_features([0.1] * 5, np.ones((2, 6)), [0, 1]), "`features` must have 6"),
        (lambda: plot_features([0.1] * 6, np.ones((2, 6)), [0]), "label for each row of `X`, 2"),
        (lambda: plot_features([0.1] * 6, np.ones((2, 6)), [0, 0]), "got no fake"),
        (lambda: plot_frames([0, 1], [0.1], ["undecided"]), r"got shapes \(2,\) and \(1,\), and 1"),
        (lambda: plot_frames([0], [0.1], ["real"]), "among looks generated, .* got 'real'"),
        (lambda: plot_mixture(None, np.ones((2, 5))), "`X` must have 6 columns"),
        (lambda: plot_mixture(None, np.ones((2, 6)), names=("mean", "median")), "got 'median'"),
        (lambda: plot_delivery(pd.DataFrame({"quality": [1]})), "must have the column auc"),
        (lambda: ring_profiles(np.zeros((7, 100))), "at least 8 x 8 pixels; got 100 x 7"),
        (lambda: ring_profiles(np.zeros((8, 8)), n_rings=0), "`n_rings` must be at least 1"),
    ],
)
def test_wrong_input_raises(call, message):
    with pytest.raises(ValueError, match=message):
        call()
    assert not pyplot.get_fignums()  # no half-drawn figure is left


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
