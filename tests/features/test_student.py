"""Features of the student: its fixed filters, its graph, and the same numbers from torch."""

from pathlib import Path

import numpy as np
import pytest

from freqfake import ImageReadError, ImageValueError
from freqfake.features import student
from freqfake.features.student import CLIP, N_FEATURES, SIZE, fixed_filters, folded

pytest.importorskip("onnxruntime", reason="the student needs the extra faces")

SAMPLES = Path(__file__).parents[1] / "samples"


def responses(picture: np.ndarray) -> np.ndarray:
    """What the fixed filters give in the middle of a picture of one channel: (9,)."""
    filters, offset = fixed_filters()
    part = picture[:5, :5]
    return np.array([(filters[number, 0] * part).sum() for number in [*range(8), 24]]) + np.array(
        [*offset[:8], offset[24]]
    )


class TestFilters:
    def test_residuals_of_a_plain_picture_are_zero(self):
        found = responses(np.full((5, 5), 200.0))
        assert np.abs(found[:8]).max() < 1e-4
        assert found[8] == pytest.approx(200 * 12 / 256 - 6)

    def test_residuals_of_a_ramp(self):
        """A slope of 3 along rows: the first difference gives it, all higher ones nothing."""
        found = responses(3.0 * np.arange(5) + np.zeros((5, 1)))
        np.testing.assert_allclose(found[:8], [3, 0, 0, 0, 0, 0, 0, 0], atol=1e-5)

    def test_residuals_of_a_point(self):
        picture = np.zeros((5, 5))
        picture[2, 2] = 4.0
        np.testing.assert_allclose(responses(picture)[:8], [-4, -4, -4, -4, -3, -3, -4, -3])

    def test_every_weight_is_exact_in_sixteen_bits(self):
        filters = fixed_filters()[0]
        assert (filters.astype(np.float16) == filters).all()
        assert (filters.view(np.uint32) & 0xFFFF == 0).all()  # bfloat16

    def test_each_channel_has_its_own(self):
        filters, offset = fixed_filters()
        assert filters.shape == (27, 3, 5, 5)
        for number in range(27):
            channel = number // 8 if number < 24 else number - 24
            assert not np.delete(filters[number], channel, axis=0).any()
        assert offset.tolist() == [0] * 24 + [-CLIP] * 3


class TestFeatures:
    def test_shape_and_range(self):
        found = student.student_features(SAMPLES / "real" / "astronaut.png")
        assert found.shape == (N_FEATURES,)
        assert found.dtype == np.float64
        assert np.isfinite(found).all()
        assert 0 <= found.min() < found.max()

    def test_any_form_of_a_picture_gives_the_same(self):
        from PIL import Image

        pixels = np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8)
        expected = student.student_features(pixels)
        for other in (Image.fromarray(pixels), pixels / 255, pixels.astype(np.uint16) * 257):
            np.testing.assert_array_equal(student.student_features(other), expected)

    def test_what_is_no_picture_is_refused(self):
        with pytest.raises(ImageReadError, match="no such file"):
            student.student_features("missing.png")
        with pytest.raises(ImageValueError):
            student.student_features(np.zeros((5, 5, 7), np.uint8))

    def test_the_graph_is_that_of_the_benchmarks(self):
        pytest.importorskip("onnx", reason="the graph is made with onnx")
        from benchmarks.student_graph import OUT, make_graph

        assert make_graph().SerializeToString(deterministic=True) == OUT.read_bytes()

    def test_torch_gives_the_same(self):
        torch = pytest.importorskip("torch", reason="the network itself needs torch")
        from freqfake.deep.networks.weights import load_embedded

        network = load_embedded("student")
        assert sum(part.numel() for part in network.parameters()) < 400_000
        pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
        with torch.no_grad():
            x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
            expected = network.embed(x)[0].numpy()
        np.testing.assert_allclose(student.student_features(pixels), expected, rtol=1e-3, atol=1e-4)


def test_folding_a_normalisation_into_its_convolution():
    """Mean 1, variance 4, gamma 2, beta 5: 3 x becomes 2 (3 x - 1) / 2 + 5 = 3 x + 4."""
    one = np.ones(1)
    weights = {
        "a.0.weight": np.full((1, 1, 1, 1), 3.0),
        "a.1.weight": 2 * one,
        "a.1.bias": 5 * one,
        "a.1.running_mean": one,
        "a.1.running_var": 4 * one,
        "last.weight": np.ones((1, 1)),
    }
    joined = folded(weights)
    assert set(joined) == {"fixed.weight", "fixed.bias", "a.0.weight", "a.0.bias"}
    assert joined["a.0.weight"].item() == pytest.approx(3, rel=1e-5)
    assert joined["a.0.bias"].item() == pytest.approx(4, rel=1e-5)
