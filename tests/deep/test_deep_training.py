"""Training: learning, resuming a stopped run, and the files written."""

import json
import os
import signal
import subprocess
import time

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch", reason="the networks need torch")

from helpers import COMMAND, run  # noqa: E402
from PIL import Image  # noqa: E402

from freqfake.deep import DLDFD, Meso4, load_network, train_network  # noqa: E402
from freqfake.deep.epochs import Recipe  # noqa: E402
from freqfake.deep.pictures import mirrored, slightly_changed  # noqa: E402
from freqfake.deep.training import RECIPES  # noqa: E402
from freqfake.exceptions import TrainingError, UnreadableImageWarning  # noqa: E402


def striped(seed: int, *, fake: bool) -> np.ndarray:
    """Noise; every other column of a fake is darker."""
    pixels = np.random.default_rng(seed).integers(60, 196, (40, 40, 3))
    if fake:
        pixels[:, ::2] -= 50
    return pixels.astype(np.uint8)


@pytest.fixture(scope="module")
def sides():
    real = [striped(seed, fake=False) for seed in range(24)]
    fake = [striped(100 + seed, fake=True) for seed in range(12)]
    return real, fake


def small_meso4() -> Meso4:
    torch.manual_seed(0)
    return Meso4(input_size=32)


OPTIONS = {"device": "cpu", "batch_size": 8}


class TestLearning:
    def test_meso4_learns_and_writes_its_files(self, sides, tmp_path):
        out = tmp_path / "run"
        options = {**OPTIONS, "epochs": 12, "learning_rate": 0.01}
        training = train_network(small_meso4(), *sides, out, **options, tensorboard=True)
        assert training.log.val_auc.max() > 0.95
        assert training.log.train_loss.iloc[-1] < training.log.train_loss.iloc[0]
        best = training.log.sort_values(["val_auc", "val_loss"], ascending=[False, True]).iloc[0]
        assert training.best_epoch == best.epoch
        assert set(training.y) == {0, 1}
        network, info = load_network(out / "best.safetensors")
        assert info["epoch"] == training.best_epoch
        x = torch.rand(3, 3, 32, 32)
        with torch.inference_mode():
            assert torch.equal(network(x), training.network(x))
        pd.testing.assert_frame_equal(pd.read_csv(out / "log.csv"), training.log)
        assert list((out / "tensorboard").iterdir())
        for figure in ("curves.png", "confusion.png"):
            with Image.open(out / figure) as image:
                assert image.width > 200

    def test_dldfd_trains(self, sides, tmp_path):
        torch.manual_seed(0)
        few = [side[:6] for side in sides]
        training = train_network(
            DLDFD(width=2), *few, tmp_path, **{**OPTIONS, "epochs": 1}, validation=0.34
        )
        assert np.isfinite(training.log.to_numpy()).all()
        assert len(training.y) == 6

    def test_the_same_seed_gives_the_same_network(self, sides, tmp_path):
        runs = [
            train_network(small_meso4(), *sides, tmp_path / name, **OPTIONS, epochs=2, seed=seed)
            for name, seed in (("a", 0), ("b", 0), ("c", 1))
        ]
        losses = [run.log.train_loss.tolist() for run in runs]
        assert losses[0] == losses[1] != losses[2]

    def test_training_in_sixteen_bits(self, sides, tmp_path):
        training = train_network(
            small_meso4(), *sides, tmp_path, **OPTIONS, epochs=1, mixed_precision=True
        )
        assert np.isfinite(training.log.val_loss).all()

    def test_reading_processes_do_not_change_the_result(self, sides, tmp_path):
        runs = [
            train_network(small_meso4(), *sides, tmp_path / str(n), **OPTIONS, epochs=1, workers=n)
            for n in (0, 1)
        ]
        assert runs[0].log.train_loss.tolist() == runs[1].log.train_loss.tolist()

    @pytest.fixture
    def run(self, sides, tmp_path):
        from freqfake.deep.epochs import Run
        from freqfake.deep.pictures import split_pictures

        train, held_out = split_pictures(*sides, 0.25, 32, 0)
        options = (RECIPES["meso4"], train, held_out, tmp_path, torch.device("cpu"), False, 0, 0)
        return Run(small_meso4(), *options)

    def test_the_best_epoch_is_the_first_by_auc_then_by_loss(self, run):
        aucs, losses = [0.6, 0.9, 0.9, 0.9, 0.7], [0.1, 0.5, 0.3, 0.3, 0.1]
        run.log = [
            {"epoch": number, "val_auc": auc, "val_loss": loss}
            for number, (auc, loss) in enumerate(zip(aucs, losses, strict=True), 1)
        ]
        assert run.best_epoch == 3

    def test_the_best_network_is_kept_not_the_last(self, sides, tmp_path, monkeypatch):
        from freqfake.deep.epochs import Run

        options = {**OPTIONS, "learning_rate": 1e-3}
        once = train_network(small_meso4(), *sides, tmp_path / "a", **options, epochs=1)
        monkeypatch.setattr(Run, "best_epoch", 1)
        longer = train_network(small_meso4(), *sides, tmp_path / "b", **options, epochs=3)
        np.testing.assert_array_equal(longer.logits, once.logits)
        for a, b in zip(longer.network.parameters(), once.network.parameters(), strict=True):
            assert torch.equal(a, b)

    def test_each_class_weighs_the_same(self, run):
        """A constant network has the same loss for any share of fakes."""
        y = run.train.dataset.labels
        assert torch.bincount(y.long()).tolist() == [18, 9]
        sure = run._loss(torch.full_like(y, 2.0), y)
        expected = (np.log1p(np.exp(2.0)) + np.log1p(np.exp(-2.0))) / 2
        assert float(sure) == pytest.approx(expected, rel=1e-5)

    def test_the_recipes_are_the_papers(self):
        dldfd, meso4 = RECIPES["dldfd"], RECIPES["meso4"]
        assert (dldfd.epochs, dldfd.learning_rates, dldfd.augmentation) == (25, (1e-3,), "mirrored")
        assert meso4.learning_rates == (1e-3, 1e-4, 1e-5, 1e-6)
        rates = [Recipe(8, 1, meso4.learning_rates, "").learning_rate(epoch) for epoch in range(8)]
        assert rates == [1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5, 1e-6, 1e-6]

    def test_rates_and_changes_of_a_caller_replace_the_papers(self, sides, tmp_path):
        options = {**OPTIONS, "learning_rate": (1e-2, 1e-3), "augmentation": "mirrored"}
        found = train_network(small_meso4(), *sides, tmp_path, **options, epochs=4)
        assert found.log.learning_rate.tolist() == [1e-2, 1e-2, 1e-3, 1e-3]
        _, info = load_network(tmp_path / "best.safetensors")
        assert info["recipe"]["augmentation"] == "mirrored"
        for name, value, words in (
            ("augmentation", "none", "`augmentation` must be one of mirrored, slightly_changed"),
            ("learning_rate", (), "`learning_rate` above 0"),
        ):
            with pytest.raises(ValueError, match=words):
                train_network(small_meso4(), *sides, tmp_path / "b", **{**OPTIONS, name: value})


class TestResuming:
    def test_a_stopped_run_ends_like_an_uninterrupted_one(self, sides, tmp_path, monkeypatch):
        whole = train_network(small_meso4(), *sides, tmp_path / "a", **OPTIONS, epochs=4)
        from freqfake.deep import training as module

        real_keep, kept = module.Run._keep, []

        def stop_after_two(run):
            real_keep(run)
            kept.append(1)
            if len(kept) == 2:
                raise KeyboardInterrupt

        monkeypatch.setattr(module.Run, "_keep", stop_after_two)
        with pytest.raises(KeyboardInterrupt):
            train_network(small_meso4(), *sides, tmp_path / "b", **OPTIONS, epochs=4)
        monkeypatch.undo()
        resumed = train_network(
            small_meso4(), *sides, tmp_path / "b", **OPTIONS, epochs=4, resume=True
        )
        columns = [c for c in whole.log if c != "seconds"]
        pd.testing.assert_frame_equal(resumed.log[columns], whole.log[columns], check_exact=True)
        for a, b in zip(whole.network.parameters(), resumed.network.parameters(), strict=True):
            assert torch.equal(a, b)

    @pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
    def test_kill_and_resume(self, sides, tmp_path):
        for side, pictures in zip(("real", "fake"), sides, strict=True):
            (tmp_path / side).mkdir()
            for number, pixels in enumerate(pictures):
                Image.fromarray(pixels).save(tmp_path / side / f"{number:02d}.png")
        command = ["deep", "train", "--model", "meso4"]
        command += ["--real", str(tmp_path / "real"), "--fake", str(tmp_path / "fake")]
        command += ["--input-size", "32", "--epochs", "30", "--device", "cpu", "--batch-size", "4"]
        command += ["--out", str(tmp_path / "run")]
        log = tmp_path / "run" / "log.csv"
        process = subprocess.Popen([*COMMAND, *command], stderr=subprocess.PIPE, text=True)
        while not (log.exists() and len(log.read_text().splitlines()) > 3):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        before = pd.read_csv(log)
        assert 3 <= len(before) < 30
        refused = run(*command)
        assert refused.returncode == 2
        assert "--resume" in refused.stderr
        done = run(*command, "--resume")
        assert done.returncode == 0, done.stderr
        after = pd.read_csv(log)
        assert after.epoch.tolist() == list(range(1, 31))
        pd.testing.assert_frame_equal(after.iloc[: len(before)], before)

    def test_more_epochs_at_a_constant_rate(self, sides, tmp_path):
        options = {**OPTIONS, "learning_rate": 1e-3}
        whole = train_network(small_meso4(), *sides, tmp_path / "a", **options, epochs=3)
        train_network(small_meso4(), *sides, tmp_path / "b", **options, epochs=1)
        more = train_network(
            small_meso4(), *sides, tmp_path / "b", **options, epochs=3, resume=True
        )
        assert more.log.train_loss.tolist() == whole.log.train_loss.tolist()

    def test_a_missing_log_is_written_again(self, sides, tmp_path):
        run = train_network(small_meso4(), *sides, tmp_path, **OPTIONS, epochs=1)
        (tmp_path / "log.csv").unlink()
        train_network(small_meso4(), *sides, tmp_path, **OPTIONS, epochs=1, resume=True)
        pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "log.csv"), run.log)

    def test_another_training_is_not_resumed(self, sides, tmp_path):
        train_network(small_meso4(), *sides, tmp_path, **OPTIONS, epochs=1)
        with pytest.raises(TrainingError, match="another training, which differs in: recipe"):
            train_network(small_meso4(), *sides, tmp_path, **OPTIONS, epochs=2, resume=True)
        with pytest.raises(TrainingError, match="already holds a training"):
            train_network(small_meso4(), *sides, tmp_path, **OPTIONS, epochs=1)

    def test_resuming_without_a_checkpoint_starts(self, sides, tmp_path):
        run = train_network(
            small_meso4(), *sides, tmp_path / "new", **OPTIONS, epochs=1, resume=True
        )
        assert len(run.log) == 1


class TestInputs:
    def test_unreadable_pictures_are_left_out(self, sides, tmp_path):
        (tmp_path / "broken.png").write_bytes(b"no picture")
        real = [*sides[0], str(tmp_path / "broken.png")]
        with pytest.warns(UnreadableImageWarning, match=r"left out .*broken\.png: cannot read"):
            train_network(small_meso4(), real, sides[1], tmp_path / "run", **OPTIONS, epochs=1)
        plan = json.loads(_metadata(tmp_path / "run" / "checkpoint.safetensors"))["state"]["plan"]
        assert plan["n_pictures"] == [28, 8]

    def test_too_few(self, sides, tmp_path):
        with pytest.raises(TrainingError, match="2 readable generated pictures are needed; got 1"):
            train_network(small_meso4(), sides[0], sides[1][:1], tmp_path, **OPTIONS)

    def test_own_validation_pictures(self, sides, tmp_path):
        real, fake = sides
        training = train_network(
            small_meso4(),
            real[4:],
            fake[3:],
            tmp_path,
            **OPTIONS,
            epochs=1,
            validation=(real[:4], fake[:3]),
        )
        assert training.y.tolist() == [0] * 4 + [1] * 3

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"validation": 1.5}, "`validation` must lie between 0 and 1"),
            ({"epochs": 0}, "`epochs` and `batch_size` must be at least 1"),
            ({"learning_rate": -1.0}, "`learning_rate` above 0"),
        ],
    )
    def test_invalid_options_are_refused(self, sides, tmp_path, options, message):
        with pytest.raises(ValueError, match=message):
            train_network(small_meso4(), *sides, tmp_path, **{**OPTIONS, **options})

    def test_a_loss_of_nan_ends_the_training(self, sides, tmp_path):
        network = small_meso4()
        torch.nn.init.constant_(network.dense2.bias, float("nan"))
        with pytest.raises(TrainingError, match="the loss is not a number in epoch 1"):
            train_network(network, *sides, tmp_path, **OPTIONS)


def _metadata(path) -> str:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return file.metadata()["freqfake"]


class TestChanges:
    """The random changes of pictures."""

    x = torch.rand(64, 3, 24, 24, generator=torch.Generator().manual_seed(1))

    def test_half_are_mirrored_and_otherwise_unchanged(self):
        y = mirrored(self.x, torch.Generator().manual_seed(0))
        same = torch.tensor([torch.equal(a, b) for a, b in zip(self.x, y, strict=True)])
        turned = torch.tensor([torch.equal(a.flip(2), b) for a, b in zip(self.x, y, strict=True)])
        assert torch.all(same ^ turned)
        assert 16 < int(turned.sum()) < 48

    def test_slight_changes_stay_in_range(self):
        y = slightly_changed(self.x, torch.Generator().manual_seed(0))
        assert y.shape == self.x.shape
        assert float(y.min()) >= 0
        assert float(y.max()) <= 1
        assert not torch.equal(y, self.x)
        again = slightly_changed(self.x, torch.Generator().manual_seed(0))
        assert torch.equal(y, again)

    def test_turning_the_hue_keeps_grey_and_brightness(self):
        from freqfake.deep.pictures import _hue_matrices

        matrices = _hue_matrices(torch.deg2rad(torch.tensor([0.0, 18.0, -18.0])))
        grey = torch.full((3,), 0.4)
        torch.testing.assert_close(matrices @ grey, grey.expand(3, 3), atol=1e-3, rtol=0)
        colour = torch.tensor([0.7, 0.2, 0.4])
        luma = torch.tensor([0.299, 0.587, 0.114])
        torch.testing.assert_close(
            (matrices @ colour) @ luma, (colour @ luma).expand(3), atol=1e-3, rtol=0
        )
        assert (matrices[1] @ colour - colour).abs().max() > 0.05

    def test_turning_by_zero_and_by_90_degrees(self):
        from freqfake.deep.pictures import _turned

        n = len(self.x)
        same = _turned(self.x, torch.ones(n), torch.zeros(n))
        torch.testing.assert_close(same, self.x, atol=1e-5, rtol=0)
        quarter = _turned(self.x, torch.ones(n), torch.full((n,), 90.0))
        turned = torch.rot90(self.x, 1, (2, 3)), torch.rot90(self.x, -1, (2, 3))
        assert any(torch.allclose(quarter, t, atol=1e-4) for t in turned)

    def test_zooming_in_enlarges(self):
        from freqfake.deep.pictures import _turned

        x = torch.zeros(1, 1, 24, 24)
        x[..., 8:16, 8:16] = 1
        larger = _turned(x, torch.tensor([1.2]), torch.zeros(1))
        assert float(larger.sum()) == pytest.approx(64 * 1.44, rel=0.1)
