"""The command ``rank``, and failing on a verdict."""

import pytest
from helpers import make_picture, run, table
from PIL import Image

from freqfake import load_detector
from freqfake.cli import make_parser
from freqfake.cli.common import write_rows
from freqfake.cli.rank import ranked


@pytest.fixture(scope="module")
def folder(samples, tmp_path_factory):
    """Two generated and two real pictures, a grey one, and one that cannot be read."""
    folder = tmp_path_factory.mktemp("mixed")
    for path in [*samples.glob("*/astronaut.png"), *samples.glob("*/*_20[01].webp")]:
        (folder / path.name).symlink_to(path)
    (folder / "a_empty.png").touch()
    Image.fromarray(make_picture(0, asynchrony=0, size=512)).convert("L").save(folder / "grey.png")
    return folder


def test_the_most_suspicious_come_first(folder):
    done = run("rank", folder)
    rows = table(done.stdout)
    assert done.returncode == 1  # one cannot be read
    assert "a rank is no verdict" in done.stderr
    assert rows[-1]["path"].endswith("a_empty.png")
    ratios = [float(row["llr"]) for row in rows[:-1]]
    assert ratios == sorted(ratios, reverse=True)
    assert [row["verdict"] for row in rows] == ["fake", "fake", "inconclusive", "inconclusive", ""]
    assert rows[2]["path"].endswith("grey.png")  # without evidence, before evidence for real
    assert sorted(run("score", folder).stdout.splitlines()) == sorted(done.stdout.splitlines())


def test_only_the_first_are_written_and_those_that_cannot_be_read(folder, tmp_path):
    done = run("rank", folder, "--top", "1", "--out", tmp_path / "first.jsonl", "--jobs", "2")
    lines = (tmp_path / "first.jsonl").read_text().splitlines()
    assert done.returncode == 1
    assert [('"fake"' in line, "is empty" in line) for line in lines] == [
        (True, False),
        (False, True),
    ]
    assert "--top must be at least 1" in run("rank", folder, "--top", "0").stderr


def test_equal_evidence_is_ranked_by_score():
    def row(llr, score, error=""):
        return {"llr": llr, "score": score, "error": error}

    nan = float("nan")
    rows = [row(nan, nan, "lost"), row(0.0, -3.0), row(2.5, 6.0), row(0.0, 5.0), row(2.5, 8.0)]
    assert [each["score"] for (each,) in ranked(rows)][:4] == [8.0, 6.0, 5.0, -3.0]
    assert [each["error"] for (each,) in ranked(rows, 1)] == ["", "lost"]


def test_python_ranks_the_same_way(folder):
    scored = load_detector().score(folder).sort_values(["llr", "score"], ascending=False)
    assert scored["path"].tolist() == [row["path"] for row in table(run("rank", folder).stdout)]


@pytest.mark.parametrize(("command", "told"), [("score", True), ("rank", False)])
def test_only_a_run_that_can_be_resumed_says_so(command, told, folder, tmp_path, capsys):
    def interrupted(paths, bar):
        raise KeyboardInterrupt
        yield

    args = make_parser().parse_args([command, str(folder), "--out", str(tmp_path / "t.csv")])
    with pytest.raises(KeyboardInterrupt):
        write_rows(interrupted, args, ["path", "error"])
    assert ("--resume" in capsys.readouterr().err) == told


def test_a_verdict_can_fail_a_run(folder, tmp_path):
    fakes, real = sorted(folder.glob("*.webp")), folder / "astronaut.png"
    assert run("score", *fakes, real).returncode == 0
    assert run("score", real, "--fail-on", "fake").returncode == 0
    for more in ([], ["--out", tmp_path / "scores.csv", "--jobs", "2"]):
        done = run("score", *fakes, real, "--fail-on", "fake", *more)
        assert done.returncode == 1
        assert "rows with the verdict fake: 2" in done.stderr
    assert run("score", real, "--fail-on", "inconclusive").returncode == 1


def test_earlier_rows_cannot_fail_a_run(folder, tmp_path):
    out = tmp_path / "scores.csv"
    done = run("score", folder, "--fail-on", "fake", "--out", out, "--resume")
    assert done.returncode == 2
    assert "--fail-on needs the rows of one run: leave out --resume" in done.stderr


@pytest.mark.parametrize("name", ["https://example.org/a.png", "http://example.org/a.png?b=*"])
@pytest.mark.parametrize("command", [["score"], ["features"], ["rank"], ["score", "--jobs", "2"]])
def test_an_address_is_to_be_downloaded_first(command, name):
    done = run(*command, name)
    assert done.returncode == 1
    assert table(done.stdout)[0]["path"] == name
    assert table(done.stdout)[0]["error"] == f"an address, not a file; download it first: {name}"
