"""The student: its network, its random changes of pictures, and learning from a teacher."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the networks need torch")

from helpers import run  # noqa: E402
from PIL import Image  # noqa: E402

from freqfake.deep import Meso4, Student, load_network, save_network, train_network  # noqa: E402
from freqfake.deep.epochs import Run  # noqa: E402
from freqfake.deep.pictures import partly_covered  # noqa: E402


class TestNetwork:
    def test_it_is_small_and_takes_any_size(self):
        network = Student().eval()
        assert sum(part.numel() for part in network.parameters()) == 204_329
        for size in (64, 192, 224):
            assert network(torch.rand(2, 3, size, size)).shape == (2,)

    def test_edges_count_no_more_than_what_is_kept_of_them(self):
        """Beyond 6 grey levels a difference is clipped: a step of 60 looks like one of 200."""
        network = Student(widths=(3, 4)).eval()
        network.filters[24:] = 0  # the channels themselves
        network.offset[24:] = 0
        pictures = torch.zeros(2, 3, 32, 32)
        pictures[0, :, :, 16:], pictures[1, :, :, 16:] = 60 / 255, 200 / 255
        first, second = network.embed(pictures)
        torch.testing.assert_close(first, second)

    def test_fixed_filters_are_no_parameters_and_not_stored(self):
        network = Student()
        assert not {"filters", "offset"} & {
            *network.state_dict(),
            *dict(network.named_parameters()),
        }

    def test_saved_and_loaded(self, tmp_path):
        network = Student(widths=(3, 4, 5)).eval()
        save_network(tmp_path / "a.safetensors", network)
        again, _ = load_network(tmp_path / "a.safetensors")
        x = torch.rand(1, 3, 224, 224)
        assert torch.equal(network(x), again(x))

    @pytest.mark.parametrize("widths", [(), (3,), (3, 0)])
    def test_wrong_widths(self, widths):
        with pytest.raises(ValueError, match="at least two positive numbers"):
            Student(widths=widths)


class TestPartlyCovered:
    def test_a_crop_of_six_sevenths_and_a_rectangle_in_half_of_them(self):
        x = torch.rand(200, 3, 56, 56)
        y = partly_covered(x, torch.Generator().manual_seed(0))
        assert y.shape == (200, 3, 48, 48)
        covered = (y == 0.5).all(dim=1).flatten(1).float().mean(dim=1)  # share of each picture
        assert 70 <= int((covered > 0).sum()) <= 130
        assert 0.05 < float(covered.max()) <= 0.27

    def test_the_same_seed_gives_the_same(self):
        x = torch.rand(5, 3, 28, 28)
        one, two = (partly_covered(x, torch.Generator().manual_seed(3)) for _ in range(2))
        assert torch.equal(one, two)


def pictures(n: int, *, grey: int) -> list[np.ndarray]:
    rng = np.random.default_rng(grey)
    return [rng.integers(0, grey, (32, 32, 3), np.uint8) for _ in range(n)]


class Sure(Meso4):
    """A teacher that is sure that everything is fake."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.full((len(x),), 50.0)


class TestTeacher:
    options = {"device": "cpu", "epochs": 2, "batch_size": 4, "learning_rate": 1e-3}  # noqa: RUF012

    def targets(self, monkeypatch):
        """Record what is learnt."""
        seen = []
        loss = Run._loss

        def recorded(run, logits, y):
            if run.network.training:
                seen.extend(y.tolist())
            return loss(run, logits, y)

        monkeypatch.setattr(Run, "_loss", recorded)
        return seen

    def test_labels_are_mixed_half_and_half(self, tmp_path, monkeypatch):
        from freqfake.deep.networks import weights

        monkeypatch.setitem(weights.NETWORKS, "sure", Sure)
        seen = self.targets(monkeypatch)
        sides = (pictures(6, grey=100), pictures(6, grey=200))
        train_network(
            Meso4(input_size=32), *sides, tmp_path, teacher=Sure(input_size=32), **self.options,
            validation=0.34,
        )  # fmt: skip
        assert {round(target, 6) for target in seen} == {0.5, 1.0}  # of real ones, of fakes

    def test_a_resumed_run_does_not_ask_again(self, tmp_path, monkeypatch):
        sides = (pictures(6, grey=100), pictures(6, grey=200))
        teacher = Meso4(input_size=32)
        options = {**self.options, "teacher": teacher, "validation": 0.34}

        def made():
            torch.manual_seed(0)
            return Meso4(input_size=32)

        whole = train_network(made(), *sides, tmp_path / "a", **{**options, "epochs": 3})
        train_network(made(), *sides, tmp_path / "b", **options)
        monkeypatch.setattr(Run, "ask_teacher", lambda run, progress: pytest.fail("asked again"))
        resumed = train_network(
            made(), *sides, tmp_path / "b", **{**options, "epochs": 3}, resume=True
        )
        np.testing.assert_array_equal(whole.logits, resumed.logits)

    def test_another_size_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="pictures of 32 pixels"):
            train_network(
                Meso4(input_size=32), [], [], tmp_path, teacher=Meso4(input_size=64), device="cpu"
            )

    def test_the_command(self, tmp_path):
        for side, grey in (("real", 100), ("fake", 200)):
            (tmp_path / side).mkdir()
            for number, pixels in enumerate(pictures(5, grey=grey)):
                Image.fromarray(pixels).save(tmp_path / side / f"{number}.png")
        save_network(tmp_path / "teacher.safetensors", Meso4(input_size=32))
        done = run(
            "deep", "train", "--model", "meso4", "--input-size", "32", "--real", tmp_path / "real",
            "--fake", tmp_path / "fake", "--teacher", tmp_path / "teacher.safetensors",
            "--epochs", "1", "--validation", "0.4", "--out", tmp_path / "run", "--device", "cpu",
        )  # fmt: skip
        assert done.returncode == 0
        _, info = load_network(tmp_path / "run" / "best.safetensors")
        assert info["teacher"] == "meso4"
