"""The documentation: it builds, its links are valid, its examples run."""

import contextlib
import doctest
import importlib
import importlib.util
import io
import itertools
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import warnings
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import joblib
import pytest

pytest.importorskip("sphinx", reason="the pages need the extra docs")
from PIL import Image

import freqfake
from freqfake import cli

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
BUILDERS = ("furo", "latex2mathml", "myst_nb", "numpydoc", "sphinx", "torch")
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Page(HTMLParser):
    """Links, loaded resources and anchors of a page of the site."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.links, self.loaded, self.ids = path, [], [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids.add(found.get("id"))
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag == "link" and found.get("rel") not in ("canonical", "next", "prev"):
            self.loaded.append(found["href"])
        self.loaded.append(found.get(LOADED.get(tag)) or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site; warnings are errors, and a failed build fails all tests that use it."""
    missing = [name for name in BUILDERS if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f'no {missing[0]}: python -m pip install "freqfake[docs]"')
    out = tmp_path_factory.mktemp("site") / "html"
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run([*command, DOCS, out], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


class TestSite:
    @pytest.mark.slow
    def test_links_lead_to_a_page_and_an_anchor_on_it(self, site, pages):
        broken = [
            (page.path.name, link)
            for page in pages.values()
            for link in page.links
            if not urlsplit(link).scheme and not leads_somewhere(link, page, pages)
        ]
        assert not broken
        assert sum(len(page.links) for page in pages.values()) > 1000

    def test_nothing_is_loaded_from_another_host(self, site, pages):
        wanted = [(p.path.name, url) for p in pages.values() for url in p.loaded if url]
        for style in site.rglob("*.css"):
            found = re.findall(r"(?:url\(|@import)\s*['\"]?([^'\")]+)", style.read_text("utf-8"))
            wanted += [(style.name, url) for url in found if not url.startswith("data:")]
        assert len(wanted) > 100
        outside = [(name, url) for name, url in wanted if urlsplit(url).netloc]
        assert not outside

    def test_formulas_need_no_script(self, site):
        for page in ("method.html", "api_features.html"):  # dollars, and roles in docstrings
            assert (site / page).read_text(encoding="utf-8").count("<math ") > 5

    def test_every_public_name_is_in_the_reference(self, site):
        named = inventory(site, "py:")
        assert named >= {f"freqfake.{name}" for name in freqfake.__all__}
        for name in ("deep", "plots"):
            package = importlib.import_module(f"freqfake.{name}")
            assert named >= {f"freqfake.{name}.{public}" for public in package.__all__}

    def test_every_public_module_is_in_the_reference(self, site):
        """Except those of the command line, which has its own page."""
        package = ROOT / "freqfake"
        found = [
            *package.glob("[a-z]*.py"),
            *(init.parent for init in package.glob("*/__init__.py")),
        ]
        public = {f"freqfake.{path.stem}" for path in found if not path.stem.startswith("cli")}
        assert inventory(site, "py:module") >= public

    def test_every_command_is_in_the_reference(self, site):
        text = re.sub("<[^>]+>", "", (site / "command_line.html").read_text(encoding="utf-8"))
        for words in ("score", "features", "train", "adapt", "evaluate", "audit", "deep frames"):
            assert f"usage: freqfake {words} [" in text
        assert "\x1b" not in text

    def test_every_notebook_is_there(self, site):
        for notebook in (ROOT / "notebooks").glob("*.ipynb"):
            assert (site / "notebooks" / f"{notebook.stem}.html").is_file()


def leads_somewhere(link: str, page: Page, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(link)
    target = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
    return target.is_file() and (not parts.fragment or unquote(parts.fragment) in pages[target].ids)


def inventory(site: Path, kind: str) -> set[str]:
    from sphinx.util.inventory import InventoryFile

    with (site / "objects.inv").open("rb") as file:
        found = InventoryFile.load(file, "", lambda uri, path: path)
    return set(itertools.chain(*(names for key, names in found.items() if key.startswith(kind))))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_are_valid_on_a_code_host(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        badge = re.match(r"\.\./\.\./actions/workflows/([\w.]+)", target)  # GitHub's own pages
        if badge:
            assert (ROOT / ".github" / "workflows" / badge[1]).is_file()
        elif not urlsplit(target).scheme and not target.startswith("#"):
            assert (page.parent / urlsplit(target).path).exists(), target


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    needs: tuple[str, ...]
    is_run: bool


def blocks(page: Path) -> list[Block]:
    """Fenced blocks; a comment before a block gives packages it needs, or why it is not run."""
    text = page.read_text(encoding="utf-8")
    fence = re.compile(
        r"(?:<!-- (needs|not run): ([^\n]*) -->\n)?^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE
    )
    return [
        Block(
            page,
            text.count("\n", 0, match.start(4)) + 1,
            match[3],
            match[4],
            tuple(match[2].split(", ")) if match[1] == "needs" else (),
            match[1] != "not run",
        )
        for match in fence.finditer(text)
    ]


def commands(page: Path) -> list[tuple[str, str]]:
    """Command lines of freqfake on a page, each with the output shown below it."""
    found = []
    for block in blocks(page):
        if block.language in ("console", "sh"):
            text = "$ " + block.text if block.language == "sh" else block.text
            for part in re.split(r"^\$ ", text.replace("\\\n", ""), flags=re.MULTILINE)[1:]:
                line, _, output = part.partition("\n")
                found.append((line, output if block.language == "console" else ""))
    indented = re.findall(r"^ {4}(freqfake .*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    found += [(line, "") for line in indented if not line.startswith("freqfake.")]
    return [
        (command.strip(), output)
        for line, output in found
        for command in re.split(r"&&|\||>", line)
        if command.strip().startswith("freqfake ")
    ]


def test_commands_are_found():
    assert len(list(itertools.chain(*map(commands, PAGES)))) > 40
    assert sum(bool(output) for page in PAGES for _, output in commands(page)) > 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_is_valid(page, capsys):
    for command, _ in commands(page):
        status = 0
        try:
            cli.make_parser().parse_args(shlex.split(command, comments=True)[1:])
        except SystemExit as stop:  # --version and --help exit with status 0
            status = stop.code
        assert status == 0, f"{command}: {capsys.readouterr().err}"


def test_every_named_extra_exists():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(itertools.chain(*(m.split(",") for m in re.findall(r"freqfake\[([\w,]+)\]", text))))
    assert len(named) > 5
    assert named <= set(project["optional-dependencies"])


@pytest.fixture(scope="module")
def stock(tmp_path_factory, samples, picture_folders) -> Path:
    """A folder with the files that the examples use."""
    folder = tmp_path_factory.mktemp("stock")
    shutil.copytree(samples, folder / "tests" / "samples")
    shutil.copytree(samples, folder / "pictures")
    for side, name in (("real", "photographs"), ("fake", "generated")):
        shutil.copytree(picture_folders / side, folder / "unlabelled" / name)
        for few in (name, f"other_{name}"):
            shutil.copytree(picture_folders / side, folder / few, ignore=lambda _, f: f[12:])
    with Image.open(samples / "real" / "astronaut.png") as image:
        image.save(folder / "group.jpg")
        image.crop((160, 0, 320, 160)).save(folder / "face.png")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", freqfake.CalibrationWarning)
        sides = (folder / "photographs", folder / "generated")
        freqfake.train_detector(*sides, features="asynchrony").save(folder / "my.safetensors")
    return folder


@pytest.fixture
def desk(stock, tmp_path, monkeypatch) -> Path:
    """A copy of `stock` as working directory, in which examples may write."""
    shutil.copytree(stock, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


WITH_EXAMPLES = [p for p in PAGES if any(b.language in ("python", "pycon") for b in blocks(p))]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.name)
def test_examples_run(page, desk):
    face = Image.open("face.png").convert("RGB")
    names = {"pil_image": face, "array": freqfake.read_image("face.png")[0]}  # of README.md
    left_out = []
    for block in blocks(page):
        if block.language not in ("python", "pycon"):
            continue
        missing = [name for name in block.needs if importlib.util.find_spec(name) is None]
        if missing:
            left_out.append(f"line {block.line} needs {missing[0]}")
        else:
            # Threads, because processes would start more slowly than the examples run.
            with warnings.catch_warnings(), joblib.parallel_config(backend="threading"):
                warnings.simplefilter("ignore", UserWarning)  # due to few pictures
                run(block, names)
    if left_out:
        pytest.skip("; ".join(left_out))


def run(block: Block, names: dict) -> None:
    place = f"{block.page.name}, line {block.line}"
    if block.language == "python":
        code = compile(block.text, place, "exec")
        if block.is_run:
            exec(code, names)
        return
    examples = doctest.DocTestParser().get_doctest(block.text, names, place, place, block.line)
    report = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(examples, out=report.write, clear_globs=False)
    names.update(examples.globs)
    assert not runner.failures, report.getvalue()


@pytest.mark.parametrize(
    "page", [p for p in PAGES if any(output for _, output in commands(p))], ids=lambda p: p.name
)
def test_commands_print_what_is_shown(page, desk):
    for command, expected in commands(page):
        if expected:
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                assert cli.main(shlex.split(command)[1:]) == 0
            got = printed.getvalue()
            assert doctest.OutputChecker().check_output(expected, got, FLAGS), got
