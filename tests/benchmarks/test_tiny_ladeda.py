"""Tiny-LaDeDa: its inputs and its network, against what is known on paper."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch", reason="Tiny-LaDeDa needs torch")
pytest.importorskip("matplotlib", reason="the bench needs the extra bench")
import torch

from benchmarks import tiny_ladeda
from benchmarks.__main__ import main
from freqfake.pictures.facts import ImageFacts

FACTS = ImageFacts(96, 96, "RGB", "lossless")


@pytest.fixture
def weights(tmp_path):
    """Two files of random weights, with statistics that are not those of a new network."""
    torch.manual_seed(0)
    paths = [tmp_path / f"{name}_Tiny_LaDeDa.pth" for name in ("ForenSynth", "WildRF")]
    for path in paths:
        state = tiny_ladeda.new_network().state_dict()
        for name, values in state.items():
            if "running" in name:
                state[name] = torch.rand_like(values)
        torch.save(state, path)
    return paths


def relu_of_norm(state, name, values):
    scaled = (values - state[f"{name}.running_mean"]) / np.sqrt(state[f"{name}.running_var"] + 1e-5)
    return np.maximum(scaled * state[f"{name}.weight"] + state[f"{name}.bias"], 0)


def score_of_nothing(path):
    """Score if the input is 0 everywhere, so that only the normalisation and the biases count."""
    state = {name: values.numpy() for name, values in torch.load(path).items()}
    values = relu_of_norm(state, "bn1", np.zeros(8))
    values = state["layer1.0.conv1.weight"][..., 0, 0] @ values
    values = relu_of_norm(state, "layer1.0.bn1", values)
    values = state["layer1.0.conv2.weight"].sum((2, 3)) @ values
    values = relu_of_norm(state, "layer1.0.bn2", values)
    return float(state["fc.weight"][0] @ values + state["fc.bias"][0])


def test_equal_pixels_have_no_relations(weights):
    flat = np.full((96, 97, 3), 77, np.uint8)
    of_relations = tiny_ladeda.kind(weights[:1]).compute(flat, FACTS)
    assert of_relations == pytest.approx([score_of_nothing(weights[0])] * 2, abs=1e-4)


def test_gradients_of_a_ramp_are_its_slope():
    ramp = torch.arange(8.0).expand(1, 3, 8, 8)
    found = tiny_ladeda._gradients(ramp)[..., 1:-1, 1:-1]
    assert (found == 6.0).all()  # the columns of its kernel sum to -3, 0 and 3
    assert (tiny_ladeda._relations(ramp)[0, 0, 0] == torch.tensor([0.0, 1.0] * 4)).all()


def test_large_pictures_are_resized_or_their_middle_is_scored(weights):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (600, 700, 3), dtype=np.uint8)
    compute = tiny_ladeda.kind(weights).compute
    whole, middle = compute(noise, FACTS), compute(noise[44:556, 94:606], FACTS)
    assert whole[[1, 3]] == pytest.approx(middle[[1, 3]], rel=1e-5)
    assert not np.allclose(whole[[0, 2]], middle[[0, 2]])
    assert len(tiny_ladeda.titles(weights)) == 4


def test_other_weights_are_told(tmp_path):
    torch.save({"fc.weight": torch.zeros(1, 8)}, tmp_path / "a_Tiny_LaDeDa.pth")
    with pytest.raises(RuntimeError, match="Missing key"):
        tiny_ladeda.network_of(tmp_path / "a_Tiny_LaDeDa.pth")


CONFIG = """
[[sets]]
name = "one"
title = "One / Two"
real = "real"
fake = "fake"
"""


def test_a_run_makes_its_table(weights, picture_folders, tmp_path):
    (tmp_path / "config.toml").write_text(CONFIG)
    options = ["--config", tmp_path / "config.toml", "--data", picture_folders, "--n-jobs", 1]
    assert main([*map(str, ["tiny-ladeda", *options, "--work", tmp_path])]) == 0
    table = pd.read_csv(tmp_path / "results" / "tiny_ladeda.csv")
    titles = tiny_ladeda.titles(weights)
    assert list(table.columns) == ["set", *titles, "files alone"]
    assert table["set"].tolist() == ["One / Two"]


def test_a_run_without_the_weights_says_so(picture_folders, tmp_path, capsys):
    (tmp_path / "config.toml").write_text(CONFIG)
    options = ["--config", tmp_path / "config.toml", "--data", picture_folders, "--n-jobs", 1]
    assert main([*map(str, ["tiny-ladeda", *options, "--work", tmp_path / "work"])]) == 0
    assert "Tiny-LaDeDa left out: no *_Tiny_LaDeDa.pth in" in capsys.readouterr().err


def test_weights_without_torch_are_told(weights, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(tiny_ladeda, "find_spec", lambda name: None)
    assert tiny_ladeda.found_weights([tmp_path]) == []
    assert "Tiny-LaDeDa left out: it needs torch" in capsys.readouterr().err
