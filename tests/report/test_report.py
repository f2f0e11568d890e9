"""Reports: content, escaping and files; test_report_browser.py tests their looks."""

import concurrent.futures
import dataclasses
import re
import subprocess
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from helpers import make_picture, rich_extractions, run, scores_of_two_groups, train_panel

pytest.importorskip("jinja2", reason="reports need the extra report")
from PIL import Image, PngImagePlugin

import freqfake
from freqfake._text import printable
from freqfake.batch.copies import as_jpeg
from freqfake.cli import main
from freqfake.evidence.calibration import posterior
from freqfake.exceptions import OperatingPointError
from freqfake.model_files.state import read_manifest
from freqfake.pictures.reading import read_bytes
from freqfake.report import examine, make_report, write_reports
from freqfake.report.batch import page_name
from freqfake.report.page import render

HOSTILE = "<script>window.hacked = 1</script>\"'></style></title><img src=x onerror=hacked=1>"
HIDDEN = "a\u202eb\x00c\x1b[31md\u200be\udce9f\u2028g"


@pytest.fixture(scope="module")
def faces():
    return freqfake.load_detector()


@pytest.fixture(scope="module")
def fake(samples, faces):
    return make_report(samples / "fake" / "mobilestylegan_201.webp", faces)


class Page(HTMLParser):
    """Tags of a page with their attributes, and its text."""

    VOID = frozenset({"meta", "link", "img", "br", "path", "circle", "input"})

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.words = [], [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.words.append(data)

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def test_facts_of_a_known_fake(samples, faces):
    path = samples / "fake" / "mobilestylegan_201.webp"
    before = datetime.now(UTC)
    found = examine(path, "faces", prior=0.1)
    row = faces.score([path], prior=0.1).iloc[0]
    assert (found.verdict, found.score, found.llr) == ("fake", row["score"], row["llr"])
    assert found.p_fake == row["p_fake"] == pytest.approx(found.p_fake_at(0.1))
    assert found.p_fake_at(0.5) == pytest.approx(float(posterior(row["llr"])))
    assert list(found.features.values()) == freqfake.asynchrony_features(path).tolist()
    assert found.contributions == faces.contributions(path)
    real, generated = faces.evidence_for(freqfake.rich_features(path)).held_out_
    assert found.shares_beyond == ((real >= found.score).mean(), (generated >= found.score).mean())
    assert (found.facts.width, found.facts.coding) == (1024, "lossless")
    assert found.provenance.n_bytes == path.stat().st_size
    assert before <= found.made_at <= datetime.now(UTC)
    assert found.versions["numpy"] == np.__version__


@pytest.mark.parametrize(
    ("name", "n_calls"), [("real/astronaut.png", 1), ("fake/mobilestylegan_201.webp", 2)]
)
def test_features_are_computed_once(name, n_calls, samples, faces):
    """And once more for the compressed copy that a verdict is tried on."""
    calls = []

    def count(frame, event, argument):
        if event == "call" and frame.f_code is freqfake.rich_features.__code__:
            calls.append(frame)

    sys.setprofile(count)
    try:
        examine(samples / name, faces)
    finally:
        sys.setprofile(None)
    assert len(calls) == n_calls


def test_facts_of_the_model(samples, faces):
    path = samples / "real" / "chelsea.png"
    found = examine(path, "lewoo")
    model = found.model
    assert model.sha256 == read_manifest("lewoo")["sha256"]
    assert (model.name, model.features, model.max_fpr) == ("lewoo", "asynchrony", None)
    assert found.bounds[0] < 0 < found.bounds[1]
    assert found.threshold == -np.inf
    found = examine(path, faces, max_fpr=0.005)
    assert (found.model.sha256, found.model.max_fpr) == (faces.sha256, 0.005)
    evidence = faces.evidence_for(freqfake.rich_features(path))
    assert found.threshold == faces.threshold(0.005, evidence=evidence)
    assert found.threshold > examine(path, faces).threshold


@pytest.mark.slow
def test_the_evidence_is_that_of_the_delivery(tmp_path):
    """Two copies of a picture, for a model that distinguishes their deliveries."""
    detector = train_panel(*rich_extractions(80), max_fpr=0.2, scores=scores_of_two_groups(80))
    classifier = detector.classifier
    picture = make_picture(0, asynchrony=0.3, size=96)
    copies = [picture, read_bytes(as_jpeg(Image.fromarray(picture), 30, "4:2:0"))[0]]
    first, second = (freqfake.rich_features(copy) for copy in copies)
    # The delivery of the first copy is that of the first member, and so for the second.
    classifier.mean_, classifier.scale_ = (first + second) / 2, np.abs(first - second) + 1e-3
    step = (second - first) / classifier.scale_
    classifier.delivery_coef_ = np.array([0 * step, 4 * step / (step @ step)])
    classifier.delivery_intercept_ = np.array([10.0, 2.0])
    texts = []
    for copy, part in zip(copies, detector.by_delivery.parts_, strict=True):
        report = make_report(copy, detector)
        found, calibrator = report.examination, part.calibrator_
        assert found.held_out is part.held_out_
        assert found.bounds == (calibrator.lower_bound_, calibrator.upper_bound_)
        assert found.threshold == detector.threshold(evidence=part)
        assert found.shares_beyond == tuple((side >= found.score).mean() for side in part.held_out_)
        texts.append(Page(report.html).text)
        assert (
            f"limit of 20 % false alarms: fake only above the score {found.threshold:.2f}"
            in texts[-1]
        )
        low, high = (f"{bound:+.2f}".replace("-", "\N{MINUS SIGN}") for bound in found.bounds)
        assert f"{low} to {high}" in texts[-1]
    small = examine(np.zeros((8, 8, 3), np.uint8), detector)
    assert (small.held_out, small.shares_beyond) == (detector.held_out, ())
    assert small.threshold == detector.threshold()


def test_page_has_all_findings(fake):
    page = Page(fake.html)
    found = fake.examination
    for words in (
        "Report on mobilestylegan_201.webp",
        "Verdict Fake",
        found.reason,
        "about 350 times more probable if the picture was generated",
        found.words,
        found.provenance.sha256,
        "1024 x 1024",
        "none found",
        "diffusion models",
        "They were not used for the score",
        *(f"{value:.4f}" for value in found.features.values()),
        "Likelihood ratio about 350 to 1 (log10 +2.6)",
        "the model's default limit of 1 % false alarms: fake only above",
        np.__version__,
        found.made_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
    ):
        assert words.lower() in page.text.lower(), words
    for name, part in found.contributions.items():
        assert name in page.text
        assert f" {part:+.2f}".replace("-", "\N{MINUS SIGN}") in page.text


def test_page_is_self_contained_and_valid(fake):
    page = Page(fake.html)
    assert len(fake.html) < 2_000_000
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, attributes)
        assert not any(name.startswith("on") for name in attributes)
    assert not page.all("script")
    policy = next(a["content"] for a in page.all("meta") if "http-equiv" in a)
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "script-src" not in policy
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = {a["href"][1:] for a in page.all("a") if a["href"].startswith("#")}
    wanted |= {a["xlink:href"][1:] for a in page.all("use")}
    wanted |= {a["aria-labelledby"] for _, a in page.tags if "aria-labelledby" in a}
    wanted |= set(re.findall(r"url\(#(.*?)\)", fake.html))
    assert wanted <= set(ids)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip([0, *levels], levels, strict=False))
    assert all(image.get("alt") for image in page.all("img"))
    assert page.all("html")[0]["lang"] == "en"
    assert "#0072b2" not in fake.html.lower()  # figures are in the colours of the page
    assert "#000000" not in fake.html


def test_a_model_on_the_six_features_draws_them(samples):
    report = make_report(samples / "fake" / "mobilestylegan_201.webp", "lewoo")
    assert (report.verdict, report.examination.contributions) == ("fake", {})
    text = Page(report.html).text
    assert "The six features among those of known real and generated pictures" in text
    assert "4:2:0 JPEG can look like this too" in text
    assert "They also depend on the past" in text


def test_inconclusive_is_a_result(samples, faces):
    report = make_report(samples / "real" / "astronaut.png", faces)
    text = Page(report.html).text
    assert report.verdict == "inconclusive"
    assert "The findings do not allow a verdict" in text
    assert "too close to call" in report.reason
    assert report.reason in text
    assert "File written by Adobe Photoshop" in text


def test_outside_the_domain_there_is_no_evidence(faces):
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    report = make_report(noise, faces)
    assert (report.verdict, report.llr, report.p_fake) == ("inconclusive", 0, 0.5)
    assert "unlike the training pictures" in report.reason
    assert "The likelihood ratio is 1" in Page(report.html).text


def test_real_is_not_proof(fake, faces):
    real = dataclasses.replace(fake.examination, verdict="real", llr=-1.2, reason="moderate")
    text = Page(render(real, faces)).text
    assert "Verdict Real" in text
    assert "This is not proof that the picture is real" in text
    assert "about 16 times more probable if the picture is real than if it was generated" in text


def test_pictures_in_memory(samples, faces, tmp_path):
    array = make_picture(0, asynchrony=0.3, size=96)
    report = make_report(array, faces, name="from a camera")
    assert (report.examination.name, report.examination.path) == ("from a camera", "")
    assert report.examination.provenance is None
    assert "given in memory: there is no file" in Page(report.html).text
    with Image.open(samples / "real" / "retina.jpg") as image:
        found = examine(image, faces)
    assert found.facts.coding == "JPEG 4:2:0"
    assert found.score == examine(samples / "real" / "retina.jpg", faces).score


def test_unreadable_picture_has_a_page(faces, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    report = make_report(tmp_path / "text.png", faces)
    text = Page(report.html).text
    assert (report.verdict, report.examination.facts) == ("", None)
    assert np.isnan(report.llr)
    assert "not a picture" in report.error
    assert "Verdict No verdict" in text
    assert report.error in text
    assert report.examination.provenance.sha256 in text
    missing = make_report(tmp_path / "missing.png", faces)
    assert "no such file" in missing.error
    assert "The file could not be opened" in Page(missing.html).text


def unusual_pictures():
    picture = Image.fromarray(make_picture(0, asynchrony=0.3))
    ramp = np.linspace(-3, 3, 4096, dtype=np.float32).reshape(64, 64)
    yield "grey.png", picture.convert("L"), {}
    yield "one.png", picture.crop((0, 0, 1, 1)), {}
    yield "narrow.png", picture.crop((0, 0, 64, 3)), {}
    yield "black.png", Image.new("RGB", (70, 90)), {}
    yield "cmyk.jpg", picture.convert("CMYK"), {}
    yield "palette.png", picture.quantize(16), {}
    yield "bit.png", picture.convert("1"), {}
    yield "alpha.png", picture.convert("LA").convert("RGBA"), {}
    yield "deep.png", Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64)), {}
    yield "float.tif", Image.fromarray(ramp), {}
    yield "moving.gif", picture, {"save_all": True, "append_images": [picture.rotate(90)]}
    yield "wide.png", Image.fromarray(make_picture(1, asynchrony=0.3, size=300)[:10]), {}


@pytest.mark.parametrize("unusual", list(unusual_pictures()), ids=lambda unusual: unusual[0])
def test_unusual_pictures_have_pages(unusual, faces, tmp_path):
    name, image, options = unusual
    image.save(tmp_path / name, **options)
    report = make_report(tmp_path / name, "lewoo" if name in ("one.png", "bit.png") else faces)
    text = Page(report.html).text
    assert report.error or report.verdict == "inconclusive"
    assert (report.error or report.reason) in text
    assert "nan" not in text.split()
    assert ("Not drawn" in text) == (name in ("one.png", "narrow.png", "float.tif"))
    assert ("cannot be shown" in text) == (name == "float.tif")


def test_large_picture_makes_a_small_page(faces, tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (1800, 2200, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    report = make_report(tmp_path / "a.png", faces)
    assert len(report.html) < 2_000_000
    assert "Only the middle of this large picture is drawn" in Page(report.html).text


def hostile_file(folder):
    texts, data = PngImagePlugin.PngInfo(), Image.Exif()
    texts.add_text("prompt", HOSTILE)
    texts.add_text("javascript:alert(1)", HIDDEN.replace("\x00", "").replace("\udce9", ""))
    texts.add_text("long", "A" * 1_000_000)
    data[0x010F], data[0x0131] = HOSTILE, "\x1b[31m" + HOSTILE
    data[0x9286] = bytes(range(256)) * 40
    path = folder / (HOSTILE.replace("/", "_") + "\n\u202e\t.png")
    Image.fromarray(make_picture(0, asynchrony=0.3)).save(path, pnginfo=texts, exif=data)
    return path


@pytest.fixture
def hostile(tmp_path):
    try:
        return hostile_file(tmp_path)
    except OSError:
        pytest.skip("this file system does not take such names")


def test_hostile_texts_are_escaped(hostile, faces):
    report = make_report(hostile, faces)
    page = Page(report.html)
    assert {tag for tag, _ in page.tags} & {"script", "iframe", "object", "embed"} == set()
    assert len(page.all("title")) == len(page.all("style")) == 1
    assert all(image["src"].startswith("data:image/") for image in page.all("img"))
    assert page.text.count(HOSTILE) == 5  # two tags, camera, software, prompt
    assert "(1000000 characters in all)" in page.text
    assert len(report.html) < 1_500_000
    for character in "\u202e\x1b\x00\u200b\u2028":
        assert character not in report.html
    assert "10240 bytes: 00 01 02" in page.text


def test_excessive_metadata_is_cut_and_the_page_says_so(tmp_path, faces):
    texts = PngImagePlugin.PngInfo()
    for number in range(400):
        texts.add_text(f"{number}" + "\x9b" * 60, "\x1b<" * 20_000, zip=True)
    Image.fromarray(make_picture(0, asynchrony=0.3)).save(tmp_path / "a.png", pnginfo=texts)
    report = make_report(tmp_path / "a.png", faces)
    page = Page(report.html)
    assert len(report.html) < 3_000_000
    assert "The first 300 of 400 are shown" in page.text
    assert page.text.count("(40000 characters in all)") == 300
    problems = tuple(f"problem {number}" for number in range(1000))
    origin = dataclasses.replace(report.examination.provenance, problems=problems)
    text = Page(render(dataclasses.replace(report.examination, provenance=origin), faces)).text
    assert ("problem 19" in text, "problem 20" in text) == (True, False)
    assert "The first 20 of 1000 problems are shown" in text


def test_hidden_characters_are_written_out():
    assert printable(HIDDEN) == r"a\u202eb\x00c\x1b[31md\u200be\xe9f\u2028g"
    assert printable("a\nb\tc") == r"a\nb\tc"
    assert printable("a\nb\tc", lines=True) == "a\nb\tc"
    assert printable("caf\xe9 \u0645\u0631\u062d\u0628\u0627 \U0001f600") == (
        "caf\xe9 \u0645\u0631\u062d\u0628\u0627 \U0001f600"
    )
    assert printable("\U000e0041") == r"\U000e0041"
    assert printable("x" * 3000, limit=2000) == "x" * 2000 + " ... (3000 characters in all)"


def test_frame_for_notebooks(fake):
    frame = Page(fake._repr_html_()).all("iframe")
    assert len(frame) == 1
    assert frame[0]["srcdoc"] == fake.html
    assert frame[0]["sandbox"] is None
    assert "mobilestylegan_201" in frame[0]["title"]


def test_threads_make_the_same_pages(faces):
    images = [make_picture(seed, asynchrony=0.3) for seed in range(2)]

    def page(image):
        return re.sub(r"20\d\d-\d\d-\d\d (at )?\d\d:\d\d:\d\d", "", make_report(image, faces).html)

    one_by_one = [page(image) for image in images]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert list(pool.map(page, images)) == one_by_one


def test_only_reports_are_replaced(fake, tmp_path):
    page, other = tmp_path / "r.html", tmp_path / "thesis.html"
    fake.save(page)
    assert page.read_text(encoding="utf-8") == fake.html
    fake.save(page)
    other.write_text("<p>my thesis</p>")
    with pytest.raises(FileExistsError, match="not a freqfake report"):
        fake.save(other)
    assert other.read_text() == "<p>my thesis</p>"
    with pytest.raises(IsADirectoryError, match="got a folder"):
        fake.save(tmp_path)
    with pytest.raises(OSError, match="none"):
        fake.save(tmp_path / "none" / "r.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.html", "thesis.html"]


def test_a_failed_write_leaves_the_old_page(fake, tmp_path, monkeypatch):
    page = tmp_path / "r.html"
    fake.save(page)

    def fail(self, target):
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        fake.save(page)
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]
    assert page.read_text(encoding="utf-8") == fake.html


@pytest.fixture
def folder(tmp_path, samples):
    """Two pictures of the same name, one with an unusual name, and a broken file."""
    root = tmp_path / "pictures"
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        image = Image.fromarray(make_picture(ord(name), asynchrony=0.3))
        image.save(root / name / "same.png")
    image.save(root / "\u00fc ber&?#%.png")
    (root / "broken.png").touch()
    return root


def test_many_reports(folder, tmp_path):
    out = tmp_path / "out"
    listed = write_reports(folder, out)
    pages = {row.page for row in listed}
    assert {path.name for path in out.iterdir()} == {"index.html", *pages}
    assert len(pages) == len(listed) == 4
    assert all(re.fullmatch(r"[a-z0-9-]+\.html", page) for page in pages)
    failed = [row for row in listed if row.error]
    assert [row.name for row in failed] == ["broken.png"]
    index = Page((out / "index.html").read_text(encoding="utf-8"))
    links = [a["href"] for a in index.all("a") if not a["href"].startswith("#")]
    assert sorted(links) == sorted(pages)
    assert "the file is empty" in index.text
    assert len(index.all("script")) == 1
    for page in pages:
        text = (out / page).read_text(encoding="utf-8")
        assert 'href="index.html"' in text
    first = {path.name for path in out.iterdir()}
    write_reports(folder / "a", out)  # over the older ones
    assert {path.name for path in out.iterdir()} == first


def test_wrong_outputs_fail_before_the_work(folder, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError, match="many reports need a folder"):
        write_reports(folder, tmp_path / "file")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        write_reports(folder, tmp_path / "no" / "folder")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("my site")
    with pytest.raises(FileExistsError, match="not a freqfake report"):
        write_reports(folder, tmp_path / "site")
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["index.html"]
    with pytest.raises(ValueError, match="`prior` must lie"):
        write_reports(folder, tmp_path / "out", prior=2)
    with pytest.raises(OperatingPointError):
        write_reports(folder, tmp_path / "out", max_fpr=1e-9)
    assert not (tmp_path / "out").exists()


def test_one_picture_at_a_time(folder):
    for several in (folder, folder / "*.png"):
        with pytest.raises(ValueError, match="one picture is examined at a time"):
            make_report(several)


def test_names_of_pages():
    names = {page_name(path) for path in ("a/x.png", "b/x.png", "a/X.png", "a/x.jpg")}
    assert len(names) == 4
    assert page_name("..").startswith("picture-")
    assert page_name("a/\udce9<b>.png").startswith("b-")
    assert len(page_name("x" * 255)) < 80


@pytest.mark.slow
def test_command(folder, tmp_path):
    options = ["-o", "out", "--prior", "0.1", "--jobs", "2"]
    done = run("report", folder, *options, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr == f"wrote {Path('out', 'index.html')}: 4 pictures: 3 inconclusive, 1 error\n"
    )
    page = tmp_path / "out" / page_name(str(folder / "a" / "same.png"))
    assert "assumes 0.1" in Page(page.read_text(encoding="utf-8")).text


@pytest.mark.parametrize(
    ("picture", "out", "status", "message"),
    [
        ("a/same.png", "r.html", 0, "r.html: inconclusive\n"),
        ("broken.png", "r.html", 1, "r.html: the picture could not be read\n"),
        ("missing.png", "r.html", 1, "r.html: the picture could not be read\n"),
        ("", "all.html", 2, "one picture or video; got 4: give a folder"),
        ("a", "no/r.html", 2, "no such folder for --out"),
        ("a", "broken.png", 2, "many reports need a folder"),
        ("a/same.png", "a/.html", 2, "got a folder"),
    ],
)
def test_command_for_one(folder, picture, out, status, message, capsys):
    (folder / "a" / ".html").mkdir()
    assert main(["report", str(folder / picture), "-o", str(folder / out)]) == status
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""
    assert (folder / out).is_file() == (status < 2 or out == "broken.png")


def test_without_the_packages_the_error_says_what_to_install():
    code = (
        "import sys; sys.modules['jinja2'] = None\n"
        "import freqfake.report as report\n"
        "try: report.make_report('x.png')\n"
        "except freqfake.MissingExtraError as error: print(error)\n"
    )
    code = "import freqfake\n" + code
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "freqfake[report]"' in done.stdout


def luminance(colour):
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_contrast(scheme):
    """Contrast of all text with its background, as in WCAG 2.2 (1.4.3, AA)."""
    style = (resources.files("freqfake.report") / "templates" / "report.css").read_text()
    block = re.findall(r":root \{(.*?)\}", style, re.S)[scheme]
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block))
    for ink in ("ink", "quiet", "link", "real", "fake", "unsure"):
        for ground in ("page", "paper", "soft"):
            light, dark = sorted((luminance(colours[c]) for c in (ink, ground)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground)
    for line in ("green", "pink"):  # of figures (1.4.11)
        light, dark = sorted((luminance(colours[c]) for c in (line, "paper")), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3
