"""The making of the default model: its list of pictures, and a small run."""

import csv
import hashlib
import itertools
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from helpers import make_picture
from PIL import Image

pytest.importorskip("matplotlib", reason="the bench needs the extra bench")

from benchmarks import default_model
from benchmarks.default_model import Training, held_out, load, main
from freqfake import load_detector
from freqfake.detector.rows import TrainingTable
from freqfake.estimators.panel import DeliveryPanelClassifier

PLAN = """
max_fpr = 0.2
copies = 1
parts = [["pairs", "faces"], ["others"], ["scenes"]]
[kinds]
"first" = ["pairs"]
"second" = ["loose"]
[pairs]
names = ["pairs"]
[more_copies]
others = 2
[squares]
scenes = 2
"""
SIZES = {
    ("real", "pairs"): 8,
    ("real", "faces"): 4,
    ("real", "others"): 8,
    ("real", "scenes"): 4,
    ("fake", "pairs"): 8,
    ("fake", "loose"): 12,
}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Path:
    """A folder with the plan, the list and the pictures of each source; one is not listed."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "default_model.toml").write_text(PLAN)
    listed, number = [], itertools.count()
    for (side, source), n in SIZES.items():
        place = folder / "pictures" / side / source
        place.mkdir(parents=True)
        for i in range(n + (source == "loose")):
            asynchrony = {"real": 0.2, "fake": 0.8}[side] + 0.01 * i
            path = place / f"{i}.png"
            pixels = make_picture(next(number), asynchrony=asynchrony, size=96)
            Image.fromarray(pixels).save(path, compress_level=0)
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            if i < n:
                listed.append(f"{side},{source},{sha256[:16]}")
    text = "\n".join(["side,source,sha256", *listed])
    (folder / "default_model.csv").write_text(text + "\n")
    return folder


@pytest.fixture(scope="module")
def plan(bench):
    return tomllib.loads((bench / "default_model.toml").read_text())


@pytest.fixture
def here(bench, monkeypatch):
    """Use that folder instead of the repository's."""
    monkeypatch.setattr(default_model, "HERE", bench)
    monkeypatch.setattr("freqfake.detector.training.ENOUGH_FOR_PANEL", 0)
    return bench


@pytest.fixture
def sources(here, plan):
    """Extractions of all pictures; computed once, as the cache stays."""
    return load([str(here / "pictures")], here / "cache", plan)


@pytest.fixture
def training(sources, plan):
    return Training(sources, plan)


def test_listed_pictures_are_extracted_and_the_cache_is_reused(sources, here, plan, monkeypatch):
    assert {key: len(pictures) for key, pictures in sources.items()} == SIZES

    def no_more(*arguments):
        raise AssertionError("all is in the cache")

    monkeypatch.setattr(default_model, "families_of", no_more)
    again = load([], here / "cache", plan)
    for key, pictures in sources.items():
        for one, other in zip(pictures, again[key], strict=True):
            np.testing.assert_array_equal(one.features, other.features)
            assert one.facts == other.facts


def test_pictures_that_are_not_found_are_counted(here, plan, tmp_path, capsys):
    load([str(here / "pictures" / "fake")], tmp_path, plan)
    told = capsys.readouterr().err
    for (side, source), size in SIZES.items():
        assert (f"{side}, {source}: {size} pictures not found" in told) == (side == "real")


def test_a_picture_has_its_copies_and_squares_in_one_family(sources, here):
    names = {row["sha256"] for row in rows_of(here / "default_model.csv")}
    for (_, source), pictures in sources.items():
        # Beside the picture, a lightly compressed one and the delivered copies.
        n = {"others": 3, "scenes": 5}.get(source, 2)
        for picture in pictures:
            assert len(picture.copies) == n
            assert picture.facts.sha256[:16] in names
            assert (picture.copies[0].facts.quality, picture.copies[0].facts.coding) == (
                95,
                "JPEG 4:2:0",
            )
        assert len({picture.facts.sha256 for picture in pictures}) == len(pictures)
    for picture in sources["real", "scenes"]:
        members = [picture, *picture.copies]
        squares = [member for member in members if member.facts.coding == "lossless"]
        assert [member.facts.sha256 for member in squares[:2]] == [picture.facts.sha256] * 2
        table = TrainingTable([picture], sources["fake", "pairs"])
        assert np.bincount(table.families)[0] == np.bincount(table.groups)[0] == 6


def test_each_picture_is_scored_once_and_by_no_model_fitted_to_it(training):
    folds = list(training.folds())
    assert len(folds) == 3
    scored = np.concatenate([part for _, part in folds])
    assert sorted(scored) == list(range(sum(SIZES.values())))
    for fitted_to, part in folds:
        assert not set(fitted_to) & set(part)
        real = [set(training.sources[each][~training.is_fake[each]]) for each in (fitted_to, part)]
        assert not real[0] & real[1]  # whole sources are left out
        assert set(training.is_fake[fitted_to]) == {False, True}


def test_paired_fakes_have_no_part_where_their_real_counterpart_is_left_out(training):
    paired = set(np.flatnonzero(training.sources == "fake, pairs"))
    assert len(paired) == 8
    (fitted_to, scored), *others = training.folds()
    assert "real, pairs" in training.sources[scored]
    assert not paired & {*fitted_to, *scored}
    for rows, part in others:
        assert paired <= {*rows, *part}
        assert "real, pairs" in training.sources[rows]


def test_kinds_of_generators_are_left_out_whole(training):
    folds = list(training.folds_of_generators())
    assert [set(training.sources[part]) for _, part in folds] == [{"fake, pairs"}, {"fake, loose"}]
    for fitted_to, part in folds:
        assert len(fitted_to) + len(part) == sum(SIZES.values())
        assert not set(training.sources[fitted_to]) & set(training.sources[part])


def test_sources_weigh_by_the_root_of_their_size(training):
    for side in (training.is_fake, ~training.is_fake):
        assert training.weights[side].mean() == pytest.approx(1)
    found = {name: training.weights[training.sources == name] for name in set(training.sources)}
    assert all(np.ptp(weights) == 0 for weights in found.values())
    sums = {name: weights.sum() for name, weights in found.items()}
    assert sums["real, pairs"] / sums["real, faces"] == pytest.approx(2**0.5)


def test_scores_are_of_models_that_were_not_fitted_to_the_picture(training, monkeypatch):
    """The model has no part here: each row is marked by the rows that were used."""
    used = []

    class Recorder(DeliveryPanelClassifier):
        def fit(self, X, y, **options):
            self.seen = {row.tobytes() for row in X}
            return self

        def decision_function(self, X):
            assert not self.seen & {row.tobytes() for row in X}
            used.append(len(X))
            return np.zeros(len(X))

    monkeypatch.setattr(default_model, "DeliveryPanelClassifier", Recorder)
    monkeypatch.setattr(TrainingTable, "_usual", lambda self, rows, out: np.ones(out.sum(), bool))
    table = TrainingTable(*training.split())
    assert not held_out(table, training.folds()).any()
    assert sum(used) == len(table.y)


def test_a_small_run(here, monkeypatch, tmp_path, capsys, sources):
    model = tmp_path / "small.safetensors"
    monkeypatch.setattr(default_model, "MODEL", model)
    for name in ("detector.rows.MIN_FAKE", "evidence.deliveries.MIN_REAL"):
        monkeypatch.setattr(f"freqfake.{name}", 5)
    monkeypatch.setattr("freqfake.evidence.deliveries.MIN_FAKE", 5)
    monkeypatch.setattr("freqfake.evidence.domain.TrainingDomain.doubt_of_fake", lambda *_: "")
    options = ["--cache", str(here / "cache"), "--generators", "--write"]
    monkeypatch.setattr(sys, "argv", ["default_model", *options])
    main()
    printed = capsys.readouterr().out
    assert f"{model.name}: {model.stat().st_size} bytes" in printed
    for side, source in SIZES:
        assert f"{side}, {source}" in printed
    assert "Cllr" in printed
    before, after = printed.split("generators that the model was not trained on")
    assert "real, pairs" in before
    assert "real, pairs" not in after
    assert "fake, loose" in after
    detector = load_detector(model)
    assert detector.info["name"] == "faces"
    assert (detector.info["n_real"], detector.info["n_fake"]) == (24, 20)
    assert detector.max_fpr == 0.2
    assert len(detector.classifier.coef_) == 3  # for all kinds, and for each


# --- the repository's own -------------------------------------------------------------------------


def test_the_listed_pictures_are_listed_once_and_used():
    listed = rows_of(default_model.HERE / "default_model.csv")
    assert len(listed) > 10_000
    names = [row["sha256"] for row in listed]
    assert len(set(names)) == len(names)
    assert all(len(name) == 16 and int(name, 16) >= 0 for name in names)
    plan = tomllib.loads((default_model.HERE / "default_model.toml").read_text())
    real, fake = (
        {row["source"] for row in listed if row["side"] == side} for side in ("real", "fake")
    )
    in_parts = list(itertools.chain.from_iterable(plan["parts"]))
    of_kinds = list(itertools.chain.from_iterable(plan["kinds"].values()))
    assert sorted(in_parts) == sorted(real)
    assert sorted(of_kinds) == sorted(fake)
    assert set(plan["pairs"]["names"]) <= real & fake
    assert {*plan["more_copies"], *plan["squares"]} <= real | fake
