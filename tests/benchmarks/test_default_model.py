"""The making of the default model: its list of pictures, and what is left out."""

import csv
import itertools
import tomllib
from pathlib import Path

import numpy as np
import pytest
from small_plan import SIZES

pytest.importorskip("matplotlib", reason="the bench needs the extra bench")

from benchmarks import default_model
from benchmarks.default_model import load
from freqfake.detector.rows import TrainingTable


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


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


def test_kinds_are_left_out_with_the_sources_that_their_fakes_are_paired_with(training):
    ((fitted_to, scored),) = training.folds_of_both()  # one kind has paired fakes
    assert set(training.sources[scored]) == {"fake, pairs"}
    assert len(scored) == SIZES["fake", "pairs"]
    kept = {"fake, loose", "real, others", "real, scenes"}  # not the sources of the same part
    assert set(training.sources[fitted_to]) == kept


def test_sources_weigh_by_the_root_of_their_size(training):
    for side in (training.is_fake, ~training.is_fake):
        assert training.weights[side].mean() == pytest.approx(1)
    found = {name: training.weights[training.sources == name] for name in set(training.sources)}
    assert all(np.ptp(weights) == 0 for weights in found.values())
    sums = {name: weights.sum() for name, weights in found.items()}
    assert sums["real, pairs"] / sums["real, faces"] == pytest.approx(2**0.5)


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
