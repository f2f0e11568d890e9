"""Outputs of networks: inputs are not overwritten, two runs do not meet, tables are not mixed."""

import numpy as np
import pytest
from helpers import make_picture
from PIL import Image

torch = pytest.importorskip("torch", reason="the networks need torch")

from freqfake import OutputInUseError  # noqa: E402
from freqfake.batch.runs import only_run  # noqa: E402
from freqfake.cli import main  # noqa: E402
from freqfake.deep import Meso4, save_network, train_network  # noqa: E402


@pytest.fixture
def pictures(tmp_path):
    """Two folders of pictures, one of which is named as a figure of a training."""
    for side in ("real", "fake"):
        (tmp_path / side).mkdir()
        for number in range(4):
            image = Image.fromarray(make_picture(number, asynchrony=0.3, size=40))
            image.save(tmp_path / side / f"{number}.png")
    (tmp_path / "real" / "0.png").rename(tmp_path / "real" / "curves.png")
    return tmp_path


def test_a_training_does_not_overwrite_its_pictures(pictures, capsys):
    before = (pictures / "real" / "curves.png").read_bytes()
    sides = ["--real", str(pictures / "real"), "--fake", str(pictures / "fake")]
    out = ["--out", str(pictures / "real"), "--input-size", "32", "--epochs", "1"]
    assert main(["deep", "train", "--model", "meso4", *sides, *out, "--device", "cpu"]) == 2
    assert "--out must not be one of the inputs" in capsys.readouterr().err
    assert (pictures / "real" / "curves.png").read_bytes() == before
    assert len(list((pictures / "real").iterdir())) == 4


def test_a_training_is_the_only_one_in_its_folder(tmp_path):
    image = np.zeros((40, 40, 3), np.uint8)
    with (
        only_run(tmp_path / "checkpoint.safetensors"),
        pytest.raises(OutputInUseError, match=r"checkpoint.safetensors is being written by"),
    ):
        train_network(Meso4(input_size=32), [image] * 10, [image] * 10, tmp_path, device="cpu")


def test_scores_of_two_networks_are_not_mixed(pictures, capsys):
    for seed in (0, 1):
        torch.manual_seed(seed)
        save_network(pictures / f"{seed}.safetensors", Meso4(input_size=32))
    end = ["--out", str(pictures / "t.csv"), "--resume", "--device", "cpu", str(pictures / "fake")]
    assert main(["deep", "score", "--weights", str(pictures / "0.safetensors"), *end]) == 0
    before = (pictures / "t.csv").read_bytes()
    for line, words in (
        (["--weights", str(pictures / "1.safetensors")], "weights_sha256 was "),
        (
            ["--weights", str(pictures / "0.safetensors"), "--threshold", "0.9"],
            "threshold was not set, is now 0.9",
        ),
    ):
        assert main(["deep", "score", *line, *end]) == 2
        assert words in capsys.readouterr().err
    assert (pictures / "t.csv").read_bytes() == before
