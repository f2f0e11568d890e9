"""Reenacted faces: their geometry, networks, losses, measures and commands."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

torch = pytest.importorskip("torch")

from benchmarks.__main__ import main  # noqa: E402
from benchmarks.reenactment import metrics, persons  # noqa: E402
from benchmarks.reenactment.errors import ReenactmentError  # noqa: E402
from benchmarks.reenactment.extractors import (  # noqa: E402
    SmallArcFace,
    arcface_loss,
    load_content,
    load_embedder,
)
from benchmarks.reenactment.faces import (  # noqa: E402
    PADDING,
    SIZE,
    five_points,
    normalised,
    similarity,
)
from benchmarks.reenactment.losses import (  # noqa: E402
    adversarial_loss,
    content_loss,
    cosine_distance,
    discriminator_loss,
    squared_distance,
)
from benchmarks.reenactment.neighbours import fit_scores, with_scores  # noqa: E402
from benchmarks.reenactment.pictures import STRIP, read_marked, save_marked  # noqa: E402
from benchmarks.reenactment.rasters import raster  # noqa: E402

pytestmark = pytest.mark.slow
SAMPLES = Path(__file__).parents[1] / "samples" / "fake"


def expect_packages(*names):
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} of the extra `reenact` is not installed")


def landmarks_at(x, y, apart):
    """68 landmarks at one place, but for the eyes, which lie `apart` pixels from each other."""
    points = np.full((68, 2), (x, y), float)
    points[36:42], points[42:48] = (x - apart / 2, y), (x + apart / 2, y)
    return points


# -- geometry


def test_a_similarity_has_its_known_answer():
    corner = np.array([[0, 0], [1, 0], [0, 1]], float)
    turned = np.array([[5, 7], [5, 9], [3, 7]], float)  # by 90 degrees, twice as large, moved
    np.testing.assert_allclose(similarity(corner, turned), [[0, -2, 5], [2, 0, 7]], atol=1e-12)


@given(st.floats(-3, 3), st.floats(0.1, 10), st.floats(-50, 50), st.integers(0, 1000))
def test_a_similarity_is_found_again_and_never_mirrors(angle, scale, shift, seed):
    points = np.random.default_rng(seed).normal(size=(5, 2))
    a = scale * np.exp(1j * angle)
    wanted = np.array([[a.real, -a.imag, shift], [a.imag, a.real, -shift]])
    moved = points @ wanted[:, :2].T + wanted[:, 2]
    np.testing.assert_allclose(similarity(points, moved), wanted, atol=1e-6)
    mirrored = similarity(points, points * [-1, 1])
    assert np.linalg.det(mirrored[:, :2]) >= 0


@pytest.mark.parametrize("by", ["five points", "interocular"])
def test_normalised_eyes_lie_on_the_template(by):
    pixels = np.zeros((300, 400, 3), np.uint8)
    _, moved = normalised(pixels, landmarks_at(200, 150, 60) @ [[0.8, 0.6], [-0.6, 0.8]], by=by)
    right, left = five_points(moved)[:2]
    if by == "interocular":
        expected = (np.array([38.29, 51.70]) / 112 + PADDING) / (1 + 2 * PADDING) * SIZE
        np.testing.assert_allclose(right, expected, atol=0.01)
    assert abs(right[1] - left[1]) < 1
    assert right[0] < left[0]


def test_landmarks_follow_the_pixels():
    pixels = np.zeros((900, 900, 3), np.uint8)
    landmarks = landmarks_at(450, 400, 200)
    landmarks[36:42] = (350, 400)
    pixels[390:411, 340:361] = 255  # the right eye
    face, moved = normalised(pixels, landmarks)
    rows, columns = np.nonzero(face[..., 0] > 128)
    np.testing.assert_allclose((columns.mean(), rows.mean()), moved[36], atol=1)


def test_a_raster_passes_through_the_landmarks():
    angles = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    landmarks = 128 + 90 * np.column_stack([np.cos(angles), np.sin(angles)])
    drawn = raster(landmarks)
    assert drawn.shape == (SIZE, SIZE)
    assert set(np.unique(drawn)) == {0, 255}
    for x, y in landmarks.round().astype(int):
        assert drawn[y - 2 : y + 3, x - 2 : x + 3].any()
    half = raster(landmarks, SIZE // 2)
    larger = np.asarray(Image.fromarray(half).resize((SIZE, SIZE)))
    assert larger[drawn > 0].mean() > 60  # the same drawing, coarser


def test_a_raster_moves_with_the_landmarks():
    landmarks = np.random.default_rng(0).uniform(60, 160, (68, 2)).round()
    moved = raster(landmarks + np.array([7, 5]))
    np.testing.assert_array_equal(moved[5:, 7:], raster(landmarks)[:-5, :-7])


# -- measures and losses, worked out by hand


def test_nmse_by_hand():
    wanted = landmarks_at(100, 100, 10)
    assert metrics.nmse(wanted, wanted) == 0
    assert metrics.nmse(wanted + np.array([3, 4]), wanted) == pytest.approx(25 / 100)
    assert metrics.nmse(2 * wanted + [[6, 8]], 2 * wanted) == pytest.approx(25 / 100)


def test_csim_by_hand():
    assert metrics.csim(np.array([1.0, 0]), np.array([2.0, 2])) == pytest.approx(0.5**0.5)
    assert metrics.csim(np.array([1.0, 0]), np.array([-3.0, 0])) == pytest.approx(-1)


def test_the_frechet_distance_by_hand():
    a = np.array([[-1.0, 0], [1, 0], [0, -1], [0, 1]])  # variances 2/3 and 2/3
    b = a * [2, 3] + [5, 0]
    expected = 25 + (2 / 3) * ((2 - 1) ** 2 + (3 - 1) ** 2)
    assert metrics.frechet_distance(a, b) == pytest.approx(expected)
    assert metrics.frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert metrics.frechet_distance(a, b) == pytest.approx(metrics.frechet_distance(b, a))


def test_relativistic_losses_by_hand():
    real, fake = torch.tensor([2.0, 0.0]), torch.tensor([-1.0, 1.0])
    # means 1 and 0: real - 0 - 1 = 1, -1; fake - 1 + 1 = -1, 1
    assert float(discriminator_loss(real, fake)) == pytest.approx(1 + 1)
    # real - 0 + 1 = 3, 1; fake - 1 - 1 = -3, -1
    assert float(adversarial_loss(real, fake)) == pytest.approx(5 + 5)
    ones = torch.ones(3)
    assert float(discriminator_loss(ones, 0 * ones)) == 0
    assert float(adversarial_loss(0 * ones, ones)) == 0


def test_content_and_identity_losses_by_hand():
    truth, fake = torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.5)
    assert float(content_loss(fake, truth, lambda x: 2 * x)) == pytest.approx(0.06 + 0.5 * 0.25)
    a, b = torch.tensor([[3.0, 0]]), torch.tensor([[0, 2.0]])
    assert float(squared_distance(a, b)) == pytest.approx(2)
    assert float(cosine_distance(a, b)) == pytest.approx(1)


def test_arcface_adds_its_margin_to_the_own_angle():
    embedded, centres = torch.tensor([[1.0, 0]]), torch.tensor([[2.0, 0], [0, 1.0]])
    person = torch.tensor([0])
    without = arcface_loss(embedded, centres, person, margin=0.0, scale=1.0)
    assert float(without) == pytest.approx(np.log(1 + np.exp(-1)), abs=2e-3)
    with_margin = arcface_loss(embedded, centres, person, margin=0.5, scale=1.0)
    assert float(with_margin) == pytest.approx(np.log(1 + np.exp(-np.cos(0.5))), abs=2e-3)


# -- persons


def made_table(n_persons=10, expressions=("sad", "happy", "calm")):
    rows = [(f"{p}-{e}", f"p{p}", e) for p in range(n_persons) for e in expressions]
    return pd.DataFrame(rows, columns=["path", "person", "expression"])


def test_a_split_by_person_shares_nobody():
    table = persons.split(made_table(20), "many-to-many")
    assert (table.groupby("person").part.nunique() == 1).all()
    counts = table.groupby("part").person.nunique()
    assert counts.to_dict() == {"test": 4, "train": 14, "validate": 2}


def test_a_split_one_to_one_shares_no_expression():
    table = persons.split(made_table(2, [f"e{k}" for k in range(10)]), "one-to-one")
    assert (table.groupby("expression").part.nunique() == 1).all()
    assert table.groupby("part").expression.nunique().to_dict() == {
        "test": 2,
        "train": 7,
        "validate": 1,
    }


def test_too_few_persons_are_refused():
    with pytest.raises(
        ReenactmentError, match="needs at least 3 different values of person; got 2"
    ):
        persons.split(made_table(2), "many-to-many")


def test_the_truth_has_the_targets_person_and_the_sources_expression():
    table = persons.split(made_table(), "many-to-many")
    drawn = persons.round_of(table, "train")
    assert sorted(one.truth for one in drawn) == table.index[table.part == "train"].tolist()
    for one in drawn:
        assert table.person[one.truth] == table.person[one.target]
        assert table.expression[one.truth] == table.expression[one.source]
        assert one.target != one.truth
        assert one.source != one.truth
        assert {table.part[row] for row in one} == {"train"}


def test_without_expressions_the_source_is_the_truth():
    table = made_table()
    table = persons.split(table.assign(expression=table.path), "many-to-many")
    assert all(one.source == one.truth for one in persons.round_of(table, "train"))


def test_both_layouts_are_listed(tmp_path):
    picture = Image.new("RGB", (4, 4))
    for name in ("folders/anna/1.png", "folders/ben/x/2.png", "cfee/happy/012_a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        picture.save(tmp_path / name)
    listed = persons.list_folders(tmp_path / "folders")
    assert sorted(listed.person) == ["anna", "ben"]
    assert listed.expression.nunique() == 2
    listed = persons.list_cfee(tmp_path / "cfee")
    assert listed[["person", "expression"]].to_numpy().tolist() == [["012", "happy"]]


# -- pictures


def test_a_picture_says_that_it_is_synthetic(tmp_path):
    face = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    save_marked(tmp_path / "a.png", face)
    with Image.open(tmp_path / "a.png") as image:
        assert "neural network" in image.text["Synthetic"]
        strip = np.asarray(image)[-STRIP:]
    assert strip.min() < 64
    assert strip.mean() > 128  # dark letters on white
    np.testing.assert_array_equal(read_marked(tmp_path / "a.png"), face)
    Image.fromarray(face).save(tmp_path / "b.png")
    with pytest.raises(ReenactmentError, match="was not written by"):
        read_marked(tmp_path / "b.png")


def test_expressions_move_the_landmarks():
    expect_packages("dlib")
    image = Image.open(SAMPLES / "mobilestylegan_200.webp").convert("RGB").reduce(2)
    styles = np.random.default_rng(0).normal(size=(16, 6)) * [4, 1, 1, 1, 1, 1]
    faces = [np.asarray(image.resize((round(256 + 6 * style[0]), 256))) for style in styles]
    scores = fit_scores(styles, faces)  # the first number of a style alone makes faces wider
    assert abs(scores.coef_[0, 0]) > 5 * np.abs(scores.coef_[0, 1:]).max()
    moved = with_scores(styles, np.array([1.0, -2, 0, 1]), scores)
    np.testing.assert_allclose(scores.predict(moved), [[1, -2, 0, 1]] * 16, atol=1e-9)


# -- networks and training


@pytest.fixture
def networks():
    expect_packages("segmentation_models_pytorch")
    from benchmarks.reenactment import networks

    return networks


@pytest.mark.parametrize("backbone", ["MobileNetV2", "InceptionResNetV2", "ResNeXt-101 32x8d"])
def test_every_backbone_gives_five_maps(networks, backbone):
    with torch.no_grad():
        maps = networks.Pyramid(backbone, 8).eval()(torch.zeros(1, 3, 64, 64))
    assert [tuple(m.shape) for m in maps] == [(1, 8, 64 >> k, 64 >> k) for k in range(1, 6)]


def test_generator_and_discriminator_have_their_shapes(networks):
    generator = networks.Generator(networks.Options(width=8)).eval()
    landmarks, target = torch.zeros(2, 1, 64, 96), torch.rand(2, 3, 64, 96) * 2 - 1
    with torch.no_grad():
        made = generator(landmarks, target)
        assert made.shape == target.shape
        assert made.abs().max() <= 1
        for layer in (generator.last[-1].weight, generator.last[-1].bias):
            layer.zero_()
        torch.testing.assert_close(generator(landmarks, target), target)  # the skip connection
        scores = networks.Discriminator(8)(torch.zeros(1, 3, 256, 256), torch.zeros(1, 1, 256, 256))
    assert scores.shape == (1, 1, 30, 30)  # patches of 70 x 70


def test_the_lowest_map_is_taken_from_the_target_alone(networks):
    generator = networks.Generator(networks.Options(width=8)).eval()
    landmarks, target = torch.zeros(1, 1, 64, 64), torch.zeros(1, 3, 64, 64)
    changed = []
    with torch.no_grad():
        before = generator(landmarks, target)
        for pyramid in (generator.source, generator.target):
            pyramid.lateral[0].bias += 1  # that of the lowest map
            changed.append(not torch.equal(generator(landmarks, target), before))
    assert changed == [False, True]


def test_siamese_encoders_are_one_and_instance_norm_replaces_batch_norm(networks):
    generator = networks.Generator(networks.Options(width=8, siamese=True, norm="instance"))
    assert generator.source is generator.target
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in generator.modules())
    two = networks.Generator(networks.Options(width=8))
    count = [sum(p.numel() for p in g.parameters()) for g in (generator, two)]
    assert count[0] < 0.6 * count[1]


class Blocks(torch.nn.Module):
    """Means over blocks of a picture: a content network and embedder without weights."""

    def forward(self, x):
        return torch.nn.functional.avg_pool2d(x, 8).flatten(1)


def make_faces(n_persons=4, n_each=3, seed=0):
    rng = np.random.default_rng(seed)
    n = n_persons * n_each
    coarse = rng.integers(0, 256, (n, 8, 8, 3), np.uint8)
    faces = np.stack([np.asarray(Image.fromarray(c).resize((SIZE, SIZE))) for c in coarse])
    table = made_table(n_persons, [f"e{k}" for k in range(n_each)])
    landmarks = rng.uniform(60, 200, (n, 68, 2))
    table = persons.split(table.assign(expression=table.path), "many-to-many")
    return persons.Persons(table, faces, landmarks)


def make_run(**options):
    from benchmarks.reenactment.training import Options, Run

    return Run(Options(width=8, size=64, batch=4, **options), Blocks(), Blocks())


def test_a_step_lowers_the_loss_of_each_network_on_its_batch(networks):
    from benchmarks.reenactment.training import Batch

    faces, run = make_faces(), make_run()
    batch = Batch(faces, persons.round_of(faces.table, "train")[:4], 64)
    made = run.generator(batch.landmarks, batch.target).detach()
    before = run.step(batch)
    assert run.discriminator_loss(made, batch.truth, batch.landmarks) < before["discriminator"]
    again = run.generator(batch.landmarks, batch.target)
    assert run.generator_loss(again, batch.truth, batch.landmarks) < before["generator"]


def test_the_weights_are_those_of_content_adversary_and_identity(networks):
    from benchmarks.reenactment.losses import WEIGHTS
    from benchmarks.reenactment.training import Batch

    assert WEIGHTS == (0.01, 0.001, 0.001)
    faces = make_faces()
    batch = Batch(faces, persons.round_of(faces.table, "train")[:4], 64)

    def loss(*weights):
        with torch.no_grad():
            run = make_run(weights=weights)  # the same networks every time
            return float(run.generator_loss(batch.target, batch.truth, batch.landmarks))

    seen, wanted = (batch.target + 1) / 2, (batch.truth + 1) / 2
    assert loss(1, 0, 0) == pytest.approx(float(content_loss(seen, wanted, Blocks())))
    assert loss(0, 0, 1) == pytest.approx(float(squared_distance(Blocks()(seen), Blocks()(wanted))))
    expected = 2 * loss(1, 0, 0) + 3 * loss(0, 1, 0) + 5 * loss(0, 0, 1)
    assert loss(2, 3, 5) == pytest.approx(expected)
    assert loss(0, 1, 0) > 0


def test_a_resumed_training_gives_the_same_networks(networks, tmp_path):
    faces = make_faces()
    whole, first = make_run(), make_run()
    rows = [whole.epoch(faces) for _ in range(2)]
    first.epoch(faces)
    first.save(tmp_path)
    second = make_run()
    second.resume(tmp_path)
    assert second.epoch(faces) == rows[1]
    for a, b in zip(
        whole.generator.state_dict().values(),
        second.generator.state_dict().values(),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    with pytest.raises(ReenactmentError, match="a training with other options"):
        make_run(norm="instance").resume(tmp_path)


def test_the_rate_falls_on_a_plateau_and_every_epoch_draws_anew(networks):
    faces, run, seen = make_faces(), make_run(patience=1), []

    def step(batch):
        seen.append(batch.target)
        return {"discriminator": 0.0, "generator": 0.0}

    run.step, run.validate = step, lambda persons: 1.0
    rates = [run.epoch(faces)["learning_rate"] for _ in range(4)]
    assert rates == pytest.approx([1e-4, 1e-4, 1e-4, 1e-5])
    n = len(seen) // 4
    assert not torch.equal(torch.cat(seen[:n]), torch.cat(seen[n : 2 * n]))


def test_generating_in_train_mode_leaves_the_statistics_as_they_are(networks):
    from benchmarks.reenactment.training import Batch, reenacted

    faces, run = make_faces(), make_run()
    batch = Batch(faces, persons.round_of(faces.table, "train")[:4], 64)
    before = [value.clone() for value in run.generator.buffers()]
    made = [reenacted(run.generator, batch, train_mode=mode) for mode in (True, False)]
    assert not torch.equal(*made)
    for old, new in zip(before, run.generator.buffers(), strict=True):
        torch.testing.assert_close(old, new, rtol=0, atol=0)


# -- networks that look at faces


def test_extractors_are_loaded_by_name(tmp_path):
    file = tmp_path / "arcface.pt"
    torch.save(SmallArcFace().state_dict(), file)
    assert load_embedder(f"arcface={file}")(torch.zeros(2, 3, 64, 64)).shape == (2, 128)
    own = load_content(f"{__name__}:Blocks")
    assert own(torch.zeros(1, 3, 64, 64)).shape == (1, 192)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nonsense", "names no network"),
        ("vgg19=nowhere.pth", "there is no such file"),
        ("arcface=x", "unknown network 'arcface'"),
        ("nowhere:Net", "cannot load"),
    ],
)
def test_wrong_names_of_networks_are_refused(name, message):
    with pytest.raises(ReenactmentError, match=message):
        load_content(name)


# -- the commands


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Faces of three persons who do not exist, of four widths each."""
    expect_packages("dlib", "segmentation_models_pytorch")
    folder = tmp_path_factory.mktemp("reenact")
    for file in SAMPLES.glob("*.webp"):
        person = folder / "pictures" / file.stem
        person.mkdir(parents=True)
        image = Image.open(file).convert("RGB").reduce(2)
        for percent in (80, 92, 105, 120):  # of its width
            size = (image.width * percent // 100, image.height)
            image.resize(size).save(person / f"{percent}.png")
    return folder


MANY = ("many-to-many", ())


def run(step, work, *arguments):
    return main(["reenact", step, "--work", str(work / "faces"), *map(str, arguments)])


def test_the_steps_make_and_measure_reenacted_faces(work, capsys):
    own = f"{__name__}:Blocks"
    assert run("prepare", work, "--pictures", work / "pictures") == 0
    assert run("embedder", work, "--epochs", 1) == 0
    training = ("--content", own, "--embedder", f"arcface={work / 'faces' / 'arcface.pt'}")
    training += ("--size", 128, "--epochs", 1, "--batch", 4)
    assert run("train", work, *training) == 0
    assert run("generate", work) == 0
    assert run("measure", work, "--features", own) == 0
    assert run("detect", work, "--epochs", 1) == 0
    said = capsys.readouterr().out
    assert "12 faces of 3 persons" in said
    for text in (
        "eval mode",
        "truth",
        "mesoinception4",
        "H.264, crf 40",
    ):
        assert text in said
    sheet = read_marked(work / "faces" / "reenactment.png").reshape(4, 128, 4, 128, 3)
    table = pd.read_csv(work / "faces" / "run" / "generated" / "test" / "generated.csv")
    faces = persons.reduced(persons.load(work / "faces").faces, 128)
    triples = np.array(table[table["mode"] == "eval"][["source", "target", "truth"]])
    of_test = np.flatnonzero(
        persons.chosen(persons.load(work / "faces"), *MANY).table.part == "test"
    )
    assert set(triples.ravel()) == set(of_test)
    for row, (source, target, truth) in zip(sheet, triples, strict=True):
        for column, face in zip((0, 1, 3), (source, target, truth), strict=True):
            np.testing.assert_array_equal(row[:, column], faces[face])
    measured = pd.read_csv(work / "faces" / "reenactment_measures.csv").set_index("faces")
    assert measured.CSIM["truth"] > 0.99  # the source is the truth here
    assert measured.NMSE["truth"] < measured.NMSE["target"]
    for name in ("meso4", "mesoinception4"):
        assert (work / "faces" / "run" / "detectors" / name / "best.safetensors").exists()
    generated = work / "faces" / "run" / "generated"
    for part in persons.PARTS:
        files = list((generated / part).glob("*.png"))
        assert len(files) == 8  # both modes of four faces
        assert all(read_marked(file).shape == (128, 128, 3) for file in files)


def test_every_step_in_the_docs_is_one():
    text = (Path(__file__).parents[2] / "docs" / "measured_reenactment.md").read_text("utf-8")
    named = set(re.findall(r"python -m benchmarks reenact (\w+)", text))
    assert len(named) == 7
    for step in named:
        with pytest.raises(SystemExit, match="0"):
            main(["reenact", step, "--help"])


def test_errors_have_no_traceback(work, tmp_path, capsys):
    assert run("train", tmp_path, "--content", "a:b", "--embedder", "a:b") == 2
    assert "holds no faces: run `reenact prepare` first" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert run("prepare", tmp_path, "--pictures", tmp_path / "empty") == 2
    assert "holds no person with two faces" in capsys.readouterr().err
    assert run("measure", work, "--name", "other") == 2
    assert "holds no trained network" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("step", "arguments", "message"),
    [
        ("train", ("--size", 100), "invalid choice: 100"),
        ("train", ("--batch", 0), "invalid count value: '0'"),
        ("embedder", ("--epochs", 0), "invalid count value: '0'"),
        ("train", ("--device", "x"), "invalid choice: 'x'"),
    ],
)
def test_wrong_numbers_are_refused(step, arguments, message, tmp_path, capsys):
    named = ("--content", "a:b", "--embedder", "a:b") if step == "train" else ()
    with pytest.raises(SystemExit, match="2"):
        run(step, tmp_path, *named, *arguments)
    assert message in capsys.readouterr().err


def test_files_of_something_else_are_refused(tmp_path, capsys):
    junk, tensors = tmp_path / "junk.pt", tmp_path / "tensors.pt"
    junk.write_text("no tensors")
    torch.save({"a": torch.zeros(1)}, tensors)
    for file, message in (
        (junk, "holds no tensors that torch saved"),
        (tensors, "holds the weights of another network"),
    ):
        with pytest.raises(ReenactmentError, match=message):
            load_embedder(f"arcface={file}")
    checkpoint = tmp_path / "faces" / "run" / "checkpoint.pt"
    checkpoint.parent.mkdir(parents=True)
    tensors.rename(checkpoint)
    assert run("generate", tmp_path) == 2
    assert "holds no training" in capsys.readouterr().err
