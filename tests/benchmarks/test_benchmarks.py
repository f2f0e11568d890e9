"""The bench: figures of merit, treatments, peers, cache; and every run, as a user types it."""

import itertools
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import make_picture

pytest.importorskip("matplotlib", reason="the bench needs the extra bench")
from PIL import Image
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from benchmarks import algorithm1, peers, speed
from benchmarks.__main__ import ALL, RUNS, main
from benchmarks.harness import detectors, intervals, prepare, treatments
from benchmarks.harness.config import Config, ConfigError
from benchmarks.harness.report import Report, no_evidence
from benchmarks.harness.store import KINDS, Store, _key
from freqfake import asynchrony_features
from freqfake.evidence.metrics import equal_error_rate
from freqfake.pictures.reading import read_bytes

ROOT = Path(__file__).parents[2]
CONFIG = """
max_pictures = 20
max_delivered = 20
[[sets]]
name = "one"
title = "One / Two"
real = "real"
fake = "fake"
paper = "StyleGAN"
differs = "noise"
[[sets]]
name = "two"
title = "Three / Four"
real = "fake"
fake = "real"
paper = "StarGAN"
[[sets]]
name = "absent"
title = "Nowhere"
real = "nowhere"
fake = "fake"
[[reals]]
name = "alone"
title = "Alone"
real = "real"
[history]
set = "one"
[[history.others]]
title = "others"
folder = "fake"
[deep.sets.one]
input_size = 32
training = { epochs = { meso4 = 1, dldfd = 1 }, batch_size = { meso4 = 8, dldfd = 8 } }
"""


@pytest.fixture(scope="module")
def config_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("config") / "config.toml"
    path.write_text(CONFIG)
    return path


def labelled(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, scores with ties, and whole weights."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 2)
    scores = np.round(rng.normal(y, 1.0), 1) - 0.5
    return y, scores, rng.integers(1, 4, n)


class TestIntervals:
    @pytest.mark.parametrize("seed", range(5))
    def test_weighted_figures_are_those_of_scikit_learn(self, seed):
        y, scores, weights = labelled(seed)
        called = (scores > 0).astype(int)
        references = {
            "auc": roc_auc_score(y, scores, sample_weight=weights),
            "accuracy": accuracy_score(y, called, sample_weight=weights),
            "balanced_accuracy": balanced_accuracy_score(y, called, sample_weight=weights),
            "precision": precision_score(y, called, sample_weight=weights),
            "recall": recall_score(y, called, sample_weight=weights),
            "f1": f1_score(y, called, sample_weight=weights),
        }
        for name, expected in references.items():
            found = getattr(intervals, name)(y, scores, np.stack([weights, 2 * weights]))
            assert found == pytest.approx([expected, expected])

    @pytest.mark.parametrize("seed", range(5))
    def test_equal_error_rate_is_that_of_the_library(self, seed):
        y, scores, weights = labelled(seed)
        repeated = [np.repeat(values, weights) for values in (y, scores)]
        found = intervals.equal_error_rate(y, scores, weights[np.newaxis])
        assert found == pytest.approx([equal_error_rate(*repeated)])

    def test_interval_of_a_share_is_that_of_the_binomial(self):
        y, scores = np.ones(400, int), np.where(np.arange(400) < 300, 1.0, -1.0)
        found = intervals.figure(intervals.accuracy, y, scores, np.arange(400))
        half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
        assert found == pytest.approx((0.75, 0.75 - half, 0.75 + half), abs=0.006)

    def test_pictures_of_one_person_tell_no_more_than_one(self):
        y, scores, _ = labelled(0)
        once = intervals.figure(intervals.auc, y, scores, np.arange(len(y)))
        persons = np.tile(np.arange(len(y)), 4)
        again = intervals.figure(intervals.auc, np.tile(y, 4), np.tile(scores, 4), persons)
        assert again == pytest.approx(once)

    def test_partitions_are_averaged(self):
        y, scores, _ = labelled(0)
        both = np.stack([scores, y * 1.0])
        found = intervals.figure(intervals.auc, y, both, np.arange(len(y)))
        assert found.value == pytest.approx((roc_auc_score(y, scores) + 1) / 2)

    def test_in_words(self):
        assert str(intervals.Figure(0.5, 0.41, 0.59)) == "0.500 (0.41-0.59)"
        assert str(intervals.MISSING) == "-"
        assert str(intervals.figure(intervals.auc, np.array([0, 1]), None, np.arange(2))) == "-"


class TestTreatments:
    image = Image.fromarray(make_picture(0, asynchrony=0.4, size=128))

    @pytest.mark.parametrize("name", treatments.TREATMENTS)
    def test_every_treatment_gives_the_same_file_again(self, name):
        data = treatments.treated(self.image, name)
        assert data == treatments.treated(self.image, name)
        read_bytes(data)

    @pytest.mark.parametrize(
        ("name", "delivery", "side"),
        [
            ("JPEG Q75 4:2:0", "JPEG 4:2:0", 128),
            ("JPEG Q75 4:4:4", "JPEG 4:4:4", 128),
            ("WebP Q80", "lossy WEBP", 128),
            ("x1/2 area", "lossless", 64),
            ("x1/4 bilinear", "lossless", 32),
            ("x2 bicubic", "lossless", 256),
            ("crop to half", "lossless", 64),
            ("512 px, Q40", "JPEG 4:2:0", 128),
            ("x1.5, 4:2:0, back", "lossless", 128),
            ("new chroma", "lossless", 128),
        ],
    )
    def test_what_comes_out(self, name, delivery, side):
        _, facts = read_bytes(treatments.treated(self.image, name))
        assert (facts.coding, facts.width, facts.height) == (delivery, side, side)

    def test_only_area_averages(self):
        """A board of single pixels becomes grey by averaging, and stays a board by skipping."""
        board = np.indices((63, 63)).sum(axis=0) % 2 * 255
        image = Image.fromarray(np.stack([board] * 3, axis=-1).astype(np.uint8))
        area = treatments.scaled(image, 1 / 3, Image.Resampling.BOX)
        assert np.std(area) < 20
        assert np.std(treatments.skipped(image, 1 / 3)) > 120

    def test_a_reduction_by_skipping_keeps_the_middle(self):
        ramp = np.tile(np.linspace(0, 252, 64).astype(np.uint8)[:, None], (64, 1, 3))
        ramp = ramp.reshape(64, 64, 3)
        half = np.asarray(treatments.skipped(Image.fromarray(ramp), 0.5), float)
        assert half == pytest.approx((ramp[::2, ::2].astype(float) + ramp[1::2, 1::2]) / 2, abs=1)

    def test_blur_and_noise_are_as_strong_as_they_say(self):
        grey = Image.new("RGB", (128, 128), (128, 128, 128))
        noisy = np.asarray(treatments.noisy(grey, 5.0), float)
        assert noisy.std() == pytest.approx(5.0, rel=0.03)
        dot = np.zeros((41, 41, 3), np.uint8)
        dot[20, 20] = 255
        blurred = np.asarray(treatments.blurred(Image.fromarray(dot), 1.0), float)
        assert blurred[20, 20, 0] == pytest.approx(255 / (2 * np.pi), abs=1.5)

    def test_new_chroma_touches_chroma_only_and_leaves_grey_alone(self):
        after, _ = read_bytes(treatments.treated(self.image, "new chroma"))
        luma = [np.asarray(i.convert("L"), int) for i in (self.image, Image.fromarray(after))]
        assert np.abs(luma[0] - luma[1]).mean() < 1.5
        assert not np.array_equal(after, np.asarray(self.image))
        grey = self.image.convert("L").convert("RGB")
        same, _ = read_bytes(treatments.treated(grey, "new chroma"))
        assert np.abs(same.astype(int) - np.asarray(grey)).max() <= 1

    def test_a_past_without_jpeg_changes_less(self):
        resized, with_420 = (
            read_bytes(treatments.treated(self.image, name))[0].astype(int)
            for name in ("x1.5 and back", "x1.5, 4:2:0, back")
        )
        original = np.asarray(self.image, int)
        assert np.abs(resized - original).mean() < np.abs(with_420 - original).mean()


class TestPeers:
    functions = (peers.durall_features, peers.frank_features, peers.dzanic_features)

    @pytest.mark.parametrize("function", functions)
    def test_as_many_numbers_for_every_size(self, function):
        shapes = [(32, 32), (64, 48), (63, 101), (200, 200)]
        lengths = {
            len(function(np.random.default_rng(0).integers(0, 256, (*s, 3), dtype=np.uint8)))
            for s in shapes
        }
        assert len(lengths) == 1

    @pytest.mark.parametrize("function", functions)
    def test_grey_pictures_and_black_ones(self, function):
        grey = make_picture(1, asynchrony=0.0)[..., 0]
        assert function(grey) == pytest.approx(function(np.stack([grey] * 3, -1)), abs=2e-2)
        assert np.isfinite(function(np.zeros((64, 64), np.uint8))).all()

    def test_durall_of_white_noise_is_flat(self):
        noise = np.random.default_rng(0).normal(128, 20, (256, 256))
        profile = peers.durall_features(noise)[20:250]
        # E[20 ln |F|] with |F|^2 / (sigma^2 n) exponential: 10 (ln(sigma^2 n) - 0.5772)
        assert profile.mean() == pytest.approx(10 * (np.log(400 * 256**2) - 0.5772), abs=0.5)
        assert profile.std() < 1.5

    def test_durall_of_a_wave_peaks_at_its_frequency(self):
        wave = 128 + 50 * np.cos(2 * np.pi * 32 * np.arange(128) / 128)
        profile = peers.durall_features(np.tile(wave, (128, 1)))
        last_ring = round(np.hypot(64, 64))
        assert np.argmax(profile[30:]) + 30 == pytest.approx(32 / last_ring * 299, abs=4)

    def test_frank_finds_a_cosine_in_its_cell(self):
        n, k = 128, 40
        wave = 127.5 + 60 * np.cos(np.pi * k * (np.arange(n) + 0.5) / n)
        grid = peers.frank_features(np.tile(wave, (n, 1))).reshape(64, 64)
        assert np.unravel_index(np.argmax(grid), grid.shape) == (0, k // 2)

    @pytest.mark.parametrize("exponent", [-1.0, -3.0])
    def test_dzanic_finds_the_exponent(self, exponent):
        n = 256
        frequency = np.fft.fftfreq(n)
        radius = np.hypot(frequency[:, None], frequency)
        radius[0, 0] = 1 / n
        phase = np.fft.fft2(np.random.default_rng(0).normal(size=(n, n)))
        picture = np.fft.ifft2(radius**exponent * phase / np.abs(phase)).real
        found, first, last = peers.dzanic_features(picture)
        assert found == pytest.approx(exponent, abs=0.15)
        assert last - first == pytest.approx(exponent * np.log(1 / 0.85), abs=0.1)


def test_the_transcription_of_the_published_way_gives_our_features():
    pixels = make_picture(3, asynchrony=0.4, size=96)
    assert speed.published(pixels) == pytest.approx(asynchrony_features(pixels), abs=1e-5)


class TestStore:
    @staticmethod
    def counted(monkeypatch) -> list[int]:
        calls = []

        def compute(pixels, facts):
            calls.append(1)
            return np.asarray(asynchrony_features(pixels))

        monkeypatch.setitem(KINDS, "six", KINDS["six"]._replace(compute=compute))
        return calls

    def test_nothing_is_computed_twice(self, tmp_path, picture_folders, monkeypatch):
        calls = self.counted(monkeypatch)
        paths = sorted(map(str, (picture_folders / "real").iterdir()))
        names = [treatments.AS_IS, "blur 1"]
        for n, expected in ((5, 10), (5, 10), (8, 16)):
            Store(tmp_path, 1).ensure("set", paths[:n], names, ["six"])
            assert len(calls) == expected
        found = Store(tmp_path, 1).features("set", paths[2:4], treatments.AS_IS, "six")
        assert found == pytest.approx(np.array([asynchrony_features(p) for p in paths[2:4]]))
        assert len(calls) == 16

    def test_a_stopped_run_goes_on(self, tmp_path, picture_folders, monkeypatch):
        calls = self.counted(monkeypatch)
        monkeypatch.setattr("benchmarks.harness.store._CHUNK", 3)
        paths = sorted(map(str, (picture_folders / "real").iterdir()))[:9]
        store, write, written = Store(tmp_path, 1), Store._write, []

        def stop_at_the_second(self, name, rows):
            write(self, name, rows)
            written.append(name)
            if len(written) == 2:
                raise KeyboardInterrupt

        monkeypatch.setattr(Store, "_write", stop_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            store.ensure("set", paths, [treatments.AS_IS], ["six"])
        monkeypatch.setattr(Store, "_write", write)
        before = len(calls)
        assert store.features("set", paths, treatments.AS_IS, "six").shape == (9, 6)
        assert len(calls) == before + 3

    def test_a_changed_picture_is_read_again_by_the_next_run(self, tmp_path):
        path = tmp_path / "a.png"
        Image.fromarray(make_picture(0, asynchrony=0.1)).save(path)
        store = Store(tmp_path / "store", 1)
        first = store.features("set", [str(path)], treatments.AS_IS, "six")
        Image.fromarray(make_picture(1, asynchrony=0.9)).save(path)
        os.utime(path, ns=(1, 1))
        _key.cache_clear()  # as a new process would
        assert store.features("set", [str(path)], treatments.AS_IS, "six")[0, 0] > first[0, 0]

    def test_small_pictures_have_no_rich_features(self, tmp_path, picture_folders):
        path = str(next((picture_folders / "real").iterdir()))  # 64 pixels
        store = Store(tmp_path, 1)
        assert np.isnan(store.features("set", [path], "x1/2 area", "rich")).all()
        assert np.isfinite(store.features("set", [path], "x1/2 area", "six")).all()

    def test_facts_tell_format_and_quality(self, tmp_path):
        image = Image.fromarray(make_picture(0, asynchrony=0.3))
        for name, options in {"a.jpg": {"quality": 75}, "b.jpg": {"quality": 90}}.items():
            image.save(tmp_path / name, **options)
        image.save(tmp_path / "c.png")
        paths = [str(tmp_path / name) for name in ("a.jpg", "b.jpg", "c.png")]
        facts = Store(tmp_path / "store", 1).features("set", paths, treatments.AS_IS, "facts")
        different = facts[:, np.newaxis] != facts
        assert different[0, 1].sum() == 2  # quality, bytes per pixel
        assert different[0, 2].sum() == 4  # and format, coding


class TestConfig:
    def made(self, config_file, picture_folders, **options) -> Config:
        roots = [picture_folders]
        return Config(config_file, roots, Store(config_file.parent / "s", 1), **options)

    def test_sets_without_a_folder_are_named_and_left_out(
        self, config_file, picture_folders, capsys
    ):
        config = self.made(config_file, picture_folders)
        assert [entry.name for entry in config.sets] == ["one", "two"]
        assert "absent left out: no folder nowhere" in capsys.readouterr().err

    def test_classes_are_equal_and_spread(self, config_file, picture_folders):
        config = self.made(config_file, picture_folders, limit=5)
        pictures = config.pictures(config.sets[0])
        assert [Path(path).stem for path in pictures.paths] == ["00", "04", "08", "12", "16"] * 2
        assert pictures.y.tolist() == [0] * 5 + [1] * 5

    def test_a_person_stays_together(self, tmp_path, picture_folders):
        path = tmp_path / "config.toml"
        path.write_text(CONFIG.replace('real = "real"\nf', "person = '(\\d+)'\nreal = \"real\"\nf"))
        config = Config(path, [picture_folders], Store(tmp_path, 1), only=["one"])
        pictures = config.pictures(config.sets[0])
        assert len(np.unique(pictures.persons)) == 20
        assert len(pictures.partitions) == 5  # a small set
        for rows, left_out in itertools.chain(*pictures.partitions):
            assert not set(pictures.persons[rows]) & set(pictures.persons[left_out])

    def test_held_out_scores_are_in_the_order_of_the_pictures(self, config_file, picture_folders):
        config = self.made(config_file, picture_folders)
        pictures = config.pictures(config.sets[0])
        scores = pictures.held_out(lambda rows, left_out: np.stack([left_out, -left_out]))
        assert scores.shape == (5, 2, 40)
        assert np.array_equal(scores[3, 1], -np.arange(40))

    def test_where_the_folders_lie_changes_no_fold(self, config_file, picture_folders, tmp_path):
        for side, letter in (("real", "z"), ("fake", "a")):
            (tmp_path / letter).symlink_to(picture_folders / side)
        moved = tmp_path / "config.toml"
        moved.write_text(CONFIG.replace('"real"', '"z"').replace('"fake"', '"a"'))
        roots, store = [tmp_path], Store(tmp_path, 1)
        one, other = (
            config.pictures(config.sets[0])
            for config in (self.made(config_file, picture_folders), Config(moved, roots, store))
        )
        for a, b in zip(one.partitions[0], other.partitions[0], strict=True):
            assert np.array_equal(a[1], b[1])

    def test_a_real_source_is_split_at_random(self, config_file, picture_folders):
        config = self.made(config_file, picture_folders)
        halves = [config.split_in_two(config.reals[0], seed).y for seed in (0, 0, 1)]
        assert all(y.sum() == 10 for y in halves)
        assert np.array_equal(halves[0], halves[1])
        assert not np.array_equal(halves[0], halves[2])

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("[[sets]\n", "config.toml"),
            ('[[sets]]\nname = "a"\n', "required positional arguments: 'title'"),
            ('[[sets]]\nnonsense = "a"\n', "nonsense"),
        ],
    )
    def test_a_wrong_file_is_told(self, tmp_path, text, reason):
        path = tmp_path / "config.toml"
        path.write_text(text)
        with pytest.raises(ConfigError, match=reason):
            _ = Config(path, [], Store(tmp_path, 1)).sets

    def test_no_folder_at_all_is_told(self, config_file, tmp_path):
        config = Config(config_file, [tmp_path], Store(tmp_path, 1))
        with pytest.raises(ConfigError, match=r"no set of .* give --data"):
            _ = config.sets

    def test_an_unknown_set_is_told(self, config_file, picture_folders):
        with pytest.raises(ConfigError, match="no set named three"):
            self.made(config_file, picture_folders, only=["three"])


def test_a_detector_scores_people_it_never_saw(config_file, picture_folders, tmp_path):
    """With the truth as the only feature everything is right; with a row of its own, nothing."""
    config = Config(config_file, [picture_folders], Store(tmp_path, 1))
    pictures = config.pictures(config.sets[0])
    scores = detectors.held_out_scores(detectors.SIX_SVM, pictures)[treatments.AS_IS]
    assert scores.shape == (5, 40)
    assert roc_auc_score(pictures.y, scores[0]) > 0.95
    noise = np.random.default_rng(0).normal(size=(40, 6))
    object.__setattr__(pictures, "store", _Fixed(noise))
    scores = detectors.held_out_scores(detectors.SIX_SVM, pictures)[treatments.AS_IS]
    assert 0.2 < roc_auc_score(pictures.y, scores[0]) < 0.8


class _Fixed:
    """A store that knows one table."""

    def __init__(self, X: np.ndarray) -> None:
        self.X = X

    def features(self, *_: object) -> np.ndarray:
        return self.X


def test_what_the_files_tell_is_no_evidence():
    assert no_evidence(0.90, 0.86)
    assert not no_evidence(0.90, 0.84)
    assert not no_evidence(float("nan"), 0.9)


def test_tables_go_to_their_place_in_the_docs(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- table x -->\nold\n<!-- end -->\nb\n<!-- table y -->\n<!-- end -->\n")
    Report(tmp_path / "results", tmp_path).table("x", pd.DataFrame({"n": [1], "m": ["z"]}))
    assert page.read_text() == (
        "a\n<!-- table x -->\n\n| n | m |\n| --- | --- |\n| 1 | z |\n\n<!-- end -->\nb\n"
        "<!-- table y -->\n<!-- end -->\n"
    )


class TestPrepare:
    def test_grids_are_cut_by_row(self, tmp_path):
        grid = np.zeros((256, 768, 3), np.uint8)
        for row in range(2):
            for column in range(6):
                tile = (slice(row * 128, row * 128 + 128), slice(column * 128, column * 128 + 128))
                grid[tile] = 40 * column + row
        (tmp_path / "grids").mkdir()
        Image.fromarray(grid).save(tmp_path / "grids" / "7-images.jpg", quality=100, subsampling=0)
        prepare._cut_grids(tmp_path / "grids", tmp_path / "out")
        names = sorted(path.name for path in (tmp_path / "out").rglob("*.png"))
        assert names == [f"g007_r0{row}_c{c}.png" for row, c in ((0, 0), (0, 1), (1, 0), (1, 2))]
        with Image.open(tmp_path / "out" / "fake" / "g007_r01_c2.png") as tile:
            assert np.asarray(tile) == pytest.approx(81, abs=2)

    def test_what_is_missing_is_said(self, tmp_path, config_file, capsys):
        text = config_file.read_text() + '[prepare]\nstargan_grids = "grids"\nraws = "raw"\n'
        path = tmp_path / "config.toml"
        path.write_text(text)
        assert main(["prepare", "--config", str(path), "--work", str(tmp_path)]) == 0
        assert "stargan_grids left out: no folder grids" in capsys.readouterr().err


def test_help_lists_the_runs():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name, run in RUNS.items():
        assert f"  {name} " in done.stdout
        assert run.__doc__.splitlines()[0] in done.stdout


@pytest.fixture(scope="module")
def results(tmp_path_factory, config_file, picture_folders) -> Path:
    """Results of every run on a few small pictures, in one partition for each set.

    It has few folds, except where detectors trained on fewer pictures would give other figures.
    """
    work = tmp_path_factory.mktemp("work")
    options = ["--config", config_file, "--data", picture_folders, "--work", work]
    options = [*map(str, options), "--limit", "16"]
    between_sets = {"table2", "table3", "table4", "peers"}
    of_one = [*options, "--n-jobs", "1", "--sets", "one", "alone"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmarks.harness.config.N_PARTITIONS", 1)
        assert main(["attacks", "null", *of_one]) == 0
        patch.setattr("benchmarks.harness.config.N_FOLDS", 3)
        some = ("JPEG Q75 4:2:0", "x1/4 bilinear", "blur 2")
        kept = {name: algorithm1.DELIVERIES[name] for name in some}
        patch.setattr("benchmarks.algorithm1.DELIVERIES", kept)
        assert main([*between_sets, *options, "--n-jobs", "2"]) == 0
        assert main([*sorted(set(ALL) - between_sets - {"attacks", "null"}), *of_one]) == 0
        if find_spec("torch"):
            assert main(["deep", *of_one, "--limit", "15"]) == 0
    return work / "results"


TABLES = (
    "table2 table3 table4 peers training_size delivery delivery_short null history history_means "
    "history_calls history_verdicts attacks attacks_verdicts attacks_framing attacks_tries harm "
    "harm_summary parts deep"
)

DRAWINGS = "training_size delivery delivery_jpeg history harm spectra"


@pytest.mark.parametrize("name", TABLES.split())
def test_every_run_makes_its_table(results, name):
    if name == "deep":
        pytest.importorskip("torch", reason="the networks need torch")
    table = pd.read_csv(results / f"{name}.csv")
    assert table.shape[1] > 1
    assert len(table) or name == "harm"


@pytest.mark.parametrize("name", DRAWINGS.split())
def test_every_drawing_is_there(results, name):
    with Image.open(results / f"{name}.png") as drawing:
        assert min(drawing.size) > 100


def test_figures_of_the_runs(results):
    """Pictures that the six features tell apart by design; their files all have one size."""
    table = pd.read_csv(results / "table2.csv")
    svm = table[(table["set"] == "One / Two") & (table["classifier"] == "SVM")].iloc[0]
    assert float(svm["accuracy"].split()[0]) > 0.9
    assert float(svm["published"]) == 0.951
    assert float(svm["files alone"].split()[0]) < 0.8
    peers_table = pd.read_csv(results / "peers.csv")
    assert set(peers_table["detector"]) == {d.name for d in detectors.DETECTORS}
    reversed_pair = pd.read_csv(results / "table4.csv").iloc[0]
    assert float(reversed_pair["without"].split()[0]) < 0.1  # the labels are the other way round
    calls = pd.read_csv(results / "history_calls.csv", index_col=0)["six features, SVM"]
    assert int(calls["generated, as they are"][:-1]) > 80


def test_figures_of_the_attacks(results):
    """Noise that the channels share or not; what the six features read, an average takes away."""
    table = pd.read_csv(results / "attacks.csv", index_col="attack")
    assert (table["files alone"] == 0.5).all()
    assert table["PSNR, dB"]["none"] == "-"
    assert (table["PSNR, dB"].drop("none").astype(float) > 15).all()
    assert float(table["six features"]["none"].split()[0]) > 0.9
    verdicts = pd.read_csv(results / "attacks_verdicts.csv", index_col="attack")["six features"]
    fake = [int(cell.split(" / ")[1].split()[0]) for cell in verdicts]
    assert fake[0] > 30
    assert min(fake) < 15
    framed = pd.read_csv(results / "attacks_framing.csv", index_col="attack")["six features"]
    assert framed["none"].split(" / ")[1].startswith("0 ")
    tries = pd.read_csv(results / "attacks_tries.csv")
    assert tries["wanted"].tolist() == ["not fake", "real", "fake"] * 2


def test_networks_and_spectral_detectors_see_the_same_pictures(results):
    pytest.importorskip("torch", reason="the networks need torch")
    table = pd.read_csv(results / "deep.csv")
    named = [name.split(",")[0] for name in table["detector"]]
    assert named == ["six features", "rich", "files alone", "dldfd from a random start", "meso4"]
    n_train, n_validate = map(int, table["trained on"][0].split(" + "))
    assert n_train + n_validate + table["tested on"][0] == 30  # 15 of a class
    assert (table["trained on"] == table["trained on"][0]).all()
    log = pd.read_csv(results.parent / "deep" / "one-meso4" / "log.csv")
    assert len(log) == 1


def test_the_null_row_is_near_chance(results):
    table = pd.read_csv(results / "null.csv")
    for name in [d.name for d in detectors.DETECTORS]:
        for cell in table[name]:
            _, low, high = map(
                float, cell.replace("(", "").replace(")", "").replace("-", " ").split()
            )
            assert low < 0.65
            assert high > 0.35


def test_the_papers_own_sets_need_no_change_of_code(picture_folders, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.harness.config.N_PARTITIONS", 1)
    for name, side in {"FFHQ": "real", "StyleGAN": "fake", "ALAE": "fake"}.items():
        (tmp_path / name).symlink_to(picture_folders / side)
    options = ["--data", tmp_path, "--work", tmp_path / "work", "--limit", 12, "--n-jobs", 1]
    config = ROOT / "benchmarks" / "paper.toml"
    assert main([*map(str, ["table2", "table4", "--config", config, *options])]) == 0
    table2 = pd.read_csv(tmp_path / "work" / "results" / "table2.csv")
    assert table2["published"].tolist() == [0.849, 0.951, 0.992, 0.999]
    table4 = pd.read_csv(tmp_path / "work" / "results" / "table4.csv")
    assert table4["published"].tolist() == [0.991, 0.890]


def test_wrong_use_is_told_in_a_line(tmp_path, capsys):
    assert main(["table2", "--config", str(tmp_path / "none.toml"), "--work", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "none.toml" in error
    assert "Traceback" not in error
    with pytest.raises(SystemExit):
        main(["nonsense"])


def test_all_leaves_out_what_is_timed_or_needs_clones():
    alone = {"deep", "deep-timing", "fuzz", "scaling", "timing"}
    assert set(RUNS) - set(ALL) == {"gather", *alone}


class TestDocs:
    pages = sorted((ROOT / "docs").glob("*.md"))
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)

    def test_every_table_is_there_once_and_filled(self):
        places = re.findall(r"<!-- table (\w+) -->\n(.*?)<!-- end -->", self.text, re.DOTALL)
        names = [name for name, _ in places]
        assert sorted(names) == sorted(
            [
                *TABLES.split(),
                *(f"default_{name}" for name in ("deliveries", "tiers", "both", "rank")),
                "deep_timing",
                "fuzz",
                "networks",
                *(f"networks_{name}" for name in ("cost", "fusion", "verdicts")),
                *(f"reenactment_{name}" for name in ("detectors", "measures")),
                "timing",
                "timing_start",
                "scaling_size",
                "scaling_count",
                "tiny_ladeda",
            ]
        )
        for name, table in places:
            assert "| --- |" in table, name

    def test_every_drawing_is_shown(self):
        shown = set(re.findall(r"\(figures/(\w+)\.png\)", self.text))
        assert shown == {path.stem for path in (ROOT / "docs" / "figures").glob("*.png")}

    def test_every_command_is_a_run(self):
        named = re.findall(r"^    python -m benchmarks (?!reenact)(.+)$", self.text, re.MULTILINE)
        assert {word for line in named for word in line.split() if not word.startswith("-")} >= set(
            RUNS
        ) | {"all"}
        for line in named:
            words = itertools.takewhile(lambda word: not word.startswith("-"), line.split())
            assert set(words) <= {*RUNS, "all"}
