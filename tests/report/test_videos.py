"""Reports on videos: their content, the model that they need, and a mix with pictures."""

import dataclasses
import hashlib
import re
import sys

import numpy as np
import pytest
from filming import HEIGHT, MIXED, RATE, WIDTH
from helpers import make_picture
from PIL import Image

pytest.importorskip("jinja2", reason="reports need the extra report")
from test_report import HOSTILE, Page

from freqfake import MissingExtraError
from freqfake.cli import main
from freqfake.detector.frames import score_faces
from freqfake.detector.terms import Terms
from freqfake.report import SeenFrame, batch, examine, make_report, write_reports
from freqfake.report.page import render
from freqfake.report.videos import LOOKS

LOOK_OF = {"fake": "looks generated", "real": "looks real", None: "no face found"}


@pytest.fixture
def by_default(judge_file, monkeypatch):
    """The judge as the default of videos."""
    monkeypatch.setitem(batch._DEFAULTS, True, judge_file)


def test_findings_are_those_of_the_scores(film, judge, videos):
    found = film.examination
    (scored,) = score_faces(Terms(judge), videos / "mixed.mp4")
    for name in ("score", "llr", "p_fake", "verdict", "reason", "error"):
        assert getattr(found, name) == scored.row[name]
    assert [frame.look for frame in found.frames] == [LOOK_OF[side] for side in MIXED]
    assert [frame.box for frame in found.frames] == [face.box for face in scored.frames]
    np.testing.assert_allclose([frame.time for frame in found.frames], np.arange(8) / RATE)
    assert found.votes == dict(zip(LOOKS, (4, 2, 0, 0, 2), strict=True))
    votes = (found.votes["looks generated"], found.votes["looks real"])
    assert votes == (scored.row["n_fake"], scored.row["n_real"])
    assert found.held_out is judge.held_out
    assert found.threshold == judge.threshold()


def test_frames_that_speak_most(film):
    high, low = film.examination.strongest
    assert [frame.look for frame in high] == ["looks generated"] * 3
    assert [frame.look for frame in low] == [*["looks real"] * 2, "looks generated"]
    assert high[0].score == max(frame.score for frame in (*high, *low))
    assert low[0].score == min(frame.score for frame in (*high, *low))
    assert all(max(frame.face.shape) <= 224 for frame in (*high, *low))


@pytest.mark.parametrize(
    ("n", "shown"), [(0, (0, 0)), (1, (1, 0)), (2, (1, 1)), (5, (3, 2)), (9, (3, 3))]
)
def test_no_frame_is_shown_twice(film, n, shown):
    frames = [SeenFrame(i, float(i), 0.1, "inconclusive", "", "undecided") for i in range(n)]
    unlike = SeenFrame(99, 99.0, 0.0, "inconclusive", "unlike", "face not judged")
    found = dataclasses.replace(film.examination, frames=(*frames, unlike))
    high, low = found.strongest
    assert (len(high), len(low)) == shown
    assert len({frame.time for frame in (*high, *low)}) == sum(shown)


def test_limits_are_those_of_the_verdicts(film, judge):
    low, high = film.examination.limits
    for score, verdict in ((low * 1.01, -1), (low * 0.99, 0), (high * 1.01, 1)):
        llr = float(judge.calibrator.predict(score))
        assert (llr <= -1, llr >= 1 and score > judge.threshold()) == (verdict < 0, verdict > 0)


def test_facts_of_the_file(film, videos):
    found = film.examination
    data = (videos / "mixed.mp4").read_bytes()
    assert found.provenance.sha256 == hashlib.sha256(data).hexdigest()
    assert found.provenance.n_bytes == len(data)
    assert (found.name, found.size, found.kind) == ("mixed.mp4", (WIDTH, HEIGHT), "video")
    assert (found.video.codec, found.video.rate) == ("h264", RATE)
    assert found.video.duration == pytest.approx(len(MIXED) / RATE)
    assert found.pixels.shape == (HEIGHT, WIDTH, 3)
    nearest = min((frame for frame in found.frames if frame.face is not None),
                  key=lambda frame: abs(frame.score - found.score))  # fmt: skip
    assert found.shown_at == nearest.time
    left, top, right, _ = nearest.box
    assert (found.pixels[top, left:right] >= 254).all()  # the outline


def test_page_has_all_findings(film):
    page, found = Page(film.html), film.examination
    for words in (
        "Report on mixed.mp4",
        found.reason,
        found.words,
        found.provenance.sha256,
        "320 x 240 pixels, upright",
        "about 0:00.80",
        "8 frames, evenly spaced, were examined",
        "Looks generated its likelihood ratio is at least 10 for generated, and its score above "
        "the limit of false alarms 4",
        "No face found none that is upright and large enough 2",
        "Highest scores: most like generated",
        "Faces only.",
        "of the embedded network (student), from faces",
        "How probable is a generated video?",
        f"generated above {found.limits[1]:.2f}",
        f"the video, {found.score:.2f}",
    ):
        assert words in page.text, words
    for frame in found.frames:
        assert f"0:0{frame.time:.2f} {frame.look}" in page.text
    assert "spectra" not in page.text.lower()
    assert len([i for i in page.all("img") if i["alt"].startswith("Face at 0:00.")]) == 6


def test_page_is_self_contained_and_valid(film):
    page = Page(film.html)
    assert len(film.html) < 1_000_000
    assert all(image["src"].startswith("data:") and image["alt"] for image in page.all("img"))
    assert not page.all("script")
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = {a["href"][1:] for a in page.all("a")} | {a["xlink:href"][1:] for a in page.all("use")}
    wanted |= {a["aria-labelledby"] for _, a in page.tags if "aria-labelledby" in a}
    assert wanted <= set(ids)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip([0, *levels], levels, strict=False))
    assert len(page.all("caption")) == len(page.all("table"))


@pytest.mark.parametrize("verdict", ["fake", "real", "inconclusive"])
def test_every_verdict_has_words(film, judge, verdict):
    found = dataclasses.replace(film.examination, verdict=verdict, name=HOSTILE, reason=HOSTILE)
    page = Page(render(found, judge))
    assert f"Verdict {verdict.capitalize()}" in page.text
    assert ("not proof" in page.text.split("Why:")[0]) == (verdict != "inconclusive")
    assert page.text.count(HOSTILE) == 3  # title, heading, reason
    assert not page.all("script")


def test_faces_that_are_not_judged_have_a_reason(film, judge):
    odd = [
        dataclasses.replace(frame, look="face not judged", score=np.nan, reason=reason)
        for frame, reason in zip(film.examination.frames, ("tiny", "tiny", "unlike"), strict=False)
    ]
    text = Page(render(dataclasses.replace(film.examination, frames=tuple(odd)), judge)).text
    assert "Faces not judged: tiny; and 1 other reason." in text
    assert "nan" not in text.split()


def test_without_a_face_there_is_no_evidence(videos, judge):
    report = make_report(videos / "empty.mp4", judge)
    text = Page(report.html).text
    assert (report.verdict, report.llr) == ("inconclusive", 0)
    assert report.reason == "in all of 2 frames: no face found"
    assert "The likelihood ratio is 1" in text
    assert "What does the score rest on" not in text
    assert "nan" not in text.split()


def test_unreadable_videos_have_a_page(videos, judge, tmp_path):
    report = make_report(videos / "broken.mp4", judge)
    text = Page(report.html).text
    assert "not a video" in report.error
    assert "The model did not score this video" in text
    assert hashlib.sha256((videos / "broken.mp4").read_bytes()).hexdigest() in text
    missing = make_report(tmp_path / "missing.mp4", judge)
    assert "no such file" in missing.error
    assert "The file could not be opened" in Page(missing.html).text


def test_other_models_do_not_judge_videos(videos, tmp_path, capsys):
    message = r"needs a model of the features 'student'; got lewoo, of 'asynchrony': leave out"
    with pytest.raises(ValueError, match=message):
        make_report(videos / "mixed.mp4", "lewoo")
    page = tmp_path / "r.html"
    command = ["report", str(videos / "mixed.mp4"), "-o", str(page), "--model", "faces"]
    assert main(command) == 2
    assert "(--model)" in capsys.readouterr().err
    assert not page.exists()
    Image.fromarray(make_picture(0, asynchrony=0.3)).save(tmp_path / "a.png")
    inputs = [tmp_path / "a.png", videos / "empty.mp4"]
    picture, video = write_reports(inputs, tmp_path / "out", "faces")
    assert (picture.error, picture.verdict) == ("", "inconclusive")
    assert "needs a model of the features 'student'" in video.error
    assert (tmp_path / "out" / video.page).is_file()


def test_pictures_and_videos_together(videos, by_default, tmp_path, capsys):
    folder = tmp_path / "both"
    folder.mkdir()
    Image.fromarray(make_picture(0, asynchrony=0.3)).save(folder / "a.png")
    for name in ("mixed", "broken"):
        (folder / f"{name}.mp4").write_bytes((videos / f"{name}.mp4").read_bytes())
    assert main(["report", str(folder), "-o", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"wrote {tmp_path / 'out'}")
    index = Page((tmp_path / "out" / "index.html").read_text(encoding="utf-8"))
    assert "Reports on 3 files" in index.text
    assert "faces (pictures) and" in index.text
    assert "320 \N{MULTIPLICATION SIGN} 240 video h264" in index.text
    pages = [a["href"] for a in index.all("a") if not a["href"].startswith("#")]
    assert len(pages) == 3
    texts = [Page((tmp_path / "out" / page).read_text(encoding="utf-8")).text for page in pages]
    assert "What do the frequencies look like?" in texts[0]
    assert "The model did not score this video" in texts[1]
    assert "What do the frames show?" in texts[2]
    assert "All reports" in texts[2]


def test_one_video_by_the_command(videos, by_default, tmp_path, capsys):
    page = tmp_path / "r.html"
    command = ["report", str(videos / "empty.mp4"), "-o", str(page), "--prior", "0.1"]
    assert main(command) == 0
    assert capsys.readouterr().err == f"wrote {page}: inconclusive\n"
    assert "assumes 0.1" in Page(page.read_text(encoding="utf-8")).text
    assert main(["report", str(videos / "broken.mp4"), "-o", str(page)]) == 1
    assert "the video could not be read" in capsys.readouterr().err


def test_without_an_extra_only_the_videos_are_left_out(videos, judge, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"freqfake\[video\]"):
        examine(videos / "mixed.mp4", judge)
    (video,) = write_reports(videos / "mixed.mp4", tmp_path / "out", judge)
    assert "freqfake[video]" in video.error


def test_a_pattern_of_videos_is_refused(videos, judge):
    with pytest.raises(ValueError, match="one picture is examined at a time"):
        examine(videos / "*.mp4", judge)


def test_a_picture_has_a_report_by_the_student(scene, judge):
    report = make_report(scene("real")[8:232, 48:272], judge)
    assert report.examination.kind == "picture"
    assert "They were not used for the score" in Page(report.html).text
