"""A small FaceForensics++: the same layout, with videos compressed as strongly as c40."""

import csv
import io
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import posix, run
from PIL import Image

from freqfake.crops.faces import crop_face, find_faces
from freqfake.crops.mtcnn import require_nets
from freqfake.crops.video import read_frames, spread
from freqfake.exceptions import (
    DatasetError,
    DatasetWarning,
    MissingExtraError,
    ModelFileError,
    TrainingError,
    UnreadableImageWarning,
)
from freqfake.pictures.reading import read_image

av = pytest.importorskip("av", reason="videos need PyAV")
torch = pytest.importorskip("torch", reason="the networks need torch")

from freqfake.deep import Meso4, load_deep_detector, load_network  # noqa: E402
from freqfake.deep.faceforensics.crops import extract_crops  # noqa: E402
from freqfake.deep.faceforensics.dataset import METHODS, ORIGINAL, load_faceforensics  # noqa: E402
from freqfake.deep.faceforensics.protocols import (  # noqa: E402
    PUBLISHED,
    evaluate_protocol,
    true_classification_rates,
)

PAIRS = {"train": [["071", "054"]], "val": [["720", "672"]], "test": [["953", "974"]]}
IDS = {split: [*pair, "_".join(pair), "_".join(pair[::-1])] for split, [pair] in PAIRS.items()}
# A different number for each method, so that a number of pictures identifies its methods.
N_FRAMES = {ORIGINAL: 4, "Deepfakes": 3, "Face2Face": 5, "FaceSwap": 7, "NeuralTextures": 11}
N_MORE = {"train": 0, "val": 1, "test": 2}
SIZE = 160
ALL_FAKES = 3 + 5 + 7 + 11


def write_splits(folder, pairs=PAIRS):
    folder.mkdir(parents=True, exist_ok=True)
    for split, lines in pairs.items():
        (folder / f"{split}.json").write_text(json.dumps(lines))


def place(root, method, compression="c40"):
    parent = (
        "original_sequences/youtube" if method == ORIGINAL else f"manipulated_sequences/{method}"
    )
    return root / parent / compression / "videos"


def people():
    """Six persons: four faces, and two of them mirrored."""
    samples = Path(__file__).parents[1] / "samples"
    pictures = [
        Image.open(samples / "fake" / f"mobilestylegan_{number}.webp") for number in (200, 201, 202)
    ]
    pictures.append(Image.open(samples / "real" / "astronaut.png").crop((145, 30, 305, 190)))
    faces = [
        np.asarray(picture.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BOX))
        for picture in pictures
    ]
    names = itertools.chain.from_iterable(pair for [pair] in PAIRS.values())
    return dict(zip(names, [*faces, faces[0][:, ::-1], faces[1][:, ::-1]], strict=True))


def manipulated(target, source):
    """Blend another face into a face, with a reddish tint."""
    picture = target.astype(float)
    picture[40:130, 40:120] = (picture[40:130, 40:120] + source[40:130, 40:120]) / 2
    picture[40:130, 40:120, 0] += 20
    return picture.clip(0, 255).astype(np.uint8)


def write_video(path, picture, n_frames):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "40"})
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = "yuv420p"
        for i in range(n_frames):
            moved = np.roll(picture, i % 3, axis=1) + rng.normal(0, 3, picture.shape)
            frame = av.VideoFrame.from_ndarray(moved.clip(0, 255).astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A small data set: one pair per split."""
    if "libx264" not in av.codecs_available:
        pytest.skip("this PyAV cannot write H.264")
    try:
        require_nets()
    except MissingExtraError as error:
        pytest.skip(str(error))
    root = tmp_path_factory.mktemp("ff")
    write_splits(root)
    faces = people()
    for split, [pair] in PAIRS.items():
        for method, n in N_FRAMES.items():
            for target, source in (pair, pair[::-1]):
                name = target if method == ORIGINAL else f"{target}_{source}"
                picture = faces[target]
                if method != ORIGINAL:
                    picture = manipulated(picture, faces[source])
                write_video(place(root, method) / f"{name}.mp4", picture, n + N_MORE[split])
    return root


@pytest.fixture
def copy(root, tmp_path):
    """A copy of the data set to be damaged."""
    return shutil.copytree(root, tmp_path / "copy")


@pytest.fixture(scope="module")
def crops(root, tmp_path_factory):
    """All crops of all videos."""
    folder = tmp_path_factory.mktemp("out") / "crops"
    extract_crops(load_faceforensics(root), folder, n_frames=None)
    return folder


def small():
    return Meso4(input_size=32)


def always(logit):
    """Make a network that gives every picture the same logit."""

    def make():
        network = small()
        torch.nn.init.zeros_(network.dense2.weight)
        torch.nn.init.constant_(network.dense2.bias, logit)
        return network

    return make


def evaluate(root, protocol, out, network, **options):
    options = {"n_frames": None, "epochs": 1, "learning_rate": 1e-9, "device": "cpu"} | options
    return evaluate_protocol(root, protocol, out, network=network, **options)


# ---- the data set


@pytest.mark.parametrize("where", [".", "splits"])
def test_official_splits(tmp_path, where):
    """1000 videos per method: 720 for training, 140 for validation and 140 for test."""
    ids = [f"{i:03d}" for i in np.random.default_rng(0).permutation(1000)]
    pairs = [ids[i : i + 2] for i in range(0, 1000, 2)]
    official = {"train": pairs[:360], "val": pairs[360:430], "test": pairs[430:]}
    write_splits(tmp_path / where, official)
    for method in N_FRAMES:
        place(tmp_path, method).mkdir(parents=True)
        for a, b in pairs:
            for name in (a, b) if method == ORIGINAL else (f"{a}_{b}", f"{b}_{a}"):
                (place(tmp_path, method) / f"{name}.mp4").touch()
    dataset = load_faceforensics(tmp_path)
    assert dataset.missing == ()
    counts = pd.Series([(v.split, v.method, v.label) for v in dataset.videos]).value_counts()
    expected = {"train": 720, "val": 140, "test": 140}
    assert counts.to_dict() == {
        (split, method, int(method != ORIGINAL)): n
        for split, n in expected.items()
        for method in N_FRAMES
    }
    people = {s: set() for s in expected}
    for video in dataset.videos:
        people[video.split].update(video.id.split("_"))
    assert {split: len(them) for split, them in people.items()} == expected
    assert len(set.union(*people.values())) == 1000
    a, b = official["val"][5]
    named = {(v.id, v.method) for v in dataset.videos if v.split == "val"}
    assert {
        (a, ORIGINAL),
        (b, ORIGINAL),
        (f"{a}_{b}", "FaceSwap"),
        (f"{b}_{a}", "FaceSwap"),
    } < named


@pytest.mark.parametrize("stored", ["raw", "c0"])
@pytest.mark.parametrize("asked", ["raw", "c0"])
def test_raw_and_c0_are_one(tmp_path, stored, asked):
    write_splits(tmp_path)
    for method in (ORIGINAL, "FaceSwap"):
        place(tmp_path, method, stored).mkdir(parents=True)
        for name in itertools.chain(*IDS.values()):
            (place(tmp_path, method, stored) / f"{name}.mp4").touch()
    dataset = load_faceforensics(tmp_path, compression=asked, methods=["FaceSwap"])
    assert (dataset.compression, len(dataset.videos)) == ("raw", 12)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "no split file: neither .*val.json nor .*val.json"),
        ("[[", "cannot read .*val.json"),
        (b"\xff\xfe\xff", "cannot read .*val.json"),
        ("[" * 100_000, "cannot read .*val.json"),
        ("{}", "must be a list of pairs"),
        ("[]", "must be a list of pairs"),
        ('[["720", "672"], ["001"]]', "must be a list of pairs"),
        ("[[720, 672]]", "must be a list of pairs"),
        ('["72"]', "must be a list of pairs"),
        ('[["../720", "672"]]', "must be a list of pairs"),
        ('[["720", "054"]]', "054 is 2 times in the split files of train, val"),
        ('[["720", "720"]]', "720 is 2 times in the split files of val"),
    ],
)
def test_bad_split_files(copy, content, reason):
    path = copy / "val.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DatasetError, match=reason) as caught:
        load_faceforensics(copy)
    assert isinstance(caught.value, ValueError)


def test_wrong_names(root, tmp_path):
    with pytest.raises(ValueError, match="`compression` must be one of raw, c0, c23, c40"):
        load_faceforensics(root, compression="c42")
    for methods in ([], ["DeepFakes"], "FaceShifter"):
        with pytest.raises(ValueError, match="`methods` must be of Deepfakes, Face2Face"):
            load_faceforensics(root, methods=methods)
    with pytest.raises(DatasetError, match="no such folder"):
        load_faceforensics(tmp_path / "missing")
    with pytest.raises(DatasetError, match=r"30 of 30 videos .*; compressions found: c40"):
        load_faceforensics(root, compression="c23")


def test_missing_videos(copy):
    shutil.rmtree(place(copy, "NeuralTextures"))
    for name in ("054", "720"):
        (place(copy, ORIGINAL) / f"{name}.mp4").unlink()
    words = (
        r"8 of 30 videos are missing in .* \(original: 2, NeuralTextures: 6\), the first is .*054"
    )
    with pytest.raises(DatasetError, match=words + r".*\(--methods\).*\(--partial\)"):
        load_faceforensics(copy)
    with pytest.raises(DatasetError, match=words + ".*; split train has no video of Neural"):
        load_faceforensics(copy, partial=True)
    with pytest.warns(DatasetWarning, match="2 of 24 videos are missing"):
        dataset = load_faceforensics(copy, methods=METHODS[:3], partial=True)
    assert len(dataset.videos) == 22
    assert {video.id for video in dataset.missing} == {"054", "720"}


# ---- crops


def test_crops(root, tmp_path):
    dataset = load_faceforensics(root, methods=["FaceSwap"])
    table = extract_crops(dataset, tmp_path, splits=["val", "test"], n_frames=3)
    assert table[["split", "method", "video", "label"]].to_numpy().tolist() == [
        [split, method, name, int(method != ORIGINAL)]
        for split in ("val", "test")
        for method, names in ((ORIGINAL, IDS[split][:2]), ("FaceSwap", IDS[split][2:]))
        for name in names
    ]
    assert (table.n_crops == 3).all()
    assert (table.error == "").all()
    written = {path.relative_to(tmp_path) for path in tmp_path.rglob("*.png")}
    assert written == {
        Path("c40", row.split, row.method, row.video, f"{index:05d}.png")
        for row in table.itertuples()
        for index in spread(N_FRAMES[row.method] + N_MORE[row.split], 3)
    }
    frame = list(read_frames(place(root, "FaceSwap") / "953_974.mp4"))[4]
    largest = find_faces(frame.pixels)[0]
    crop = read_image(tmp_path / "c40/test/FaceSwap/953_974/00004.png")[0]
    np.testing.assert_array_equal(crop, crop_face(frame.pixels, largest))


def test_margin_and_all_frames(root, tmp_path):
    dataset = load_faceforensics(root, methods=["Deepfakes"])
    sizes = []
    for margin in (0.0, 0.5):
        folder = tmp_path / str(margin)
        table = extract_crops(dataset, folder, splits=["train"], n_frames=None, margin=margin)
        assert table.n_crops.tolist() == [4, 4, 3, 3]
        with Image.open(folder / "c40/train/original/071/00000.png") as crop:
            sizes.append(crop.width)
    assert sizes[1] > 1.5 * sizes[0]


def test_finished_videos_are_skipped(root, tmp_path):
    dataset = load_faceforensics(root, methods=["Deepfakes"])
    options = {"splits": ["val"], "n_frames": 2}
    before = extract_crops(dataset, tmp_path, **options)
    kept, redone = (tmp_path / "c40/val/Deepfakes" / name for name in IDS["val"][2:])
    stamps = {path: path.stat().st_mtime_ns for path in kept.iterdir()}
    unfinished = redone.rename(redone.with_name(f"{redone.name}.partial"))
    (unfinished / "00099.png").touch()  # as left by a killed run
    pd.testing.assert_frame_equal(extract_crops(dataset, tmp_path, **options), before)
    assert {path: path.stat().st_mtime_ns for path in kept.iterdir()} == stamps
    assert sorted(path.name for path in redone.iterdir()) == ["00001.png", "00003.png"]
    assert not unfinished.exists()
    for change in ({"n_frames": 3}, {"n_frames": None}, {"margin": 0.4}):
        with pytest.raises(DatasetError, match=r"were made with .*'n_frames': 2.* another folder"):
            extract_crops(dataset, tmp_path, **options | change)


@posix
def test_a_killed_run_leaves_complete_videos(root, tmp_path):
    code = f"""
from freqfake.deep.faceforensics.crops import extract_crops
from freqfake.deep.faceforensics.dataset import load_faceforensics
extract_crops(load_faceforensics({str(root)!r}), {str(tmp_path)!r}, n_frames=None)
"""
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        until = time.monotonic() + 120
        while len(list(tmp_path.rglob("*.png"))) < 10 and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    whole = [folder for folder in tmp_path.glob("c40/*/*/*") if folder.suffix != ".partial"]
    assert 1 <= len(whole) < 30
    for folder in whole:
        split, method, _ = folder.relative_to(tmp_path / "c40").parts
        assert len(list(folder.iterdir())) == N_FRAMES[method] + N_MORE[split]
    table = extract_crops(load_faceforensics(root), tmp_path, n_frames=None)
    assert table.n_crops.tolist() == [
        N_FRAMES[row.method] + N_MORE[row.split] for row in table.itertuples()
    ]
    assert not list(tmp_path.rglob("*.partial"))


def test_a_bad_video_does_not_stop_the_others(copy, tmp_path):
    (place(copy, ORIGINAL) / "054.mp4").write_bytes(b"no video" * 99)
    write_video(place(copy, "FaceSwap") / "071_054.mp4", np.zeros((SIZE, SIZE, 3), np.uint8), 5)
    dataset = load_faceforensics(copy, methods=["FaceSwap"])
    options = {"splits": ["train"], "n_frames": 2}
    table = extract_crops(dataset, tmp_path / "crops", n_jobs=2, **options)
    assert table.video.tolist() == ["071", "054", "071_054", "054_071"]
    assert table.n_crops.tolist() == [2, 0, 0, 2]
    assert table.error[1].startswith("cannot read ")
    assert table.error[2] == "no face found"
    faces = people()
    write_video(place(copy, ORIGINAL) / "054.mp4", faces["054"], 4)
    again = extract_crops(dataset, tmp_path / "crops", **options)
    assert again.n_crops.tolist() == [2, 2, 0, 2]  # the repaired one was tried again
    assert again.error.tolist() == ["", "", "no face found", ""]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"n_frames": 0}, "`n_frames` must be at least 1"),
        ({"margin": -1}, "`margin` must be"),
        ({"splits": ["train", "tests"]}, r"`splits` must be of train, val, test; got \['tests'\]"),
    ],
)
def test_wrong_options_of_crops(root, tmp_path, options, reason):
    with pytest.raises(ValueError, match=reason):
        extract_crops(load_faceforensics(root), tmp_path, **options)
    assert not list(tmp_path.iterdir())


# ---- rates


def test_rates_calculated_by_hand():
    votes = {  # video: label, what its frames are called
        "real, right": (0, [0, 0, 1]),
        "real, wrong": (0, [1, 1, 0, 1]),
        "real, a tie": (0, [0, 1]),
        "fake, right": (1, [1]),
        "fake, a tie": (1, [1, 0, 0, 1]),
    }
    rows = [(video, label, called) for video, (label, all_) in votes.items() for called in all_]
    frames = pd.DataFrame(rows, columns=["video", "label", "called"]).sample(frac=1, random_state=0)
    assert true_classification_rates(frames) == {
        "videos": 5, "real videos": 3, "fake videos": 2,
        "frames": 14, "real frames": 9, "fake frames": 5,
        "TCR videos %": 100 * 2 / 5,
        "TCR real videos %": pytest.approx(100 * 1 / 3),
        "TCR fake videos %": 100 * 1 / 2,
        "TCR frames %": pytest.approx(100 * (2 + 1 + 1 + 1 + 2) / 14),
        "TCR real frames %": pytest.approx(100 * 4 / 9),
        "TCR fake frames %": pytest.approx(100 * 3 / 5),
    }  # fmt: skip
    reals = true_classification_rates(frames[frames.label == 0])
    assert np.isnan(reals["TCR fake videos %"])
    assert reals["fake videos"] == 0


# ---- the three evaluations


def trained(crops, name):
    """Numbers of pictures in a training, and of those classified correctly."""
    folder = crops.parent / "trainings" / "c40" / "meso4" / name
    n_train, n_val = load_network(folder / "best.safetensors")[1]["n_pictures"]
    log = pd.read_csv(folder / "log.csv")
    shares = log.train_accuracy[0], log.val_accuracy[0]
    return n_train, n_val, round(shares[0] * n_train, 6), round(shares[1] * n_val, 6)


def pictures(n_reals, n_fakes, n_methods):
    """Pictures of two videos per method in training and validation; then the fakes among them."""
    n_val = n_reals + 1 + n_fakes + n_methods
    return 2 * (n_reals + n_fakes), 2 * n_val, 2 * n_fakes, 2 * (n_fakes + n_methods)


def test_combined(root, crops):
    table = evaluate(root, "combined", crops.parent, always(5))
    [row] = table.to_dict("records")
    methods = ", ".join(METHODS)
    assert (row["protocol"], row["trained on"], row["tested on"]) == ("combined", methods, methods)
    assert (row["videos"], row["real videos"], row["fake videos"]) == (10, 2, 8)
    assert (row["real frames"], row["fake frames"]) == (2 * 6, 2 * (ALL_FAKES + 8))
    assert (row["TCR videos %"], row["TCR real videos %"], row["TCR fake videos %"]) == (80, 0, 100)
    assert row["TCR frames %"] == pytest.approx(100 * 68 / 80)
    assert (row["TCR real frames %"], row["TCR fake frames %"]) == (0, 100)
    assert (row["videos left out"], row["best epoch"]) == (0, 1)
    published = {"DLDFD": 96.07, "3D ResNet": 83.86, "3D ResNeXt": 85.14, "I3D": 87.43}
    assert {name: row[f"{name}, published %"] for name in PUBLISHED} == published
    assert trained(crops, "combined") == pictures(4, ALL_FAKES, 4)


def test_single(root, crops):
    table = evaluate(root, "single", crops.parent, always(-5))
    assert table["trained on"].tolist() == table["tested on"].tolist() == list(METHODS)
    for row in table.to_dict("records"):
        n = N_FRAMES[row["tested on"]]
        assert (row["videos"], row["TCR videos %"]) == (4, 50)
        assert row["frames"] == 2 * (6 + n + 2)
        assert row["TCR frames %"] == pytest.approx(100 * 12 / row["frames"])
        assert (row["TCR real frames %"], row["TCR fake frames %"]) == (100, 0)
        n_train, n_val, *known = trained(crops, f"single-{row['tested on']}")
        assert (n_train, n_val) == pictures(4, n, 1)[:2]
        assert known == [2 * 4, 2 * 5]  # the real ones
    assert table["DLDFD, published %"].tolist() == [94.64, 81.4, 94.28, 100]
    assert table["I3D, published %"].isna().all()


def test_cross(root, crops):
    table = evaluate(root, "cross", crops.parent, always(5))
    assert table["tested on"].tolist() == list(METHODS)
    for row in table.to_dict("records"):
        left_out = row["tested on"]
        assert row["trained on"] == ", ".join(m for m in METHODS if m != left_out)
        assert row["frames"] == 2 * (6 + N_FRAMES[left_out] + 2)
        assert row["TCR fake videos %"] == 100
        n_fakes = ALL_FAKES - N_FRAMES[left_out]
        assert trained(crops, f"cross-{left_out}") == pictures(4, n_fakes, 3)
    assert table["DLDFD, published %"].tolist() == [69.28, 40.0, 94.28, 49.2]
    assert table["I3D, published %"].isna().all()


def test_published_rates_name_existing_trainings():
    names = {"combined"} | {f"{p}-{m}" for p in ("single", "cross") for m in METHODS}
    assert set(PUBLISHED["DLDFD"]) == names
    assert all(set(table) <= names for table in PUBLISHED.values())


def test_scores_are_those_of_the_best_network(root, crops, tmp_path):
    """With a network that discriminates: its scores, and the rates computed from them."""
    folder = shutil.copytree(crops, tmp_path / "crops").parent
    starts = []

    def make():
        network = small()
        starts.append(network.dense1.weight.detach().clone())
        return network

    options = {"methods": ["FaceSwap"], "seed": 3, "learning_rate": 1e-3, "epochs": 2}
    [row] = evaluate(root, "single", folder, make, **options).to_dict("records")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        expected = small().dense1.weight
    assert [torch.equal(start, expected) for start in starts] == [True, True]  # name, and training
    training = folder / "trainings/c40/meso4/single-FaceSwap"
    scores = pd.read_csv(training / "scores.csv")
    assert scores.score.nunique() > 20
    assert all(paths.is_monotonic_increasing for _, paths in scores.groupby("video").path)
    paths = [*crops.glob("c40/test/original/*/*"), *crops.glob("c40/test/FaceSwap/*/*")]
    detector = load_deep_detector(training / "best.safetensors", device="cpu")
    expected = dict(zip(paths, detector.score(paths).score, strict=True))
    assert len(scores) == len(expected) == 2 * (6 + 9)
    fakes = scores.path.str.contains("FaceSwap")
    assert (scores.label == fakes).all()
    for one in scores.itertuples():
        same = crops / Path(one.path).relative_to(folder / "crops")
        assert one.score == pytest.approx(expected[same], abs=1e-4)
        assert one.video in one.path
    right = (scores.score > 0) == fakes
    assert row["TCR frames %"] == pytest.approx(100 * right.mean())
    assert row["TCR fake frames %"] == pytest.approx(100 * right[fakes].mean())


def test_a_stopped_run_is_resumed(root, crops, tmp_path):
    folder = shutil.copytree(crops, tmp_path / "crops").parent
    calls = itertools.count()

    def interrupted():
        if next(calls) == 2:  # for its name, and for one training before
            raise KeyboardInterrupt
        return always(5)()

    options = {"methods": ["Deepfakes", "FaceSwap"]}
    with pytest.raises(KeyboardInterrupt):
        evaluate(root, "single", folder, interrupted, **options)
    trainings = folder / "trainings/c40/meso4"
    assert [path.name for path in trainings.iterdir()] == ["single-Deepfakes"]
    with pytest.raises(TrainingError, match="single-Deepfakes already holds a training"):
        evaluate(root, "single", folder, always(5), **options)
    before = (trainings / "single-Deepfakes/log.csv").read_text()
    table = evaluate(root, "single", folder, always(5), resume=True, **options)
    assert table["tested on"].tolist() == ["Deepfakes", "FaceSwap"]
    assert table["TCR real frames %"].tolist() == [0, 0]
    assert (trainings / "single-Deepfakes/log.csv").read_text() == before
    with pytest.raises(TrainingError, match="another training"):
        evaluate(root, "single", folder, always(5), resume=True, seed=1, **options)


def test_part_of_the_data_set(copy, crops, tmp_path):
    folder = shutil.copytree(crops, tmp_path / "crops").parent
    shutil.rmtree(place(copy, "NeuralTextures"))
    (place(copy, ORIGINAL) / "974.mp4").unlink()
    shutil.rmtree(folder / "crops/c40/test/FaceSwap/953_974")
    (place(copy, "FaceSwap") / "953_974.mp4").write_bytes(b"no video" * 99)
    options = {"methods": METHODS[:3], "partial": True}
    with (
        pytest.warns(DatasetWarning, match="1 of 24 videos are missing"),
        pytest.warns(UnreadableImageWarning, match="left out test/FaceSwap/953_974: cannot read"),
    ):
        [row] = evaluate(copy, "combined", folder, always(5), **options).to_dict("records")
    assert (row["real videos"], row["fake videos"], row["videos left out"]) == (1, 5, 1)
    assert np.isnan(row["DLDFD, published %"])  # published for all four methods
    with pytest.warns(DatasetWarning, match="1 of 12 videos"):
        table = evaluate(copy, "single", folder, always(5), methods=["Face2Face"], partial=True)
    assert table["DLDFD, published %"].tolist() == [81.4]


def test_unreadable_crops_are_left_out(root, crops, tmp_path):
    folder = shutil.copytree(crops, tmp_path / "crops").parent
    bad = folder / "crops/c40/test/original/953/00002.png"
    bad.write_bytes(bad.read_bytes()[:99])
    with pytest.warns(UnreadableImageWarning, match="left out .*00002.png"):
        table = evaluate(root, "single", folder, always(5), methods=["FaceSwap"])
    assert (table["real videos"][0], table["real frames"][0]) == (2, 11)


def test_a_test_without_faces(root, crops, tmp_path):
    folder = shutil.copytree(crops, tmp_path / "crops").parent
    for path in (folder / "crops/c40/test/original").rglob("*.png"):
        path.unlink()
    with (
        pytest.warns(UnreadableImageWarning, match="test/original/9.*: no face found"),
        pytest.raises(DatasetError, match="no face was found in any real, or any fake, video"),
    ):
        evaluate(root, "single", folder, always(5), methods=["FaceSwap"])


@pytest.mark.parametrize(
    ("protocol", "options", "error", "reason"),
    [
        ("all", {}, ValueError, "`protocol` must be one of combined, single, cross; got 'all'"),
        ("cross", {"methods": "FaceSwap"}, ValueError, "`methods` must be at least two for cross"),
        ("single", {"network": "meso"}, ValueError, "`network` must be one of dldfd, meso4"),
        ("single", {"network": "dldfd"}, ValueError, "either `imagenet` or `random_start`"),
        ("single", {"imagenet": "a.pth"}, ValueError, "`imagenet` holds weights for dldfd"),
        (
            "single",
            {"network": "dldfd", "imagenet": "a.pth"},
            ModelFileError,
            "no such model: a.pth",
        ),
        ("single", {"device": "abacus"}, ValueError, "`device` must be auto, cpu"),
        ("single", {"n_frames": 0}, ValueError, "`n_frames` must be at least 1"),
    ],
)
def test_errors_come_before_the_work(root, tmp_path, protocol, options, error, reason):
    with pytest.raises(error, match=reason):
        evaluate(root, protocol, tmp_path, **{"network": "meso4"} | options)
    assert not list(tmp_path.rglob("*.png"))


def test_the_command(root, tmp_path):
    """Run twice: the second time everything exists."""
    command = ["deep", "faceforensics", "single"]
    command += ["--data", str(root), "--out", str(tmp_path), "--methods", "FaceSwap"]
    command += ["--model", "meso4", "--epochs", "1", "--frames", "2", "--device", "cpu"]
    outputs = []
    for _ in range(2):
        done = run(*command)
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    [row] = csv.DictReader(io.StringIO(outputs[0]))
    assert (row["trained on"], row["videos"], row["frames"]) == ("FaceSwap", "4", "8")
    assert float(row["DLDFD, published %"]) == 94.28
    assert 0 <= float(row["TCR frames %"]) <= 100


def test_the_command_requires_a_start(root, tmp_path):
    data = ["--data", root, "--out", tmp_path / "out"]
    done = run("deep", "faceforensics", "combined", *data)
    assert done.returncode == 2
    assert "give them with --imagenet, or use --random-start" in done.stderr
    assert not (tmp_path / "out").exists()
