"""A release: one version, the same commands everywhere, complete packages."""

import os
import re
import runpy
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from datetime import date
from email.parser import HeaderParser
from pathlib import Path

import pytest

import freqfake

ROOT = Path(__file__).parents[1]
PACKAGE = Path(freqfake.__file__).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
HEADINGS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
PYTHONS = ["3.11", "3.12", "3.13"]


def text(*parts: str) -> str:
    return ROOT.joinpath(*parts).read_text(encoding="utf-8")


class TestVersion:
    def test_the_version_is_set_in_one_place(self):
        command = [sys.executable, "-m", "freqfake", "--version"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout == f"freqfake {freqfake.__version__}\n"
        assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|(a|b|rc)\d+)?", freqfake.__version__)
        assert "version" in PROJECT["dynamic"]
        assert "freqfake.__version__" in text("docs", "conf.py")

    def test_the_changelog_begins_with_it_and_is_in_order(self):
        log = text("CHANGELOG.md")
        releases = re.findall(r"^## (\S+) - (\S+)$", log, re.MULTILINE)
        assert len(releases) == len(re.findall("^## ", log, re.MULTILINE))
        assert releases[0][0] == freqfake.__version__
        days = [date.fromisoformat(day) for _, day in releases if day != "unreleased"]
        assert days == sorted(days, reverse=True)
        assert all(day != "unreleased" for _, day in releases[1:])
        assert set(re.findall("^### (.*)$", log, re.MULTILINE)) <= HEADINGS

    def test_the_citation_agrees(self):
        """Its date is that of the changelog, if that has one."""
        citation = text("CITATION.cff")
        fields = dict(re.findall(r"^([\w-]+): (.+)$", citation, re.MULTILINE))
        assert fields["version"] == freqfake.__version__
        assert fields["cff-version"] == "1.2.0"
        assert PROJECT["license"] == f"{fields['license']} AND Apache-2.0"  # of two networks
        assert fields["title"] == PROJECT["name"]
        assert {name for author in PROJECT["authors"] for name in author.values()} == set(
            re.findall(r"^  - name: (.+)$", citation.split("references:")[0], re.MULTILINE)
        )
        day = re.search(r"^## \S+ - (\S+)$", text("CHANGELOG.md"), re.MULTILINE)[1]
        assert fields.get("date-released", "unreleased") == day

    def test_a_tag_matches_the_version_and_has_a_date(self):
        tag = os.environ.get("FREQFAKE_TAG")
        if not tag:
            pytest.skip("not a release: FREQFAKE_TAG is not set")
        assert tag == f"v{freqfake.__version__}"
        assert f"\n## {freqfake.__version__} - 2" in text("CHANGELOG.md")


class TestCommands:
    def readmes(self) -> list[str]:
        blocks = re.findall(r"```sh\n(.*?)```", text("README.md"), re.DOTALL)
        return [line for block in blocks[:2] for line in block.strip().splitlines()]

    def test_readme_ci_and_workflow_run_the_same_commands(self):
        assert len(self.readmes()) == 2
        for command in self.readmes():
            assert f"\n{command} || exit 1\n" in text(".ci", "run")
            assert f"|\n          {command}\n" in text(".github", "workflows", "ci.yml")

    def test_ci_workflow_and_hooks_run_the_same_style_checks(self):
        for command in ("ruff check", "ruff format", "mypy"):
            for place in (".ci/run", ".github/workflows/ci.yml", ".pre-commit-config.yaml"):
                assert re.search(rf"^ *(entry: )?{command}\b", text(place), re.MULTILINE), place

    def test_supported_pythons_are_the_same_everywhere(self):
        named = [c.rsplit(" ", 1)[1] for c in PROJECT["classifiers"] if ":: Python ::" in c]
        assert named == PYTHONS
        assert PROJECT["requires-python"] == f">={PYTHONS[0]}"
        assert f"Python {PYTHONS[0]} to {PYTHONS[-1]}" in text("README.md")
        assert f"python: {PYTHONS}".replace("'", '"') in text(".github", "workflows", "ci.yml")
        assert f'for version in "" {" ".join(PYTHONS[1:])}; do' in text(".ci", "release")

    def test_workflows_request_no_more_than_they_need(self):
        for path in (ROOT / ".github" / "workflows").glob("*.yml"):
            workflow = path.read_text(encoding="utf-8")
            assert "\npermissions: {}\n" in workflow
            assert "secrets." not in workflow
            for action in re.findall(r"uses: ([^.].*)", workflow):
                assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", action)

    def test_files_named_for_contributors_exist(self):
        page = text("CONTRIBUTING.md")
        paths = re.findall(r"`((?:[\w.-]+/)+[\w.-]*|[\w.-]+\.(?:py|md|cff|toml))`", page)
        paths += re.findall(r"\b(tests/\w+\.py)", page)
        assert len(paths) > 15
        made = {"dist/", "freqfake/"} if not (ROOT / "freqfake").is_dir() else {"dist/"}
        missing = {
            path
            for path in set(paths) - made
            if not any((parent / path).exists() for parent in (ROOT, PACKAGE, PACKAGE.parent))
        }
        assert missing == set()
        named = {name for some in re.findall(r"\.\[([\w,-]+)\]", page) for name in some.split(",")}
        assert {"lint", "test"} <= named <= set(EXTRAS)


def test_links_of_the_readme_lead_to_the_repository_from_elsewhere():
    pytest.importorskip("hatchling")
    absolute = runpy.run_path(str(ROOT / "hatch_build.py"))["absolute"]
    page = "[a](b.md) ![p](p.png) [![c](../../x.svg)](../../x) [d](https://e.org) [f](#g) `h[0]`"
    assert absolute(page, "https://host/me/it", "v1") == (
        "[a](https://host/me/it/blob/v1/b.md) ![p](https://host/me/it/raw/v1/p.png) "
        "[![c](https://host/me/it/x.svg)](https://host/me/it/x) [d](https://e.org) [f](#g) `h[0]`"
    )
    whole = absolute(text("README.md"), "https://host/me/it", "v1")
    assert not re.findall(r"\]\((?!https://|http://)", whole)


def test_the_oldest_dependencies_are_the_minima():
    minima = runpy.run_path(str(ROOT / ".ci" / "oldest.py"))["minima"](PROJECT)
    names = [re.match(r"[\w.-]+", one)[0] for one in PROJECT["dependencies"]]
    oldest = dict(one.split("==") for one in minima)
    assert len(oldest) == len(minima)  # no package has two minima
    assert set(names) <= set(oldest)
    for requirement in PROJECT["dependencies"]:
        name, least = requirement.split(">=")
        assert oldest[name] == least


class TestPackages:
    """The packages built by `.ci/release`."""

    @pytest.fixture
    def dist(self) -> Path:
        if not os.environ.get("FREQFAKE_DIST"):
            pytest.skip("no packages: FREQFAKE_DIST is not set, see .ci/release")
        return Path(os.environ["FREQFAKE_DIST"])

    @pytest.fixture
    def wheel(self, dist):
        with zipfile.ZipFile(next(dist.glob("*.whl"))) as archive:
            yield archive

    @pytest.fixture
    def sdist(self, dist) -> dict[str, int]:
        """Sizes of the files in the sdist."""
        with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
            files = [member for member in archive.getmembers() if member.isfile()]
            assert len(files) == len(archive.getmembers())  # no links
        return {member.name.partition("/")[2]: member.size for member in files}

    def test_two_packages_have_this_version(self, dist):
        about = f"freqfake-{freqfake.__version__}"
        names = {path.name for path in dist.iterdir()}
        assert names == {f"{about}-py3-none-any.whl", f"{about}.tar.gz"}

    def test_the_wheel_holds_the_package_and_nothing_else(self, wheel, sdist):
        files = {name for name in wheel.namelist() if ".dist-info/" not in name}
        assert files == {name for name in sdist if name.startswith("freqfake/")}
        assert {
            "freqfake/py.typed",
            "freqfake/model_files/embedded/faces.safetensors",
            "freqfake/cli/__init__.py",
        } <= files
        assert "freqfake/report/templates/base.html.j2" in files
        endings = {Path(name).suffix for name in files}
        texts, data = (
            {".py", ".pyi", ".typed", ".md", ".txt", ".j2", ".css", ".js"},
            {".onnx", ".safetensors"},
        )
        assert endings == texts | data
        about = {Path(name).name for name in wheel.namelist() if ".dist-info/" in name}
        licenses = {"LICENSE", "LICENSE.txt"}
        assert about == {"METADATA", "WHEEL", "RECORD", "entry_points.txt"} | licenses

    def test_the_sdist_holds_the_files_of_a_clone(self, sdist):
        wanted = {"benchmarks", "docs", "freqfake", "notebooks", "tests", ".ci", ".github"}
        wanted |= {"pyproject.toml", ".pre-commit-config.yaml", "CITATION.cff", "LICENSE"}
        wanted |= {
            ".dockerignore",
            ".pre-commit-hooks.yaml",
            "Dockerfile",
            "action.yml",
            "hatch_build.py",
        }
        wanted |= {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}
        tops = {name.partition("/")[0] for name in sdist}
        assert wanted <= tops
        assert {top for top in tops - wanted if not top.endswith(".md")} <= {
            "PKG-INFO",
            ".gitignore",
        }
        assert {"tests/samples/README.md", "tests/conftest.py", "docs/conf.py"} <= set(sdist)
        assert any(name.endswith(".ipynb") for name in sdist)
        caches = r"(^|/)(__pycache__|\.\w+_cache|\.hypothesis|build|dist|docs/notebooks)/"
        leftovers = r"\.(pyc|log|tmp|partial|h5|safetensors|mp4|egg-info)$"
        found = {name for name in sdist if re.search(f"{caches}|{leftovers}", name)}
        places = {"model_files/embedded": ("faces", "lewoo", "student")}
        places |= {"features/student_files": ("student",)}
        places |= {"deep/weights": ("meso4", "mesoinception4")}
        assert found == {
            f"freqfake/{folder}/{name}.safetensors"
            for folder, names in places.items()
            for name in names
        }
        assert max(sdist.values()) < 3_000_000
        assert sum(sdist.values()) < 30_000_000

    def test_the_metadata_match_the_project(self, wheel):
        name = next(name for name in wheel.namelist() if name.endswith("/METADATA"))
        found = HeaderParser().parsestr(wheel.read(name).decode())
        assert found["Version"] == freqfake.__version__
        assert found["License-Expression"] == PROJECT["license"]
        assert found["Requires-Python"] == PROJECT["requires-python"]
        assert found.get_all("Provides-Extra") == sorted(EXTRAS)
        assert found.get_all("Classifier") == PROJECT["classifiers"]
        wanted = [one for one in found.get_all("Requires-Dist") if "extra ==" not in one]
        assert sorted(wanted) == sorted(PROJECT["dependencies"])
