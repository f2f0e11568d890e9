"""Arrays of every kind: equal pixels, equal features; what is no picture is a row with a reason."""

import re

import numpy as np
import pytest
import scipy.sparse
from helpers import make_picture
from hypothesis import given
from hypothesis import strategies as st

import freqfake
from freqfake import ImageValueError, asynchrony_features, rich_features
from freqfake.features.spectrum import channel_spectra
from freqfake.pictures.arrays import check_shape
from freqfake.pictures.reading import read_any

PICTURE = make_picture(0, asynchrony=0.3, size=96)
SIXTEEN = np.random.default_rng(0).integers(0, 65536, (96, 96, 3), dtype=np.uint16)


def written(levels, full):
    """The same pixels in every type that holds them, computed in the ways of other packages."""
    yield (levels / full).astype(np.float32)
    yield np.float32(levels) / np.float32(full)
    yield np.float32(levels) * np.float32(1 / full)
    yield np.float32(levels * (1 / full)).astype(">f4")
    yield levels / full
    yield (levels / full).astype(">f8")
    yield levels.astype(levels.dtype.newbyteorder(">"))
    yield np.asfortranarray(np.float32(levels / full))[::-1][::-1]


@pytest.mark.parametrize(("levels", "full"), [(PICTURE, 255), (SIXTEEN, 65535)])
def test_equal_pixels_have_equal_features_and_scores(levels, full):
    detector = freqfake.load_detector()
    expected = detector.score([levels]).score[0]
    for array in written(levels, full):
        np.testing.assert_array_equal(rich_features(array), rich_features(levels))
        for dtype in (np.float32, np.float64):
            np.testing.assert_array_equal(
                asynchrony_features(array, dtype=dtype), asynchrony_features(levels, dtype=dtype)
            )
        assert detector.score([array]).score[0] == expected


def test_half_precision_holds_eight_bits():
    half = (PICTURE / 255).astype(np.float16)
    np.testing.assert_array_equal(check_shape(half), PICTURE)
    np.testing.assert_array_equal(rich_features(half), rich_features(PICTURE))


@given(st.sampled_from([np.float16, np.float32]), st.integers(0, 255))
def test_every_level_is_found_again(dtype, level):
    pixels = np.full((2, 2), level, np.uint8)
    found = check_shape((pixels / 255).astype(dtype))
    full = {np.dtype(np.uint8): 1, np.dtype(np.uint16): 257}[found.dtype]
    np.testing.assert_array_equal(found[..., 0], np.full((2, 2), level * full))


def test_other_floating_point_pictures_stay_as_they_are():
    for change in (0.3 / 65535, 1e-6):
        other = np.float32(PICTURE / 255)
        other[50, 50, 1] = 0.5 + change  # one value between two levels is enough
        assert check_shape(other).dtype == np.float32
        np.testing.assert_array_equal(check_shape(other), other)
    smooth = np.random.default_rng(0).random((64, 64, 3), dtype=np.float32)
    np.testing.assert_array_equal(rich_features(smooth), rich_features(smooth.astype(np.float64)))
    for wrong in (np.float32(-1 / 255), np.float32(256 / 255), np.float32(np.nan)):
        with pytest.raises(ImageValueError):
            channel_spectra(np.full((8, 8, 3), wrong))


def test_masked_pixels_are_refused():
    masked = np.ma.masked_array(PICTURE)
    np.testing.assert_array_equal(read_any(masked)[0], PICTURE)
    masked[3, 4] = np.ma.masked
    for features in (asynchrony_features, rich_features):
        with pytest.raises(ImageValueError, match=r"must not have masked pixels; .*filled\(0\)"):
            features(masked)
    [row] = freqfake.load_detector().iter_scores([masked])
    assert "masked" in row["error"]


class Unwilling:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("this object is on another device")


ODD = {
    "sparse": (lambda: scipy.sparse.eye_array(64), "an array of numbers; got scipy.sparse"),
    "unwilling": (Unwilling, "cannot make an array of .*Unwilling: this object is on another"),
    "function": (lambda: print, "got builtin_function_or_method"),
    "generator": (lambda: (i for i in range(3)), "got generator"),
    "class": (lambda: type(PICTURE), "got type"),
    "none": (lambda: None, "got NoneType"),
    "bytes": (lambda: b"a.png", "got bytes"),
    "objects": (lambda: np.full((9, 9), print), "got numpy.ndarray"),
    "ragged": (lambda: [[1, 2], [3]], "cannot make an array of list"),
    "first channels": (lambda: np.zeros((3, 64, 64)), r"got shape \(3, 64, 64\)"),
    "surrogate": (lambda: "\ud800.png", "can't encode"),
    "bytes of a name": (lambda: "\udc80.png", "no such file"),
    "surrogate in a glob": (lambda: "[\ud800]*/**", "can't encode|no such file"),
    "nul": (lambda: "a\0b.png", "null"),
    "nul in a glob": (lambda: "*\0/**/[a]", "null"),
}


def tensors(torch):
    yield torch.zeros(64, 64, 3, requires_grad=True), "cannot make an array of torch.Tensor: .*grad"
    yield torch.zeros(64, 64, 3, device="meta"), "cannot make an array of torch.Tensor"
    yield torch.eye(64).to_sparse(), "cannot make an array of torch.Tensor: .*[Ss]parse"


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_odd_input_is_a_row(n_jobs):
    expected = [reason for _, reason in ODD.values()]
    inputs = [PICTURE, *(make() for make, _ in ODD.values()), PICTURE]
    for table in (
        freqfake.extract_features(inputs, n_jobs=n_jobs),
        freqfake.load_detector().score(inputs, n_jobs=n_jobs),
    ):
        assert len(table) == len(inputs)
        assert table.error.iloc[0] == table.error.iloc[-1] == ""
        for error, reason in zip(table.error[1:-1], expected, strict=True):
            assert re.search(reason, error), error


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_tensor_is_a_picture_or_a_row(n_jobs):
    torch = pytest.importorskip("torch")
    wrong, reasons = zip(*tensors(torch), strict=True)
    table = freqfake.extract_features([torch.from_numpy(PICTURE), *wrong], n_jobs=n_jobs)
    np.testing.assert_array_equal(
        table.loc[0, list(freqfake.FEATURE_NAMES)].astype(float),
        freqfake.extract_features([PICTURE]).loc[0, list(freqfake.FEATURE_NAMES)].astype(float),
    )
    assert table.error[0] == ""
    for error, reason in zip(table.error[1:], reasons, strict=True):
        assert re.search(reason, error), error
