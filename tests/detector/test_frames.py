"""Faces of pictures and videos, scored by the student."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from helpers import run, table

pytest.importorskip("onnxruntime", reason="faces need the extra faces")

from freqfake import iter_features, load_detector, read_image
from freqfake.batch.extraction import NO_FACE
from freqfake.crops.faces import Face, face_square
from freqfake.detector.columns import DEEP_COLUMNS, FRAME_COLUMNS, SCORE_COLUMNS
from freqfake.detector.frames import score_faces
from freqfake.detector.terms import Terms
from freqfake.features.student import student_features

SAMPLES = Path(__file__).parents[1] / "samples"
FACE = SAMPLES / "real" / "astronaut.png"
GENERATED = SAMPLES / "fake" / "mobilestylegan_200.webp"
CAT = SAMPLES / "real" / "chelsea.png"


def pixels_of(path):
    return read_image(path)[0]


@pytest.fixture(scope="module")
def terms():
    return Terms(load_detector("student"))


def write_video(path, pictures) -> str:
    """Write H.264 with one frame for each picture, at ten frames a second."""
    av = pytest.importorskip("av", reason="videos need PyAV")
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "18"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return str(path)


def test_the_square_has_the_area_of_the_box_and_lies_a_little_lower():
    face = Face((100.0, 100.0, 180.0, 280.0), 1.0, np.zeros((5, 2)))  # 80 x 180: a side of 120
    assert face_square(face, 1000, 1000) == (80, 136, 200, 256)
    assert face_square(face, 150, 1000) == (30, 136, 150, 256)  # moved inwards
    assert face_square(face, 90, 1000) == (0, 150, 90, 240)  # and made smaller


def test_a_picture_is_judged_by_its_largest_face(terms):
    (scored,) = score_faces(terms, [FACE])
    (face,) = scored.frames
    assert list(scored.row) == list(FRAME_COLUMNS)
    left, top, right, bottom = face.box
    expected = terms.model.decision_function(
        [student_features(pixels_of(FACE)[top:bottom, left:right])]
    )
    assert scored.row["score"] == pytest.approx(expected[0])
    assert right - left == bottom - top
    assert scored.row["n_frames"] == (face.extraction is not None)
    assert all(scored.row[name] == face.row[name] for name in SCORE_COLUMNS)


def test_without_a_face_nothing_is_claimed(terms):
    (scored,) = score_faces(terms, [CAT])
    assert (scored.row["verdict"], scored.row["reason"]) == ("inconclusive", NO_FACE)
    assert np.isnan(scored.row["score"])
    assert scored.row["llr"] == 0
    assert [scored.row[name] for name in ("n_frames", "n_real", "n_fake")] == [0, 0, 0]


def test_unreadable_inputs_have_rows(terms, tmp_path):
    (tmp_path / "a.png").write_bytes(b"not a picture")
    (tmp_path / "b.mp4").write_bytes(b"not a video")
    inputs = [tmp_path / "a.png", tmp_path / "b.mp4", "missing.jpg", FACE]
    rows = [scored.row for scored in score_faces(terms, inputs)]
    assert [bool(row["error"]) for row in rows] == [True, True, True, False]
    assert [row["verdict"] for row in rows[:3]] == ["", "", ""]


class TestVideos:
    def test_score_is_the_mean_over_the_frames(self, terms, tmp_path):
        face = pixels_of(FACE)
        plain = np.zeros_like(face)
        path = write_video(tmp_path / "a.mp4", [face, face, plain, np.flip(face, 1), face])
        (scored,) = score_faces(terms, [path], n_frames=5)
        assert [frame.time for frame in scored.frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
        assert [bool(frame.box) for frame in scored.frames] == [True, True, False, True, True]
        judged = [f.row["score"] for f in scored.frames if f.extraction is not None]
        assert scored.row["n_frames"] == len(judged)
        if judged:
            assert scored.row["score"] == pytest.approx(np.mean(judged))

    def test_a_video_without_a_face(self, terms, tmp_path):
        path = write_video(tmp_path / "a.mp4", [np.full((64, 64, 3), 90, np.uint8)] * 4)
        (scored,) = score_faces(terms, [path], n_frames=2)
        assert scored.row["verdict"] == "inconclusive"
        assert scored.row["reason"] == "in all of 2 frames: no face found"

    def test_processes_do_not_matter(self, terms, tmp_path):
        path = write_video(tmp_path / "a.mp4", [pixels_of(FACE)] * 3)
        inputs = [path, str(GENERATED), str(CAT)]
        one, two = (
            [scored.row for scored in score_faces(terms, inputs, n_frames=2, n_jobs=n)]
            for n in (1, 2)
        )
        assert str(one) == str(two)


def test_other_models_and_no_frames_are_refused(terms):
    with pytest.raises(ValueError, match="features 'student'; got 'rich'"):
        score_faces(dataclasses.replace(terms, model=load_detector()), [FACE])
    with pytest.raises(ValueError, match="`n_frames` must be at least 1; got 0"):
        score_faces(terms, [FACE], n_frames=0)


class TestCommand:
    def test_it_works_as_installed(self, tmp_path):
        done = run("deep", "score", FACE, CAT, GENERATED, "--format", "csv")
        rows = table(done.stdout)
        assert done.returncode == 0
        assert list(rows[0]) == list(FRAME_COLUMNS)
        assert rows[1]["reason"] == NO_FACE
        assert rows[2]["score"] != ""

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["--threshold", "0.7"], "--threshold is not an option of the embedded student"),
            (["--device", "cpu"], "--device is not an option of the embedded student"),
            (["--weights", "a.h5", "--prior", "0.1"], "--prior is not an option of another"),
        ],
    )
    def test_options_that_do_not_fit(self, arguments, words):
        done = run("deep", "score", FACE, *arguments)
        assert done.returncode == 2
        assert words in done.stderr


class TestBesideTheDefault:
    def test_columns_of_their_own(self, terms):
        table = load_detector().score([FACE, CAT, "missing.png"], deep=True)
        alone = [scored.row for scored in score_faces(terms, [FACE, CAT])]
        assert list(table)[:-4] == list(SCORE_COLUMNS)
        assert list(table)[-4:] == list(DEEP_COLUMNS)
        for name in DEEP_COLUMNS:
            expected = [row[name.removeprefix("deep_")] for row in alone]
            assert table[name][:2].tolist() == pytest.approx(expected, nan_ok=True)
        assert table.deep_verdict[2] == ""
        plain = load_detector().score([FACE, CAT, "missing.png"])
        assert table[list(SCORE_COLUMNS)].equals(plain)

    def test_the_command(self):
        rows = table(run("score", FACE, "--deep", "--format", "csv").stdout)
        assert list(rows[0]) == [*SCORE_COLUMNS, *DEEP_COLUMNS]
        assert rows[0]["deep_score"]

    def test_faces_exclude_it(self):
        done = run("score", FACE, "--deep", "--faces")
        assert done.returncode == 2
        assert "judges the largest face of a picture" in done.stderr


class TestOneRule:
    def test_score_by_the_model_looks_at_the_largest_face(self, terms):
        rows = terms.model.score([FACE, CAT])
        alone = [scored.row for scored in score_faces(terms, [FACE, CAT])]
        assert rows.score.tolist() == pytest.approx([r["score"] for r in alone], nan_ok=True)
        assert rows.reason[1] == NO_FACE

    def test_so_do_its_features(self, terms):
        face, cat = iter_features([FACE, CAT], features="student")
        (scored,) = score_faces(terms, [FACE])
        left, top, right, bottom = scored.frames[0].box
        expected = student_features(pixels_of(FACE)[top:bottom, left:right])
        np.testing.assert_array_equal(face.features, expected)
        assert (face.facts.width, face.facts.height) == (right - left, bottom - top)
        assert cat.error == NO_FACE
