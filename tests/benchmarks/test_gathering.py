"""Gathering: pictures from real clones, what is left out and why, and what a second run does."""

import hashlib
import io
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import ROOT, make_picture

pytest.importorskip("matplotlib", reason="the bench needs the extra bench")
from PIL import Image

from benchmarks.__main__ import main
from benchmarks.harness.config import ConfigError
from benchmarks.harness.duplicates import difference_hash
from benchmarks.harness.sources import Sources
from freqfake.exceptions import MissingExtraError

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git")
IDENTITY = {f"GIT_{who}_{what}": "test@localhost" for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")}  # fmt: skip
SIDES = "real = '^real/'\nfake = '^fake/'\n"


def git(*arguments: str, cwd: Path) -> str:
    plain = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    return subprocess.run(
        ["git", *arguments],
        cwd=cwd,
        env={**os.environ, **IDENTITY, **plain},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def picture(seed: int, size: int = 32, **options) -> bytes:
    """A picture that no other seed resembles, enlarged from 8 x 8 random points."""
    points = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    image = Image.fromarray(points).resize((size, size), Image.Resampling.BICUBIC)
    image.save(file, **{"format": "PNG", **options})
    return file.getvalue()


class Bench:
    """A folder of clones, a file of sources, and the run."""

    def __init__(self, folder: Path) -> None:
        self.clones, self.work = folder / "clones", folder / "work"
        self.sources = folder / "sources.toml"
        self.clones.mkdir()
        self.sources.write_text("")

    def add(self, name: str, files: dict[str, bytes], more: str = SIDES) -> Path:
        """Make a clone with a work tree, and its source."""
        clone = self.clones / f"someone+{name}"
        for path, content in files.items():
            (clone / path).parent.mkdir(parents=True, exist_ok=True)
            (clone / path).write_bytes(content)
        git("init", "--quiet", cwd=clone)
        git("add", ".", cwd=clone)
        git("commit", "--quiet", "--message", "pictures", cwd=clone)
        commit = git("rev-parse", "HEAD", cwd=clone)
        origin = f'repository = "someone/{name}"\ncommit = "{commit}"\n'
        with self.sources.open("a") as file:
            file.write(f"[{name}]\n{origin}pattern = '\\.(png|jpg)$'\n{more}\n")
        return clone

    def run(self, *options: str, status: int = 0) -> pd.DataFrame:
        """Gather; give the table, by path."""
        command = ["gather", "--n-jobs", "1", "--sources", str(self.sources), *options]
        assert main([*command, "--clones", str(self.clones), "--work", str(self.work)]) == status
        table = pd.read_csv(self.work / "gathered" / "pictures.csv", keep_default_na=False)
        return table.set_index("path")

    def files(self) -> dict[str, bytes]:
        """The pictures that were gathered, without those left out."""
        root = self.work / "gathered"
        found = [*root.glob("*/real/*"), *root.glob("*/fake/*")]
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(tmp_path)


def place(source: str, side: str, content: bytes, ending: str = ".png") -> str:
    return f"{source}/{side}/{hashlib.sha256(content).hexdigest()[:16]}{ending}"


def test_pictures_are_copied_byte_for_byte_and_described(bench, capsys):
    real, fake = picture(0), picture(1, 48, format="JPEG", quality=90, subsampling=2)
    files = {"real/a.png": real, "fake/b.jpg": fake, "other/c.png": picture(2), "readme": b"x"}
    bench.add("one", files, SIDES + 'licence = "CC0"\n')
    table = bench.run()
    assert bench.files() == {
        place("one", "real", real): real,
        place("one", "fake", fake, ".jpg"): fake,
    }
    row = table.loc["fake/b.jpg"]
    assert row["file"] == place("one", "fake", fake, ".jpg")
    assert row["sha256"] == hashlib.sha256(fake).hexdigest()
    assert (row["width"], row["height"], row["format"]) == (48, 48, "JPEG")
    assert (row["coding"], row["licence"], row["side"]) == ("JPEG 4:2:0", "CC0", "fake")
    assert row["repository"] == "someone/one"
    assert table["kept"].all()
    assert table["group"].tolist() == [1, 2]
    assert " ".join(capsys.readouterr().out.split()).endswith("left out one 1 1 -")


@pytest.mark.parametrize("layout", ["bare", "one", "someone/one", "someone+one/repo"])
def test_a_clone_is_found_in_every_layout(bench, layout):
    clone = bench.add("one", {"real/a.png": picture(0)})
    moved = bench.clones.parent / "moved"
    shutil.move(clone, moved)
    target = bench.clones / ("someone+one" if layout == "bare" else layout)
    target.parent.mkdir(exist_ok=True)
    if layout == "bare":
        git("clone", "--quiet", "--bare", str(moved), str(target), cwd=bench.clones)
    else:
        shutil.move(moved, target)
    assert bench.run()["kept"].tolist() == [True]


def test_the_commit_is_read_and_not_the_work_tree(bench):
    clone = bench.add("one", {"real/a.png": picture(0)})
    (clone / "real" / "a.png").unlink()
    (clone / "real" / "b.png").write_bytes(picture(1))
    git("add", "--all", cwd=clone)
    git("commit", "--quiet", "--message", "later", cwd=clone)
    assert bench.run().index.tolist() == ["real/a.png"]


def test_a_clone_of_another_owner_is_passed_over(bench):
    clone = bench.add("one", {"real/a.png": picture(0)})
    other = bench.clones / "one"
    shutil.move(clone, bench.clones / "someone" / "one")
    other.mkdir()
    git("init", "--quiet", cwd=other)
    assert bench.run()["kept"].tolist() == [True]


def test_what_is_not_there_is_said_and_the_run_goes_on(bench, capsys):
    shutil.rmtree(bench.add("absent", {"real/a.png": picture(0)}))
    stale = bench.add("stale", {"real/a.png": picture(1)})
    bench.add("one", {"real/a.png": picture(2)})
    text = bench.sources.read_text().replace(git("rev-parse", "HEAD", cwd=stale), "0" * 40)
    packages = {"drawn": "debian:drawn", "snake": "pypi:snake==1.0"}
    for name, package in packages.items():
        text += f'[{name}]\npackage = "{package}"\npattern = "png"\nside = "real"\n'
    bench.sources.write_text(text)
    assert bench.run()["source"].tolist() == ["one"]
    said = capsys.readouterr().err
    remedy = "git clone https://github.com/someone/absent someone+absent"
    assert f"absent left out: no clone of someone/absent; {remedy}\n" in said
    assert "stale left out: no commit 0000000000 in" in said
    assert "drawn left out: no folder drawn; apt-get download drawn" in said
    assert "snake left out: no folder snake; python -m pip install" in said


def test_an_unpacked_package(bench):
    (bench.clones / "drawn" / "usr").mkdir(parents=True)
    (bench.clones / "drawn" / "usr" / "a.png").write_bytes(picture(0))
    text = '[drawn]\npackage = "debian:drawn"\npattern = "png"\nside = "real"\n'
    bench.sources.write_text(text)
    table = bench.run()
    assert table.loc["usr/a.png", "kept"]
    assert table.loc["usr/a.png", "repository"] == "debian:drawn"


def test_of_equal_pictures_one_is_kept(bench, capsys):
    same = picture(0)
    again = picture(0, compress_level=1)  # another file with the same pixels
    bench.add("one", {"real/a.png": same, "real/b.png": same, "real/c.png": again})
    bench.add("two", {"real/d.png": same, "real/e.png": picture(1)})
    table = bench.run()
    assert table["kept"].sum() == 2
    assert len(bench.files()) == 2
    assert table.loc["real/d.png", "why_not"].startswith("duplicate: the file one real/")
    assert table.groupby("source")["kept"].sum().to_dict() == {"one": 1, "two": 1}
    assert table["why_not"].str.startswith("duplicate: looks like real/").sum() == 1
    assert table["group"].nunique() == 2
    assert (bench.work / "gathered" / table.loc["real/d.png", "file"]).read_bytes() == same
    assert "1 duplicate" in capsys.readouterr().out


def test_other_deliveries_of_a_picture_are_kept_in_one_group(bench):
    pixels = Image.open(io.BytesIO(picture(0)))
    larger = io.BytesIO()
    pixels.resize((64, 64), Image.Resampling.NEAREST).save(larger, "PNG")
    jpeg = {"format": "JPEG", "quality": 80}
    zero = {"real/a.png": picture(0), "real/larger.png": larger.getvalue()}
    zero["fake/made.png"] = picture(0, compress_level=0)  # as a face swap resembles its original
    bench.add("one", {**zero, "real/b.png": picture(1)})
    two = {"real/again.png": picture(0, compress_level=1), "real/c.jpg": picture(0, **jpeg)}
    bench.add("two", {**two, "fake/d.jpg": picture(1, 64, **jpeg)})
    table = bench.run()
    assert table["kept"].all()
    assert table.loc[[*zero, "real/again.png"], "dhash"].nunique() == 1
    assert table.loc[[*zero, *two], "group"].nunique() == 1
    assert table.loc["real/b.png", "group"] == table.loc["fake/d.jpg", "group"]
    assert table["group"].nunique() == 2


def test_a_file_that_is_real_and_fake_is_not_kept(bench):
    same = picture(0)
    bench.add("one", {"real/a.png": same, "fake/b.png": picture(1)})
    bench.add("two", {"fake/c.png": same})
    table = bench.run()
    torn = table.loc[["real/a.png", "fake/c.png"], "why_not"]
    assert torn.str.startswith("labels differ").all()
    assert list(bench.files()) == [table.loc["fake/b.png", "file"]]


def test_pictures_of_a_person_are_in_one_group(bench):
    files = {f"real/{name}_{i}.png": picture(i) for i, name in enumerate(["x", "y", "x"])}
    bench.add("one", files, SIDES + "person = '/([a-z]+)_'\n")
    groups = bench.run()["group"]
    assert groups["real/x_0.png"] == groups["real/x_2.png"] != groups["real/y_1.png"]


def test_what_is_kept_apart_by_its_path_is_never_read(bench):
    files = {f"real/person({n}).png": picture(n) for n in (2, 30, 31, 100)}
    files["real/copy.png"] = files["real/person(31).png"]
    rule = "leave_out = { path = '\\((3[1-9]|[4-9]\\d|\\d{3,})\\)', rule = 'above 30' }\n"
    bench.add("one", files, SIDES + rule)
    table = bench.run()
    apart = ["real/copy.png", "real/person(100).png", "real/person(31).png"]
    assert sorted(table.index[table["why_not"] == "kept apart"]) == apart
    assert (table.loc[apart, ["file", "sha256", "dhash"]] == "").all(axis=None)
    assert len(list((bench.work / "gathered").rglob("*.png"))) == 2


def test_labels_from_a_table_and_what_is_kept_apart_by_its_person(bench):
    names = [f"v{i}.mp4" for i in range(40)]
    held = {name for name in names if hashlib.sha256(name.encode()).hexdigest()[0] in "ef"}
    assert 0 < len(held) < 40
    lines = [f"{name},REAL," for name in names]
    lines += [f"s{i}.mp4,FAKE,{name}" for i, name in enumerate(names)]
    files = {f"real/{line.split('.')[0]}.jpg": picture(i) for i, line in enumerate(lines)}
    files["metadata.csv"] = "\n".join(["videoname,label,original", *lines]).encode()
    columns = "name = 'videoname', side = 'label', fake = 'FAKE', person = 'original'"
    rules = f"labels = {{ file = 'metadata.csv', {columns} }}\n"
    rules += "leave_out = { person_sha256 = '[ef]', rule = 'e or f' }\n"
    bench.add("swaps", files, rules)
    table = bench.run()
    for i, name in enumerate(names):
        real, fake = table.loc[f"real/v{i}.jpg"], table.loc[f"real/s{i}.jpg"]
        assert (real["side"], fake["side"]) == ("real", "fake")
        assert real["kept"] == fake["kept"] == (name not in held)
        assert real["group"] == fake["group"]


def test_a_table_of_labels_that_is_not_there_is_said(bench, capsys):
    columns = "name = 'n', side = 's', fake = 'f', person = 'p'"
    bench.add("one", {"a.png": picture(0)}, f"labels = {{ file = 'labels.csv', {columns} }}\n")
    assert bench.run().empty
    assert "one left out: no labels.csv in its clone" in capsys.readouterr().err


def test_the_most_is_taken_in_the_order_of_the_hashed_paths(bench):
    files = {f"{side}/{i}.png": picture(i + (side == "fake") * 50) for side in ("real", "fake")
             for i in range(12)}  # fmt: skip
    bench.add("one", files, SIDES + "most = 5\n")
    expected = {
        path
        for side in ("real", "fake")
        for path in sorted(
            (path for path in files if path.startswith(side)),
            key=lambda path: hashlib.sha256(path.encode()).hexdigest(),
        )[:5]
    }
    assert set(bench.run().index) == expected
    fewer = bench.run("--limit", "3")
    assert set(fewer.index) < expected
    assert len(bench.files()) == len(fewer) == 6  # what is not wanted any more is deleted


def test_a_broken_picture_has_a_row_with_the_reason(bench, capsys):
    broken = {"real/cut.png": picture(0)[:100], "real/text.png": b"no picture", "real/0.png": b""}
    bench.add("one", {**broken, "real/b.png": picture(1)})
    table = bench.run()
    assert table.loc[list(broken), "why_not"].str.match("unreadable: .+").all()
    assert list(bench.files()) == [table.loc["real/b.png", "file"]]
    assert "3 unreadable" in capsys.readouterr().out


def test_a_missing_blob_is_counted_and_read_once_it_is_there(bench, capsys):
    clone = bench.add("one", {"real/a.png": picture(0), "real/b.png": picture(1)})
    blob = git("rev-parse", "HEAD:real/a.png", cwd=clone)
    place_of_blob = clone / ".git" / "objects" / blob[:2] / blob[2:]
    shutil.move(place_of_blob, bench.work.parent / "blob")
    assert bench.run()["kept"].to_dict() == {"real/a.png": False, "real/b.png": True}
    assert "1 missing" in capsys.readouterr().out
    shutil.move(bench.work.parent / "blob", place_of_blob)
    assert bench.run()["kept"].all()


def test_small_pictures_are_left_out(bench):
    bench.add(
        "one", {"real/a.png": picture(0, 32), "real/b.png": picture(1, 64)}, SIDES + "least = 60"
    )
    assert bench.run()["why_not"].to_dict() == {"real/a.png": "small: 32 x 32", "real/b.png": ""}


def test_a_second_run_does_nothing(bench, monkeypatch):
    bench.add("one", {"real/a.png": picture(0), "real/b.png": b"broken", "real/c.png": picture(0)})
    bench.add("two", {"real/d.png": picture(0), "fake/e.png": picture(1)})
    first, files = bench.run(), bench.files()
    monkeypatch.setattr("benchmarks.gathering.read_bytes", lambda _: pytest.fail("read again"))
    pd.testing.assert_frame_equal(bench.run(), first)
    assert bench.files() == files


def test_without_the_clone_what_was_gathered_stays(bench, capsys):
    clone = bench.add("one", {"real/a.png": picture(0)})
    first = bench.run()
    shutil.rmtree(clone)
    pd.testing.assert_frame_equal(bench.run(), first)
    assert "left out: no clone" not in capsys.readouterr().err


def test_a_picture_that_is_no_duplicate_any_more_comes_back(bench):
    bench.add("one", {"real/a.png": picture(0)})
    only_two = bench.sources.read_text()
    bench.add("two", {"real/b.png": picture(0)})
    assert not bench.run().loc["real/b.png", "kept"]
    bench.sources.write_text(bench.sources.read_text().removeprefix(only_two))
    table = bench.run()
    assert table["kept"].tolist() == [True]
    assert (bench.work / "gathered" / table["file"].iloc[0]).read_bytes() == picture(0)


def test_a_lost_file_and_a_new_rule_are_seen(bench):
    bench.add("one", {"real/a.png": picture(0), "real/b.png": picture(1)})
    bench.run()
    next((bench.work / "gathered" / "one" / "real").iterdir()).unlink()
    assert bench.run()["kept"].all()
    assert len(bench.files()) == 2
    text = bench.sources.read_text()
    bench.sources.write_text(text + "leave_out = { path = 'b', rule = 'b' }\n")
    assert bench.run()["why_not"].to_dict() == {"real/a.png": "", "real/b.png": "kept apart"}
    assert len(bench.files()) == 1
    bench.sources.write_text(text)
    assert bench.run()["kept"].all()


def test_only_the_named_sources_are_gathered_and_others_stay(bench):
    bench.add("one", {"real/a.png": picture(0)})
    bench.add("two", {"real/b.png": picture(1)})
    assert bench.run("--sets", "two")["source"].tolist() == ["two"]
    assert bench.run("--sets", "one")["source"].tolist() == ["one", "two"]


def test_squares_are_cut_out_of_scenes(bench):
    bench.add("one", {"real/a.png": picture(0, 1200)}, SIDES + "crops = 3\n")
    table = bench.run()
    assert len(table) == len(bench.files()) == 3
    assert table["group"].nunique() == 1
    scene = np.asarray(Image.open(io.BytesIO(picture(0, 1200))))
    for content in bench.files().values():
        square = np.asarray(Image.open(io.BytesIO(content)))
        assert square.shape == (512, 512, 3)
        corners = [(y, x) for y in range(0, 689, 8) for x in range(0, 689, 8)]
        assert any(np.array_equal(scene[y : y + 512, x : x + 512], square) for y, x in corners)


def test_equal_squares_of_other_scenes_are_no_duplicates(bench):
    scenes = [np.asarray(Image.open(io.BytesIO(picture(seed, 1600)))).copy() for seed in (0, 1)]
    files = {}
    for number, scene in enumerate(scenes):
        scene[:1200] = np.linspace(200, 250, 1600, dtype=np.uint8)[:, np.newaxis]  # sky
        file = io.BytesIO()
        Image.fromarray(scene).save(file, "PNG")
        files[f"real/{number}.png"] = file.getvalue()
    bench.add("one", files, SIDES + "crops = 8\n")
    bench.add("two", {"real/small.png": picture(0, 1500)}, SIDES + "crops = 2\n")
    table = bench.run()
    assert table["kept"].sum() >= 17
    assert not table["why_not"].str.contains("looks like").any()
    assert table.groupby("path")["group"].nunique().tolist() == [1, 1, 1]
    assert table["group"].nunique() == 3


def test_tiles_are_cut_out_of_a_grid(bench):
    grid = np.zeros((2 + 2 * 34, 2 + 3 * 34, 3), np.uint8)
    tiles = [make_picture(seed, asynchrony=0.5, size=32) for seed in range(6)]
    for number, tile in enumerate(tiles):
        top, left = 2 + 34 * (number // 3), 2 + 34 * (number % 3)
        grid[top : top + 32, left : left + 32] = tile
    file = io.BytesIO()
    Image.fromarray(grid).save(file, "PNG")
    bench.add("one", {"fake/a.png": file.getvalue()}, SIDES + "tiles = 32\n")
    assert len(bench.run()) == 6
    found = {Image.open(io.BytesIO(data)).tobytes() for data in bench.files().values()}
    assert found == {tile.tobytes() for tile in tiles}


def test_a_box_is_cut_out(bench):
    bench.add("one", {"fake/a.png": picture(0, 64)}, SIDES + "box = [32, 8, 64, 40]\n")
    assert bench.run()["coding"].tolist() == ["lossless"]
    (found,) = bench.files().values()
    expected = Image.open(io.BytesIO(picture(0, 64))).crop((32, 8, 64, 40))
    assert Image.open(io.BytesIO(found)).tobytes() == expected.tobytes()


def test_the_largest_face_is_cut_out(bench, samples):
    pytest.importorskip("onnxruntime", reason="faces need the extra faces")
    face = (samples / "real" / "astronaut.png").read_bytes()
    bench.add("one", {"real/a.png": face, "real/b.png": picture(0, 200)}, SIDES + "faces = true\n")
    table = bench.run()
    assert table.loc["real/b.png", "why_not"] == "empty: no largest face"
    assert 64 <= int(table.loc["real/a.png", "width"]) < 300
    assert len(bench.files()) == 1


def test_without_the_package_for_faces_the_run_goes_on(bench, capsys, monkeypatch):
    def fail(_):
        raise MissingExtraError("pip install freqfake[faces]")

    monkeypatch.setattr("benchmarks.gathering.find_faces", fail)
    bench.add("one", {"real/a.png": picture(0)}, SIDES + "faces = true\n")
    bench.add("two", {"real/b.png": picture(1)})
    assert bench.run()["source"].tolist() == ["two"]
    assert "one left out: faces are cut out: pip install" in capsys.readouterr().err


def test_the_hash_outlives_delivery_and_tells_pictures_apart():
    def bits(data: bytes) -> int:
        return int(difference_hash(np.asarray(Image.open(io.BytesIO(data)))), 16)

    pictures = [picture(seed, 64) for seed in range(10)]
    smaller = [picture(seed, 48, format="JPEG", quality=60) for seed in range(10)]
    for i, one in enumerate(pictures):
        for j, other in enumerate(smaller):
            distance = (bits(one) ^ bits(other)).bit_count()
            assert distance <= 3 if i == j else distance > 10
    ramp = np.tile(np.arange(90, dtype=np.uint8), (80, 1))
    assert difference_hash(ramp) == "f" * 16
    assert difference_hash(ramp[:, ::-1]) == "0" * 16


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[one\n", "sources.toml"),
        ('[one]\npattern = "x"\nnonsense = 1\n', "nonsense"),
        ('[one]\npattern = "x"\nside = "real"\n', "one: give a repository and its commit"),
        ('[one]\npattern = "x"\npackage = "debian:x"\n', "one: give the side"),
    ],
)
def test_a_wrong_file_is_told(tmp_path, text, reason):
    path = tmp_path / "sources.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=reason):
        Sources(path, [], tmp_path).read()


def test_an_unknown_source_is_told(tmp_path, capsys):
    command = ["gather", "--sets", "nonsense", "--work", str(tmp_path)]
    assert main(command) == 2
    assert "no source named nonsense" in capsys.readouterr().err


def test_the_sources_of_the_project_are_valid():
    path = ROOT / "benchmarks" / "sources.toml"
    sources = {source.name: source for source in Sources(path, [], ROOT).read()}
    assert len(sources) >= 21
    assert all(source.licence for source in sources.values())
    kept_apart = [name for name, source in sources.items() if source.leave_out]
    assert kept_apart == ["dfdc_crops", "ffhq1024_tpdne"]
