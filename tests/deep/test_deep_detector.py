"""Networks on pictures and videos: votes, errors, faces, and the commands."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import run, table

torch = pytest.importorskip("torch", reason="the networks need torch")
av = pytest.importorskip("av", reason="videos need PyAV")

from PIL import Image  # noqa: E402

from freqfake.deep import DeepDetector, Meso4, load_deep_detector, save_network  # noqa: E402
from freqfake.detector.columns import FRAME_COLUMNS, SCORE_COLUMNS  # noqa: E402
from freqfake.exceptions import (  # noqa: E402
    DeviceMemoryError,
    DeviceWarning,
    ModelFileError,
    UnreadableImageWarning,
)


class Brightness(Meso4):
    """A network with a known score: the brighter, the more fake; middle grey is 0."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 20 * (x.mean(dim=(1, 2, 3)) - 0.5)


@pytest.fixture(scope="module")
def detector():
    from freqfake.deep.networks import weights

    made = Brightness(input_size=32)
    weights.NETWORKS["brightness"] = Brightness
    yield DeepDetector(made, device="cpu", batch_size=3)
    del weights.NETWORKS["brightness"]


def plain(grey: int, size: int = 48) -> np.ndarray:
    return np.full((size, size, 3), grey, np.uint8)


def write_video(path, greys) -> str:
    """Write H.264 with one plain frame for each grey."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "30"})
        stream.width = stream.height = 48
        stream.pix_fmt = "yuv420p"
        for grey in greys:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(plain(grey), format="rgb24")))
        container.mux(stream.encode())
    return str(path)


@pytest.mark.filterwarnings("ignore::freqfake.exceptions.DeviceWarning")
@pytest.mark.parametrize("name", ["meso4", "mesoinception4"])
def test_embedded_mesonets_score_alike_in_python_and_on_the_command_line(name, samples):
    detector = load_deep_detector(name, device="cpu")
    assert detector.network.config == {"input_size": 224, "dropout": 0}
    picture = str(samples / "real" / "astronaut.png")
    expected = detector.score([picture], faces=True)
    done = run("deep", "score", "--model", name, "--faces", "--device", "cpu", picture)
    (found,) = table(done.stdout)
    assert found["verdict"] == expected.verdict[0] != "inconclusive"
    assert float(found["score"]) == pytest.approx(expected.score[0], rel=1e-5)


def test_repr_and_model_card():
    detector = DeepDetector(Meso4(input_size=64), device="cpu")
    assert repr(detector) == "<freqfake.deep.DeepDetector: meso4 on cpu>"
    shown = dict(detector.card().sections[0][1])
    learned = sum(p.numel() for p in detector.network.parameters())
    assert shown["parameters"] == f"{learned:,}"
    assert "64 x 64 pixels" in shown["input"]
    assert "not calibrated" in detector._repr_html_()


class TestVotes:
    def test_columns_are_those_of_score_plus_the_votes(self):
        assert set(FRAME_COLUMNS) - set(SCORE_COLUMNS) == {"n_frames", "n_real", "n_fake"}
        assert [c for c in FRAME_COLUMNS if c in SCORE_COLUMNS] == list(SCORE_COLUMNS)

    @pytest.mark.parametrize(
        ("greys", "votes", "verdict"),
        [
            ([200] * 6 + [60] * 4, (4, 6), "fake"),
            ([200] * 4 + [60] * 6, (6, 4), "real"),
            ([200] * 5 + [60] * 5, (5, 5), "inconclusive"),
            ([60] * 10, (10, 0), "real"),
            ([200], (0, 1), "fake"),
        ],
    )
    def test_the_majority_of_frames_decides(self, detector, tmp_path, greys, votes, verdict):
        video = write_video(tmp_path / "v.mp4", greys)
        row = detector.score(video, n_frames=10).iloc[0]
        assert (row.n_real, row.n_fake, row.n_frames) == (*votes, len(greys))
        assert row.verdict == verdict
        assert ("tie" in row.reason) == (votes[0] == votes[1])
        logits = 20 * (np.array(greys) / 255 - 0.5)
        assert row.score == pytest.approx(logits.mean(), abs=0.4)
        assert row.p_fake == pytest.approx((1 / (1 + np.exp(-logits))).mean(), abs=0.02)
        assert np.isnan(row.llr)

    def test_one_bright_frame_does_not_outvote_three(self, detector, tmp_path):
        """Labels are counted, not the network's confidence in them."""
        video = write_video(tmp_path / "v.mp4", [255, 124, 124, 124])
        row = detector.score(video, n_frames=4).iloc[0]
        assert row.score > 0
        assert row.verdict == "real"

    def test_the_threshold_moves_the_labels(self, detector):
        pictures = [plain(120), plain(140), plain(200)]
        called = {
            t: detector.score(pictures, threshold=t).verdict.tolist() for t in (0.1, 0.5, 0.95)
        }
        assert called == {
            0.1: ["fake", "fake", "fake"],
            0.5: ["real", "fake", "fake"],
            0.95: ["real", "real", "fake"],
        }
        with pytest.raises(ValueError, match="`threshold` must lie between 0 and 1; got 1"):
            detector.score(pictures, threshold=1)

    def test_n_frames_are_spread_over_the_video(self, detector, tmp_path):
        video = write_video(tmp_path / "v.mp4", [40] * 20 + [220] * 20)
        row = detector.score(video, n_frames=4).iloc[0]
        assert (row.n_frames, row.n_real, row.n_fake) == (4, 2, 2)


class TestInputs:
    @pytest.mark.parametrize("batch_size", [1, 2, 7, 100])
    def test_batch_size_does_not_change_results(self, detector, tmp_path, batch_size):
        video = write_video(tmp_path / "v.mp4", range(40, 220, 20))
        inputs = [plain(200), video, "missing.png", plain(60), str(tmp_path)]
        other = DeepDetector(detector.network, device="cpu", batch_size=batch_size)
        table, expected = other.score(inputs), detector.score(inputs)
        np.testing.assert_allclose(table.score, expected.score, rtol=1e-5)
        assert table.drop(columns=["score", "p_fake"]).equals(
            expected.drop(columns=["score", "p_fake"])
        )
        assert table.path.tolist() == ["<array 0>", video, "missing.png", "<array 3>", video]

    def test_unreadable_inputs_give_rows(self, detector, tmp_path):
        (tmp_path / "text.mp4").write_text("no video")
        (tmp_path / "text.png").write_text("no picture")
        table = detector.score([str(tmp_path), plain(200)])
        assert table.verdict.tolist() == ["", "", "fake"]
        assert all("text." in error for error in table.error[:2])
        assert table.n_frames.tolist() == [0, 0, 1]
        assert table.score[:2].isna().all()

    def test_frames_before_damage_count(self, detector, tmp_path):
        video = write_video(tmp_path / "whole.ts", [200] * 60)
        data = (tmp_path / "whole.ts").read_bytes()
        (tmp_path / "half.ts").write_bytes(data[: len(data) // 2])
        row = detector.score(str(tmp_path / "half.ts")).iloc[0]
        assert row.verdict == "fake"
        assert row.n_frames > 0
        assert detector.score(video).iloc[0].n_frames == 20

    def test_grey_and_16_bit_pictures(self, detector):
        grey = np.full((40, 40), 200, np.uint8)
        wide = np.full((40, 40, 3), 200 * 257, np.uint16)
        scores = detector.score([grey, wide, grey / 255, Image.fromarray(grey)]).score
        np.testing.assert_allclose(scores, scores[0], atol=0.1)

    def test_evaluate(self, detector):
        with pytest.warns(UnreadableImageWarning, match=r"left out missing\.png"):
            metrics = detector.evaluate(
                [plain(60), plain(200), plain(80)], [plain(210), "missing.png"]
            )
        assert metrics["n_real"] == 3
        assert metrics["n_fake"] == 1
        assert metrics["accuracy"] == 0.75
        assert metrics["auc"] == 1.0

    def test_bad_batch_size(self):
        with pytest.raises(ValueError, match="`batch_size` must be at least 1; got 0"):
            DeepDetector(Meso4(input_size=32), device="cpu", batch_size=0)


class TestFaces:
    def test_the_face_is_cut_out_of_the_picture(self, detector, samples):
        pytest.importorskip("onnxruntime", reason="faces need onnxruntime")
        from freqfake.crops.faces import crop_face, find_faces

        picture = Image.open(samples / "real" / "astronaut.png").convert("RGB")
        pixels = np.array(picture)
        crop = crop_face(pixels, find_faces(pixels)[0], margin=0.1)
        found = detector.score([pixels, plain(200)], faces=True, margin=0.1)
        assert found.score[0] == pytest.approx(detector.score([crop]).score[0])
        assert found.score[0] != pytest.approx(detector.score([pixels]).score[0], abs=0.1)
        assert found.verdict[1] == "inconclusive"
        assert found.reason[1] == "no face found"
        assert found.n_frames.tolist() == [1, 0]


class TestDevice:
    def test_without_a_gpu_it_warns(self):
        if torch.accelerator.is_available():
            pytest.skip("there is a GPU")
        for device in ("auto", "cuda"):
            with pytest.warns(DeviceWarning, match="working on the CPU"):
                made = DeepDetector(Meso4(input_size=32), device=device)
            assert made.device.type == "cpu"

    def test_unknown_device(self):
        with pytest.raises(ValueError, match="`device` must be auto, cpu, cuda or mps; got 'gpu'"):
            DeepDetector(Meso4(input_size=32), device="gpu")

    def test_too_little_memory_is_an_error_with_advice(self):
        class Greedy(Meso4):
            def forward(self, x):
                return torch.empty(1 << 58)

        from freqfake.deep.networks import weights

        weights.NETWORKS["greedy"] = Greedy
        try:
            greedy = DeepDetector(Greedy(input_size=32), device="cpu")
            with pytest.raises(DeviceMemoryError, match=r"make it smaller .*--batch-size"):
                greedy.score([plain(200)])
        finally:
            del weights.NETWORKS["greedy"]


class TestLoading:
    def test_another_model_is_refused(self, tmp_path):
        save_network(tmp_path / "n.safetensors", Meso4(input_size=32))
        loaded = load_deep_detector(tmp_path / "n.safetensors", model="meso4", device="cpu")
        assert loaded.name == "meso4"
        with pytest.raises(ModelFileError, match="holds meso4, not dldfd"):
            load_deep_detector(tmp_path / "n.safetensors", model="dldfd", device="cpu")
        with pytest.raises(ValueError, match="`model` must be one of dldfd, meso4"):
            load_deep_detector(tmp_path / "n.safetensors", model="resnet", device="cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("commands")
    torch.manual_seed(0)
    save_network(root / "meso4.safetensors", Meso4(input_size=32))
    (root / "in").mkdir()
    Image.fromarray(plain(200)).save(root / "in" / "a.png")
    write_video(root / "in" / "b.mp4", [60] * 30)
    (root / "in" / "c.mkv").write_text("no video")
    return root


class TestCommands:
    def test_score(self, folder, tmp_path):
        options = ("--weights", folder / "meso4.safetensors", "--device", "cpu", "--frames", 5)
        done = run("deep", "score", *options, folder / "in")
        rows = table(done.stdout)
        assert done.returncode == 1
        assert [Path(row["path"]).name for row in rows] == ["a.png", "b.mp4", "c.mkv"]
        assert list(rows[0]) == list(FRAME_COLUMNS)
        assert [row["n_frames"] for row in rows] == ["1", "5", "0"]
        assert rows[2]["error"]
        assert "1 input(s) could not be read" in done.stderr
        out = tmp_path / "scores.jsonl"
        done = run("deep", "score", *options, folder / "in" / "a.png", "--out", out)
        done = run("deep", "score", *options, folder / "in", "--out", out, "--resume")
        lines = [json.loads(line) for line in out.read_text().splitlines()]
        assert [line["n_frames"] for line in lines] == [1, 5, 0]

    def test_scores_as_parquet(self, folder, tmp_path):
        pd = pytest.importorskip("pandas")
        out = tmp_path / "scores.parquet"
        weights = ("--weights", folder / "meso4.safetensors", "--device", "cpu")
        assert run("deep", "score", *weights, folder / "in", "--out", out).returncode == 1
        read = pd.read_parquet(out)
        assert read.n_frames.tolist() == [1, 20, 0]
        assert read.n_frames.dtype == "int64"

    def test_evaluate(self, folder):
        done = run(
            "deep", "evaluate", "--weights", folder / "meso4.safetensors", "--device", "cpu",
            "--json", "--real", folder / "in" / "a.png", "--fake", folder / "in" / "b.mp4",
        )  # fmt: skip
        assert json.loads(done.stdout)["n_fake"] == 1

    def test_frames(self, folder, tmp_path):
        done = run("deep", "frames", folder / "in", "--count", 3, "--out", tmp_path / "out")
        rows = table(done.stdout)
        assert done.returncode == 1
        assert [row["frame"] for row in rows] == ["5", "15", "25", ""]
        assert [row["time"] for row in rows][:3] == ["0.5", "1.5", "2.5"]
        for row in rows[:3]:
            assert abs(np.asarray(Image.open(row["file"])).astype(int) - 60).max() < 4
        assert "c.mkv" in rows[3]["error"]
        written = sorted(path.name for path in (tmp_path / "out").iterdir())
        assert written == ["b_000005.png", "b_000015.png", "b_000025.png"]

    def test_faces(self, folder, samples, tmp_path):
        pytest.importorskip("onnxruntime", reason="faces need onnxruntime")
        pictures = (samples / "real" / "astronaut.png", folder / "in" / "a.png")
        done = run("deep", "faces", *pictures, "--out", tmp_path / "out", "--margin", 0.2)
        rows = table(done.stdout)
        assert done.returncode == 0
        astronaut, none = rows
        assert (none["face"], none["file"], none["error"]) == ("", "", "")
        box = [int(astronaut[side]) for side in ("left", "top", "right", "bottom")]
        with Image.open(pictures[0]) as image, Image.open(astronaut["file"]) as crop:
            assert np.array_equal(np.array(image.convert("RGB").crop(box)), np.array(crop))
        assert float(astronaut["probability"]) > 0.99

    def test_inputs_of_the_same_name_do_not_collide(self, tmp_path):
        from freqfake.batch.saving import save_frames

        for side in "ab":
            (tmp_path / side).mkdir()
            write_video(tmp_path / side / "v.mp4", [80] * 3)
        rows = [row for part in save_frames(tmp_path, tmp_path / "out", count=1) for row in part]
        assert len({row["file"] for row in rows}) == 2
        assert len(list((tmp_path / "out").iterdir())) == 2

    def test_train(self, picture_folders, tmp_path):
        labelled = ("--real", picture_folders / "real", "--fake", picture_folders / "fake")
        options = ("--model", "meso4", "--input-size", 32, "--epochs", 1, "--device", "cpu")
        done = run("deep", "train", *options, *labelled, "--out", tmp_path / "run")
        assert done.returncode == 0, done.stderr
        assert "best epoch: 1 of 1, on the validation pictures AUC" in done.stderr
        scored = run(
            "deep", "score", "--weights", tmp_path / "run" / "best.safetensors", "--device", "cpu",
            picture_folders / "real" / "00.png",
        )  # fmt: skip
        assert table(scored.stdout)[0]["n_frames"] == "1"

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--model", "dldfd"], "give them with --imagenet, or use --random-start"),
            (["--model", "meso4", "--random-start"], "for dldfd only; got meso4"),
            (["--model", "meso4", "--width", "4"], "--width is not an option of meso4"),
            (["--model", "meso4", "--input-size", "33"], "must be a multiple of 32; got 33"),
            (["--model", "dldfd", "--imagenet", "no.pth"], "no such model: no.pth"),
            (["--model", "meso4", "--validation-real", "x"], "must be given together"),
        ],
    )
    def test_wrong_use_of_train(self, picture_folders, tmp_path, arguments, message):
        labelled = ("--real", picture_folders / "real", "--fake", picture_folders / "fake")
        done = run("deep", "train", *labelled, "--out", tmp_path, "--device", "cpu", *arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert message in done.stderr

    def test_missing_weights(self, folder):
        done = run("deep", "score", "--weights", "nowhere.h5", folder / "in")
        assert done.returncode == 2
        assert "no such model: nowhere.h5" in done.stderr
