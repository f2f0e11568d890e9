"""Held-out scores of the default model, and the tables of a small run."""

import contextlib
import io
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_plan import SIZES

pytest.importorskip("matplotlib", reason="the bench needs the extra bench")

from benchmarks import default_model, protocol, tiers, tiny_ladeda
from benchmarks.default_model import main
from benchmarks.protocol import (
    More,
    by_rank,
    found_among_first,
    held_out,
    held_thresholds,
    named_delivery,
)
from freqfake import load_detector
from freqfake.detector.rows import TrainingTable
from freqfake.estimators.panel import DeliveryPanelClassifier

TABLES = ("real", "generated", "deliveries", "tiers", "generators", "both", "rank")


class Recorder(DeliveryPanelClassifier):
    """The model has no part here: each row is marked by the rows that were used."""

    used: list[int]

    def fit(self, X, y, **options):
        self.seen = {row.tobytes() for row in X}
        return self

    def decision_function(self, X):
        assert not self.seen & {row.tobytes() for row in X}
        self.used.append(len(X))
        return np.zeros(len(X))


@pytest.fixture
def table(training, monkeypatch):
    monkeypatch.setattr(TrainingTable, "_usual", lambda self, rows, out: np.ones(out.sum(), bool))
    made = TrainingTable(*training.split(), **training.options)
    made.X = made.X[:, ::60]  # fast
    return made


def test_scores_are_of_models_that_were_not_fitted_to_the_picture(
    training, table, monkeypatch, tmp_path
):
    monkeypatch.setattr(protocol, "DeliveryPanelClassifier", Recorder)
    Recorder.used = []
    more = More(table.X, training.parts[table.groups])
    scores, of_more = held_out(table, training.folds(), tmp_path, more)
    assert not scores.any()
    assert not of_more.any()
    assert sum(Recorder.used) == 2 * len(table.y)


def test_more_pictures_are_scored_by_the_model_of_their_fold(training, table, tmp_path):
    parts = training.parts[table.groups]
    folds = [*training.folds()]
    scores, of_more = held_out(table, folds, tmp_path, More(table.X, parts))
    np.testing.assert_array_equal(scores, of_more)
    _, by_another = held_out(table, folds, tmp_path, More(table.X, (parts + 1) % 3))
    assert not np.isclose(scores, by_another).any()


def test_scores_are_kept_as_long_as_they_are_right(training, table, monkeypatch, tmp_path):
    folds = [*training.folds()]
    scores, _ = held_out(table, folds, tmp_path)
    fitted = []
    fit = TrainingTable.fit
    monkeypatch.setattr(TrainingTable, "fit", lambda *of: fitted.append(1) or fit(*of))
    np.testing.assert_array_equal(held_out(table, folds, tmp_path)[0], scores)
    assert not fitted
    held_out(table, folds[1:], tmp_path)
    assert not fitted
    held_out(table, folds, tmp_path, More(table.X[:4], np.array([0, 0, 0, 1])))
    assert len(fitted) == 2
    table.weights[0] *= 2
    assert not np.allclose(held_out(table, folds, tmp_path)[0], scores)
    assert len(fitted) == 2 + 3
    monkeypatch.setattr(protocol, "_code", lambda: "other code")
    held_out(table, folds, tmp_path)
    assert len(fitted) == 2 + 3 + 3


def test_full_size_pictures_are_chosen_by_their_digest(training, monkeypatch):
    monkeypatch.setattr(tiers, "MIN_SIDE", 96)
    monkeypatch.setattr(tiers, "MOST", 5)
    chosen = tiers.chosen(training, ["scenes"])
    names = training.sources[chosen].tolist()
    assert {name: names.count(name) for name in names} == {
        f"{side}, {source}": min(n, 5) for (side, source), n in SIZES.items() if source != "scenes"
    }
    rows = np.flatnonzero(training.sources == "fake, loose")
    digests = sorted(training.pictures[i].facts.sha256 for i in rows)
    mine = [training.pictures[i].facts.sha256 for i in chosen if i in rows]
    assert sorted(mine) == digests[:5]
    monkeypatch.setattr(tiers, "MIN_SIDE", 97)
    assert tiers.chosen(training, ["scenes"]) == []


def saved_weights(folder: Path) -> None:
    """Save Tiny-LaDeDa's network with random weights, where torch is there."""
    if find_spec("torch"):
        import torch

        torch.save(tiny_ladeda.new_network().state_dict(), folder / "Any_Tiny_LaDeDa.pth")


@pytest.fixture(scope="module")
def small_run(bench, tmp_path_factory) -> tuple[Path, str]:
    """The folder of a run on the small plan, and what it printed."""
    folder, printed = tmp_path_factory.mktemp("run"), io.StringIO()
    saved_weights(bench / "pictures")
    (folder / "docs").mkdir()
    places = "\n".join(f"<!-- table default_{name} -->\n<!-- end -->" for name in TABLES)
    (folder / "docs" / "page.md").write_text(places)
    (folder / "small.md").write_text(places)  # the card
    options = ["--cache", str(bench / "cache"), "--pictures", str(bench / "pictures"), "--write"]
    small = {
        "detector.rows.MIN_FAKE": 5,
        "detector.training.ENOUGH_FOR_PANEL": 0,
        "evidence.deliveries.MIN_FAKE": 5,
        "evidence.deliveries.MIN_REAL": 5,
        "evidence.domain.TrainingDomain.doubt_of_fake": lambda *_: "",
    }
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        for name, value in small.items():
            patch.setattr(f"freqfake.{name}", value)
        patch.setattr(default_model, "HERE", bench)
        patch.setattr(default_model, "MODEL", folder / "small.safetensors")
        patch.setattr(default_model, "DOCS", folder / "docs")
        patch.setattr(protocol, "MIN_REAL", 5)
        patch.setattr(tiers, "MIN_SIDE", 96)
        patch.setattr(sys, "argv", ["default_model", *options])
        main()
    return folder, printed.getvalue()


def test_a_small_run_makes_the_model(small_run):
    folder, printed = small_run
    model = folder / "small.safetensors"
    assert f"{model.name}: {model.stat().st_size} bytes" in printed
    detector = load_detector(model)
    assert detector.info["name"] == "faces"
    assert (detector.info["n_real"], detector.info["n_fake"]) == (24, 20)
    assert detector.max_fpr == 0.2
    assert len(detector.classifier.coef_) == 3  # for all kinds, and for each


@pytest.fixture
def results(small_run, bench) -> dict[str, pd.DataFrame]:
    """The tables of that run."""
    folder = bench / "cache" / "results"
    return {name: pd.read_csv(folder / f"default_{name}.csv") for name in TABLES}


def test_the_tables_are_printed_and_written(small_run, results):
    folder, printed = small_run
    for page in (folder / "docs" / "page.md", folder / "small.md"):
        places = page.read_text().split("<!-- end -->")
        for name, place in zip(TABLES, places, strict=False):
            assert f"\ndefault_{name}\n" in printed
            assert f"<!-- table default_{name} -->\n\n| {results[name].columns[0]} | " in place


def test_verdicts_by_source_and_generator(results):
    for side in ("real", "generated"):
        names = {"fake, loose": "loose ones"}
        assert results[side].set_index(side)["originals"].to_dict() == {
            names.get(f"{kind}, {source}", f"`{source}`"): n
            for (kind, source), n in SIZES.items()
            if (kind == "real") == (side == "real")
        }
    assert set(results["generators"]["generated"]) == {"`pairs`", "loose ones"}
    assert set(results["both"]["generated"]) == {"`pairs`"}


def test_figures_by_delivery(results):
    last = results["deliveries"].iloc[-1]
    assert last["delivery"] == "all"
    assert (int(last["real"]), int(last["generated"])) == (24, 20)
    assert float(last["generated called fake, %"]) > 50
    assert float(last["real called fake, %"]) < 20
    assert 0 <= float(last["of it calibration"]) <= float(last["Cllr"]) < 1


def test_figures_by_tier(results):
    by_name = results["tiers"].set_index(["detector", "delivery"])
    ours = by_name.loc["`faces`, sources left out"]
    assert list(ours.index) == list(tiers.TIERS)
    assert (ours[["real", "generated"]].astype(int) == 20).all(axis=None)
    assert float(ours.loc["as is", "balanced accuracy"].split()[0]) > 0.8
    published = by_name.loc[tiers.PUBLISHED[0], "balanced accuracy"]
    assert [float(value) for value in published] == [0.909, 0.871, 0.856]
    peers = [name for name in by_name.index.levels[0] if "Tiny-LaDeDa" in name]
    names = ["Tiny-LaDeDa, Any, 256 px", "Tiny-LaDeDa, Any, not resized"]
    assert peers == (names if find_spec("torch") else [])
    # 96 pixels are less than the middle that is scored.
    for name in peers:
        assert by_name.loc[name]["generated"].astype(int).tolist() == [20] * 3


def test_full_size_pictures_that_are_not_found_are_counted(training, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(tiers, "MIN_SIDE", 96)
    (tmp_path / "empty").mkdir()
    assert tiers.load(training, ["scenes"], [str(tmp_path / "empty")], tmp_path) is None
    assert "40 of 40 full-size pictures not found" in capsys.readouterr().err


def test_thresholds_come_from_the_sources_of_other_parts():
    """Of 200 real scores in each part, the threshold of the other part leaves one in a hundred."""
    y, parts = np.zeros(400, int), np.repeat([0, 1], 200)
    scores = np.concatenate([np.arange(200.0), 1000 + np.arange(200.0)])
    groups = np.zeros(400, int)
    found = held_thresholds(scores, y, np.arange(400), groups, parts)
    assert set(found[parts == 0]) == {1198.0}  # one of 200 exceeds it
    assert set(found[parts == 1]) == {198.0}
    scores[200:] = np.nan
    assert set(held_thresholds(scores, y, np.arange(400), groups, parts)[:200]) == {-np.inf}


def test_small_groups_have_the_threshold_of_all():
    scores, y, parts = np.arange(400.0), np.zeros(400, int), np.tile([0, 1], 200)
    groups = np.repeat([0, 1], [320, 80])
    found = held_thresholds(scores, y, np.arange(400), groups, parts)
    assert found[groups == 0].max() < 320
    assert found[groups == 1].min() > 390
    copies = np.arange(400) // 4  # 50 pictures of the other part
    assert np.isnan(held_thresholds(scores, y, copies // 2 * 2 + parts, groups, parts)).all()


def test_deliveries_have_names():
    assert named_delivery(np.array([10.0, 2.0])) == "1024 px, JPEG light, 4:2:0"
    assert named_delivery(np.array([7.0, 0.0])) == "128 px, lossless"


def test_a_ranking_finds_the_share_that_a_list_on_paper_finds():
    """Ten real pictures, and two generated ones that count as one of a hundred."""
    evidence = [2.0, *np.linspace(1.0, -1.0, 10), -2.0]
    y = np.array([1, *[0] * 10, 1])
    found = pd.DataFrame({"y": y, "evidence": evidence, "score": 0.0, "kind": "original"})
    # Each real picture is 9.9 % of the list, each generated one 0.5 %.
    np.testing.assert_allclose(found_among_first(found, 0.01), [0.5, 0.5, 0.5])
    found["y"] = 1 - y  # each generated picture is 0.1 %, the first real one half of 99 %
    np.testing.assert_allclose(found_among_first(found, 0.01), [0.0, 0.0, 0.0])
    found["evidence"] = -found["evidence"].abs()  # the real ones last
    np.testing.assert_allclose(found_among_first(found, 0.1), [0.1, 0.5, 1.0])
    table = by_rank({"sources": pd.concat([found, found.assign(kind="copy")])})
    assert table["found in the first 5 %, %"].tolist() == ["100", "50", "100", "50"]


def test_pictures_that_are_not_judged_rank_in_a_random_order():
    y = np.arange(100) % 2
    found = pd.DataFrame({"y": y, "evidence": 0.0, "score": np.nan, "kind": "copy"})
    np.testing.assert_allclose(found_among_first(found, 0.1), [0.01, 0.05, 0.1])
