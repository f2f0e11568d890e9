"""The networks and their files: shapes, published weights, and results of other programs."""

import hashlib
import json
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the networks need torch")

from helpers import run, write_keras_meso4  # noqa: E402
from PIL import Image  # noqa: E402
from scipy.signal import correlate  # noqa: E402
from torch.nn import functional  # noqa: E402

from freqfake.deep import (  # noqa: E402
    DLDFD,
    DeepDetector,
    Meso4,
    MesoInception4,
    ResNet50,
    import_keras_weights,
    load_imagenet,
    load_network,
    save_network,
)
from freqfake.exceptions import ModelFileError  # noqa: E402
from freqfake.model_files.tensors import digest, read_tensors  # noqa: E402

# Afchar et al.'s own code and weights on their own pictures: P(real), as Keras gives it.
PUBLISHED = {
    "Meso4_DF": {"real00240": 0.990, "real00772": 0.997, "df00204": 0.052, "df01254": 0.020},
    "MesoInception_DF": {"real00240": 1.0, "real00772": 1.0, "df00204": 0.022, "df01254": 0.001},
}


def waves(shape: tuple[int, ...], frequency: float) -> torch.Tensor:
    count = int(np.prod(shape))
    return torch.sin(torch.arange(count, dtype=torch.float64) * frequency).view(shape).float()


class TestResNet50:
    def test_matches_torchvision(self):
        """Names, shapes and outputs of torchvision 0.28.0's resnet50, with the same weights."""
        network = ResNet50()
        state = network.state_dict()
        text = "\n".join(f"{name} {tuple(value.shape)}" for name, value in state.items())
        digest = hashlib.sha256(text.encode()).hexdigest()
        assert digest == "d7e4f8bb0a5363446a59c81c3887ccf66900a11651a0ae2dec96d1bb1eb6ea81"
        for number, (name, old) in enumerate(state.items()):
            if old.is_floating_point():
                state[name] = self._weights(name, tuple(old.shape), number)
        network.load_state_dict(state, strict=True)
        with torch.inference_mode():
            out = network.double().eval()(waves((1, 3, 96, 64), 0.37).double())[0]
        expected = [0.099363, -0.09079, 0.018854, 0.010385, 0.023672, -0.039251]
        np.testing.assert_allclose(out[:6], expected, atol=1e-6)
        assert float(out.std()) == pytest.approx(0.10054867054789399, rel=1e-9)

    @staticmethod
    def _weights(name: str, shape: tuple[int, ...], number: int) -> torch.Tensor:
        count = int(np.prod(shape))
        wave = torch.sin(torch.arange(count, dtype=torch.float64) * (0.7 + 0.01 * number))
        wave = wave.view(shape)
        if "running_var" in name:
            return 1 + 0.5 * wave
        if len(shape) == 4:
            return wave * (2.0 / int(np.prod(shape[1:]))) ** 0.5
        if name == "fc.weight":
            return wave * 0.02
        if name.endswith(".weight"):
            return 1 + 0.3 * wave
        return 0.1 * wave

    def test_where_the_stride_is(self):
        strides = {
            flag: [
                (block[0].conv1.stride[0], block[0].conv2.stride[0])
                for block in (getattr(ResNet50(stride_in_1x1=flag), f"layer{i}") for i in (2, 3, 4))
            ]
            for flag in (False, True)
        }
        assert strides == {False: [(1, 2)] * 3, True: [(2, 1)] * 3}


class TestImageNetFiles:
    def test_torchvisions_file_loads(self, tmp_path):
        state = ResNet50().state_dict()
        torch.save(state, tmp_path / "resnet50.pth")
        read, stride_in_1x1 = load_imagenet(tmp_path / "resnet50.pth")
        assert not stride_in_1x1
        assert all(torch.equal(read[name], state[name]) for name in state)
        network = DLDFD.from_imagenet(tmp_path / "resnet50.pth", width=2)
        assert torch.equal(network.resnet.layer4[2].conv3.weight, state["layer4.2.conv3.weight"])
        assert network.resnet.fc.weight.shape == (1, 2048)

    def test_keras_weights_compute_the_same(self, tmp_path):
        """Compare with a transcription of Keras' ResNet-50, which takes B, G, R less a mean."""
        arrays = self._keras_arrays()
        path = self._tfjs(arrays, tmp_path)
        state, stride_in_1x1 = load_imagenet(path)
        network = ResNet50(stride_in_1x1=stride_in_1x1).eval()
        network.load_state_dict(state, strict=True)
        picture = np.random.default_rng(0).random((1, 3, 64, 64))
        mean, std = (
            np.reshape(v, (3, 1, 1)) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        )
        with torch.inference_mode():
            x = torch.tensor((picture - mean) / std).float()
            ours, ours_first = network(x)[0].numpy(), network.bn1(network.conv1(x)).numpy()
            theirs, theirs_first = self._keras(arrays, picture)
        # The two pad borders with colours that differ by half a step of 255.
        np.testing.assert_allclose(ours, theirs, atol=0.01 * np.abs(theirs).max())
        inside = (..., slice(2, -2), slice(2, -2))
        np.testing.assert_allclose(ours_first[inside], theirs_first[inside], atol=1e-5)
        assert DLDFD.from_imagenet(path, width=1).config["stride_in_1x1"]

    @staticmethod
    def _keras_arrays() -> dict[str, np.ndarray]:
        """Random weights under the names of Keras' ResNet-50 (v1)."""
        rng, arrays = np.random.default_rng(0), {}

        def layer(name, norm, size, n_in, n_out):
            kernel = rng.normal(0, np.sqrt(2 / (size * size * n_in)), (size, size, n_in, n_out))
            arrays[f"{name}/kernel"] = kernel
            arrays[f"{name}/bias"] = rng.normal(0, 0.1, n_out)
            arrays[f"{norm}/gamma"] = rng.uniform(0.5, 1, n_out)
            arrays[f"{norm}/beta"] = rng.normal(0, 0.1, n_out)
            arrays[f"{norm}/moving_mean"] = rng.normal(0, 0.1, n_out)
            arrays[f"{norm}/moving_variance"] = rng.uniform(0.5, 1.5, n_out)

        layer("conv1", "bn_conv1", 7, 3, 64)
        arrays["conv1/kernel"] /= 60  # of pictures from 0 to 255
        n_in = 64
        for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 2):
            for block in "abcdef"[:blocks]:
                name = f"{stage}{block}_branch"
                sizes = {
                    "2a": (1, n_in, width),
                    "2b": (3, width, width),
                    "2c": (1, width, 4 * width),
                }
                if block == "a":
                    sizes["1"] = (1, n_in, 4 * width)
                for branch, size in sizes.items():
                    layer(f"res{name}{branch}", f"bn{name}{branch}", *size)
                n_in = 4 * width
        arrays["fc1000/kernel"] = rng.normal(0, 0.02, (2048, 1000))
        arrays["fc1000/bias"] = rng.normal(0, 0.1, 1000)
        return {name: array.astype("<f4") for name, array in arrays.items()}

    @staticmethod
    def _tfjs(arrays: dict[str, np.ndarray], folder):
        """Write a TensorFlow.js model in two shards, cut in the middle of an array."""
        data = b"".join(array.tobytes() for array in arrays.values())
        cut = len(data) // 2 + 1
        (folder / "shard1").write_bytes(data[:cut])
        (folder / "shard2").write_bytes(data[cut:])
        weights = [
            {"name": name, "shape": list(array.shape), "dtype": "float32"}
            for name, array in arrays.items()
        ]
        manifest = [{"paths": ["shard1", "shard2"], "weights": weights}]
        (folder / "model.json").write_text(json.dumps({"weightsManifest": manifest}))
        return folder / "model.json"

    @staticmethod
    def _keras(arrays: dict[str, np.ndarray], picture: np.ndarray) -> tuple[np.ndarray, ...]:
        """Outputs of the network and of its first layer."""
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}

        def convolved(x, name, norm, stride=1, padding=0):
            kernel = tensors[f"{name}/kernel"].permute(3, 2, 0, 1)
            x = functional.conv2d(x, kernel, tensors[f"{name}/bias"], stride, padding)
            moments = tensors[f"{norm}/moving_mean"], tensors[f"{norm}/moving_variance"]
            gamma, beta = tensors[f"{norm}/gamma"], tensors[f"{norm}/beta"]
            return functional.batch_norm(x, *moments, gamma, beta, eps=1e-3)

        bgr = 255 * picture[:, ::-1] - np.reshape([103.939, 116.779, 123.68], (3, 1, 1))
        first = convolved(torch.tensor(bgr).float(), "conv1", "bn_conv1", 2, 3)
        x = torch.relu(first)
        x = functional.max_pool2d(functional.pad(x, (1, 1, 1, 1)), 3, 2)
        for stage, blocks in ((2, 3), (3, 4), (4, 6), (5, 3)):
            for block in "abcdef"[:blocks]:
                name, stride = f"{stage}{block}_branch", 2 if block == "a" and stage > 2 else 1
                y = torch.relu(convolved(x, f"res{name}2a", f"bn{name}2a", stride))
                y = torch.relu(convolved(y, f"res{name}2b", f"bn{name}2b", 1, 1))
                y = convolved(y, f"res{name}2c", f"bn{name}2c")
                if block == "a":
                    x = convolved(x, f"res{name}1", f"bn{name}1", stride)
                x = torch.relu(x + y)
        out = x.mean(dim=(2, 3)) @ tensors["fc1000/kernel"] + tensors["fc1000/bias"]
        return out[0].numpy(), first.numpy()

    def test_other_files_are_refused(self, tmp_path):
        torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "other.pth")
        (tmp_path / "text.pth").write_text("no weights")
        (tmp_path / "model.json").write_text('{"weightsManifest": []}')
        for name in ("other.pth", "text.pth", "model.json"):
            with pytest.raises(ModelFileError, match=rf"{name} is not a (file|model) of"):
                load_imagenet(tmp_path / name)
        with pytest.raises(ModelFileError, match=r"no such model: nowhere\.pth"):
            load_imagenet("nowhere.pth")

    def test_no_code_of_a_file_runs(self, tmp_path):
        torch.save(_Malicious(tmp_path / "was_run"), tmp_path / "bad.pth")
        with pytest.raises(ModelFileError, match=r"bad\.pth holds more than tensors"):
            load_imagenet(tmp_path / "bad.pth")
        assert not (tmp_path / "was_run").exists()


class _Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return type(self.path).touch, (self.path,)


class TestDLDFD:
    def test_layers_match_the_paper(self):
        network = DLDFD()
        shapes = {name: tuple(p.shape) for name, p in network.named_parameters()}
        for branch in range(3):
            assert shapes[f"parallel.{branch}.weight"] == (64, 3, 3, 3)
        assert shapes["reduce.weight"] == (3, 192, 1, 1)
        assert shapes["resnet.fc.weight"] == (1, 2048)
        assert network.input_size == 224
        assert DLDFD(width=8).reduce.weight.shape == (3, 24, 1, 1)

    def test_colours_are_normalised_by_imagenets(self):
        """The first layer gets a picture less ImageNet's mean colour, over its sd."""
        network = DLDFD(width=2).eval()
        seen = []
        network.parallel[0].register_forward_hook(lambda module, x, y: seen.append(x[0]))
        mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
        std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
        with torch.inference_mode():
            network((mean + 2 * std).expand(1, 3, 32, 32))
        assert torch.allclose(seen[0], torch.tensor(2.0), atol=1e-5)

    def test_a_width_of_zero_is_refused(self):
        with pytest.raises(ValueError, match="`width` must be at least 1; got 0"):
            DLDFD(width=0)


class TestMesoNets:
    @pytest.mark.parametrize(("cls", "n"), [(Meso4, 27977), (MesoInception4, 28615)])
    def test_number_of_parameters(self, cls, n):
        """Afchar et al. 2018, Section 3: 27,977 and 28,615."""
        network = cls()
        learned = sum(p.numel() for p in network.parameters())
        statistics = sum(b.numel() for k, b in network.named_buffers() if "running" in k)
        # Keras counts the statistics as parameters; the paper counts only learned ones.
        assert learned == n, statistics

    @pytest.mark.parametrize("cls", [Meso4, MesoInception4])
    @pytest.mark.parametrize("size", [32, 128, 256])
    def test_sizes(self, cls, size):
        assert cls(input_size=size).eval()(torch.zeros(2, 3, size, size)).shape == (2,)

    @pytest.mark.parametrize("size", [0, 16, 100])
    def test_other_sizes_are_refused(self, size):
        with pytest.raises(ValueError, match=f"a multiple of 32; got {size}"):
            Meso4(input_size=size)

    def test_dropout_is_a_choice(self, tmp_path):
        x = torch.rand(4, 3, 32, 32)
        with torch.no_grad():
            assert not torch.equal(*(Meso4(input_size=32).train()(x) for _ in range(2)))
            network = Meso4(input_size=32, dropout=0).train()
            assert torch.equal(network(x), network(x))
        save_network(tmp_path / "a.safetensors", network)
        assert load_network(tmp_path / "a.safetensors")[0].dropout == 0
        with pytest.raises(ValueError, match="`dropout` must be at least 0 and below 1; got 1"):
            Meso4(dropout=1)

    @pytest.mark.parametrize("name", PUBLISHED)
    def test_published_weights_give_the_published_figures(self, measuring_data, name):
        pytest.importorskip("h5py", reason="Keras' files need h5py")
        folder = measuring_data / "mesonet"
        if not folder.is_dir():
            pytest.skip("the published weights are not there")
        detector = DeepDetector(import_keras_weights(folder / f"{name}.h5"), device="cpu")
        pictures = [folder / "images" / f"{picture}.jpg" for picture in PUBLISHED[name]]
        p_real = 1 - detector.score(pictures)["p_fake"]
        np.testing.assert_allclose(p_real, list(PUBLISHED[name].values()), atol=0.005)

    def test_keras_weights_compute_the_same(self, tmp_path):
        """Compare with a transcription of Meso4 to SciPy, in Keras' order of axes."""
        arrays = write_keras_meso4(tmp_path / "meso.h5", size=64)
        network = import_keras_weights(tmp_path / "meso.h5")
        assert network.input_size == 64
        picture = np.random.default_rng(1).random((64, 64, 3))
        with torch.inference_mode():
            logit = float(network(torch.tensor(picture).permute(2, 0, 1)[None].float()))
        assert logit == pytest.approx(-keras_meso4(arrays, picture), abs=1e-4)

    def test_other_files_are_refused(self, tmp_path):
        h5py = pytest.importorskip("h5py")
        (tmp_path / "text.h5").write_text("no weights")
        with h5py.File(tmp_path / "other.h5", "w") as file:
            file["dense_1/dense_1/kernel:0"] = np.zeros((3, 3))
        with h5py.File(tmp_path / "huge.h5", "w") as file:  # some bytes on disk, 4 TB in memory
            file.create_dataset("dense_1/dense_1/kernel:0", (1 << 20, 1 << 20), "f4")
        with pytest.raises(ModelFileError, match=r"huge\.h5 holds 1099511627776 values"):
            import_keras_weights(tmp_path / "huge.h5")
        with pytest.raises(ModelFileError, match=r"text\.h5 is not a model .* not an HDF5 file"):
            import_keras_weights(tmp_path / "text.h5")
        with pytest.raises(ModelFileError, match=r"other\.h5 is not a file of weights of Meso4"):
            import_keras_weights(tmp_path / "other.h5")
        with pytest.raises(ModelFileError, match=r"no such model: nowhere\.h5"):
            import_keras_weights("nowhere.h5")


def keras_meso4(arrays: dict[str, list[dict[str, np.ndarray]]], x: np.ndarray) -> float:
    """Logit of P(real), from the formulas."""
    norms = arrays["batch_normalization"]
    for layer, norm, pool in zip(arrays["conv2d"], norms, (2, 2, 2, 4), strict=True):
        kernel = layer["kernel"]
        maps = [
            sum(
                correlate(x[..., i], kernel[..., i, o], mode="same") for i in range(kernel.shape[2])
            )
            for o in range(kernel.shape[3])
        ]
        x = np.maximum(np.stack(maps, axis=-1) + layer["bias"], 0)
        x = (x - norm["moving_mean"]) / np.sqrt(norm["moving_variance"] + 1e-3)
        x = x * norm["gamma"] + norm["beta"]
        rows, columns, n = x.shape
        x = x.reshape(rows // pool, pool, columns // pool, pool, n).max(axis=(1, 3))
    hidden, last = arrays["dense"]
    h = x.ravel() @ hidden["kernel"] + hidden["bias"]
    h = np.where(h > 0, h, 0.1 * h)
    return float((h @ last["kernel"] + last["bias"])[0])


class TestOwnFiles:
    @pytest.mark.parametrize("network", [Meso4(input_size=64), MesoInception4(), DLDFD(width=2)])
    def test_saved_and_read(self, network, tmp_path):
        save_network(tmp_path / "n.safetensors", network, info={"epoch": 3})
        read, info = load_network(tmp_path / "n.safetensors")
        assert type(read) is type(network)
        assert info == {"epoch": 3}
        assert not read.training
        x = waves((2, 3, network.input_size, network.input_size), 0.1)
        with torch.inference_mode():
            assert torch.equal(read(x), network.eval()(x))
        assert [p.name for p in tmp_path.iterdir()] == ["n.safetensors"]

    def test_other_files_are_refused(self, tmp_path):
        from safetensors.torch import save_file

        def write(name, **manifest):
            about = {"format": 1, "kind": "network", "sha256": "", "state": {}, **manifest}
            metadata = {"freqfake": json.dumps(about)}
            save_file({"a": torch.zeros(1)}, tmp_path / f"{name}.safetensors", metadata)

        save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
        write("new", format=99)
        write("detector", kind="detector")
        write("damaged", sha256="0" * 64)
        (tmp_path / "text.safetensors").write_text("no weights")
        for name, reason in (
            ("other", "is a safetensors file, but not a model of freqfake"),
            ("text", "is not a model of freqfake"),
            ("new", "has model format 99"),
            ("detector", "holds a detector, not a network: freqfake.load_detector"),
            ("damaged", "does not match its SHA-256"),
            ("missing", "no such model"),
        ):
            with pytest.raises(ModelFileError, match=reason):
                load_network(tmp_path / f"{name}.safetensors")

    def test_half_a_file_is_refused(self, tmp_path):
        path = tmp_path / "n.safetensors"
        save_network(path, Meso4(input_size=32))
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(ModelFileError, match="is damaged"):
            load_network(path)


def rewritten(path, change) -> None:
    """Change a file of ours, which states the right digest again."""
    from safetensors.numpy import save_file

    manifest, arrays = read_tensors(path, "network")
    change(manifest, arrays)
    manifest["sha256"] = digest(manifest["state"], arrays)
    save_file(arrays, path, {"freqfake": json.dumps(manifest)})


def as_pickle(path, folder) -> None:
    path.write_bytes(pickle.dumps(_Malicious(folder / "was_run")))


def as_torch(path, folder) -> None:
    torch.save(_Malicious(folder / "was_run"), path)


def as_old_torch(path, folder) -> None:
    torch.save(_Malicious(folder / "was_run"), path, _use_new_zipfile_serialization=False)


class TestHostileFiles:
    """No code in a file is run, and no file takes more memory than its length."""

    @pytest.mark.parametrize("write", [as_pickle, as_torch, as_old_torch])
    @pytest.mark.parametrize(
        ("read", "ending"),
        [
            (load_network, "safetensors"),
            (import_keras_weights, "h5"),
            (load_imagenet, "pth"),
            (load_imagenet, "safetensors"),
        ],
    )
    def test_pickles(self, tmp_path, write, read, ending):
        path = tmp_path / f"weights.{ending}"
        write(path, tmp_path)
        with pytest.raises(ModelFileError) as caught:
            read(path)
        words = r"is a (pickle|ZIP archive)|holds more than tensors: .* any code"
        assert re.match(f"{re.escape(str(path))} ({words})", str(caught.value))
        assert "weights_only" not in str(caught.value)
        assert not (tmp_path / "was_run").exists()

    def test_a_pickle_on_the_command_line(self, tmp_path):
        as_pickle(tmp_path / "w.pth", tmp_path)
        done = run("deep", "score", "x.png", "--weights", tmp_path / "w.pth")
        assert (done.returncode, done.stdout) == (2, "")
        assert f"error: {tmp_path / 'w.pth'} is a pickle: loading one runs any" in done.stderr
        assert not (tmp_path / "was_run").exists()

    def test_flipped_bits(self, tmp_path):
        path = tmp_path / "n.safetensors"
        save_network(path, Meso4(input_size=32))
        data = path.read_bytes()
        rng = np.random.default_rng(0)
        for place in [*range(0, 400, 7), *rng.choice(len(data), 60, replace=False)]:
            damaged = bytearray(data)
            damaged[place] ^= 1 << rng.integers(8)
            path.write_bytes(damaged)
            with pytest.raises(ModelFileError):
                load_network(path)

    @pytest.mark.parametrize(
        ("changed", "words"),
        [
            ({"config": {"input_size": 32 << 20}}, "holds other tensors than a meso4 has"),
            ({"config": {"input_size": "a"}}, "is not a network of freqfake"),
            ({"config": {"size": 32}}, "is not a network of freqfake"),
            ({"network": "os.system"}, "is not a network of freqfake"),
            ({"network": []}, "is not a network of freqfake"),
            ({"network": "dldfd", "config": {"width": 1 << 40}}, "not a network of|other tensors"),
        ],
    )
    def test_plain_values(self, tmp_path, changed, words):
        path = tmp_path / "n.safetensors"
        save_network(path, Meso4(input_size=32))
        rewritten(path, lambda manifest, arrays: manifest["state"].update(changed))
        with pytest.raises(ModelFileError, match=words):
            load_network(path)

    def test_nan_and_infinity(self, tmp_path):
        path = tmp_path / "n.safetensors"
        save_network(path, Meso4(input_size=32))
        rewritten(path, lambda manifest, arrays: arrays["dense2.bias"].fill(np.nan))
        with pytest.raises(ModelFileError, match="holds NaN or infinity"):
            load_network(path)

    def test_headers_that_take_long_to_read(self, tmp_path):
        path = tmp_path / "n.safetensors"
        header = b'{"__metadata__":{"freqfake":"' + b"[" * 500_000 + b'"}}'
        path.write_bytes(len(header).to_bytes(8, "little") + header)
        with pytest.raises(ModelFileError, match="is not a network of freqfake, or is damaged"):
            load_network(path)
        path.write_bytes((1 << 40).to_bytes(8, "little") + b"{" + bytes(99))
        with pytest.raises(ModelFileError, match="has a longer header than"):
            load_network(path)
        with pytest.raises(ModelFileError, match="is a folder"):
            load_network(tmp_path)

    def test_arrays_of_other_files(self, tmp_path):
        h5py = pytest.importorskip("h5py", reason="Keras' files need h5py")
        (tmp_path / "secret").write_bytes(bytes(400))
        for name, create in (
            ("external", {"external": [(str(tmp_path / "secret"), 0, 400)]}),
            ("text", {"dtype": h5py.string_dtype()}),
        ):
            with h5py.File(tmp_path / f"{name}.h5", "w") as file:
                options = {"shape": (100,), "dtype": "f4", **create}
                file.create_dataset("dense_1/dense_1/kernel:0", **options)
            with pytest.raises(ModelFileError, match=rf"{name}\.h5 holds .* in /dense_1"):
                import_keras_weights(tmp_path / f"{name}.h5")


def without(package: str) -> str:
    """Code after which a package cannot be imported, as if it were not installed."""
    return f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
"""


class TestMissingPackages:
    def _without_torch(self, code: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-c", f"{without('torch')}\n{code}"], capture_output=True, text=True
        )

    def test_the_error_names_the_command(self):
        done = self._without_torch("import freqfake.deep")
        assert done.returncode == 1
        assert 'python -m pip install "freqfake[deep]"' in done.stderr.splitlines()[-1]

    def test_the_command_line_names_the_command(self, samples):
        arguments = ["deep", "score", "--weights", "w.h5", str(samples)]
        code = f"from freqfake.cli import main; sys.exit(main({arguments!r}))"
        done = self._without_torch(code)
        assert done.returncode == 2
        message = 'torch is not installed: python -m pip install "freqfake[deep]"'
        assert done.stderr == f"freqfake: error: {message}\n"

    @pytest.mark.parametrize("command", [["frames"], ["score", "--weights", "{weights}"]])
    def test_a_missing_pyav_is_reported_once_not_for_each_video(self, tmp_path, command):
        save_network(tmp_path / "n.safetensors", Meso4(input_size=32))
        for name in ("a.mp4", "b.mp4"):
            (tmp_path / name).write_bytes(b"video")
        words = [word.format(weights=tmp_path / "n.safetensors") for word in command]
        rest = ["--out", str(tmp_path / "out")] if words[0] == "frames" else ["--device", "cpu"]
        arguments = ["deep", *words, str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4"), *rest]
        code = f"{without('av')}\nfrom freqfake.cli import main; sys.exit(main({arguments!r}))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 2
        message = 'av is not installed: python -m pip install "freqfake[video]"'
        assert done.stderr == f"freqfake: error: {message}\n"
        assert len(done.stdout.splitlines()) <= 1

    def test_everything_else_works_without_torch(self, samples):
        path = str(samples / "real" / "astronaut.png")
        done = self._without_torch(f"from freqfake.cli import main; main(['score', {path!r}])")
        assert done.returncode == 0
        assert "astronaut.png" in done.stdout

    def test_a_broken_torch_is_not_called_missing(self, tmp_path):
        (tmp_path / "torch.py").write_text("import no_such_module_of_torch")
        code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import freqfake.deep"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert "no_such_module_of_torch" in done.stderr.splitlines()[-1]
        assert "pip install" not in done.stderr


def test_pictures_become_tensors():
    from freqfake.deep.pictures import as_tensor

    pixels = np.zeros((10, 20, 3), np.uint8)
    pixels[:, 10:] = (10, 20, 30)
    x = as_tensor(pixels, 8)
    assert x.dtype == torch.uint8
    assert x.shape == (3, 8, 8)
    assert x[:, 0, -1].tolist() == [10, 20, 30]
    assert x[:, 0, 0].tolist() == [0, 0, 0]
    assert as_tensor(Image.fromarray(pixels[..., 0]), 8).shape == (3, 8, 8)
