"""The container, the GitHub action and the pre-commit hook, without a network."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import posix, run

import freqfake

ROOT = Path(__file__).parents[1]
yaml = pytest.importorskip("yaml", reason="reads the action and the hook")


def read(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


@pytest.fixture
def desk(samples, tmp_path):
    """A working directory with a real and a generated picture, of odd names."""
    (tmp_path / "new").mkdir()
    shutil.copy(samples / "real" / "astronaut.png", tmp_path / "new" / "a b.png")
    shutil.copy(samples / "fake" / "mobilestylegan_200.webp", tmp_path / "--out=README.md")
    return tmp_path


class TestHook:
    def command(self, *names):
        (hook,) = read(".pre-commit-hooks.yaml")
        assert (hook["id"], hook["language"], hook["types"]) == ("freqfake", "python", ["image"])
        program, *words = [*hook["entry"].split(), *hook["args"]]
        assert program == "freqfake"
        return [*words, *names]

    def test_generated_pictures_fail_whatever_their_names(self, desk):
        names = ["--out=README.md", str(Path("new", "a b.png"))]
        done = run(*self.command(*names), cwd=desk)
        assert done.returncode == 1
        assert "rows with the verdict fake: 1" in done.stderr
        shown = [line.split(",")[0] for line in done.stdout.splitlines()[1:]]
        assert shown == ["./--out=README.md", names[1]]  # no formula for a spreadsheet
        assert not (desk / "README.md").exists()

    def test_other_pictures_pass(self, desk):
        assert run(*self.command(str(Path("new", "a b.png"))), cwd=desk).returncode == 0


@posix
class TestAction:
    def score(self, desk, paths, **inputs):
        """Run the last step as GitHub does, with the inputs in the variables that it sets."""
        action = read("action.yml")
        given = {name: about.get("default", "") for name, about in action["inputs"].items()}
        given |= {"paths": paths, **{name.replace("_", "-"): v for name, v in inputs.items()}}
        step = action["runs"]["steps"][-1]
        assert "${{" not in step["run"]  # an input in the script would be run
        known = {f"${{{{ inputs.{name} }}}}": value for name, value in given.items()}
        known["${{ steps.python.outputs.python-path }}"] = sys.executable
        known["${{ runner.temp }}/freqfake"] = str(Path(freqfake.__file__).parents[1])
        variables = {name: known[value] for name, value in step["env"].items()}
        (desk / "temp").mkdir(exist_ok=True)
        variables |= {"RUNNER_TEMP": str(desk / "temp"), "GITHUB_STEP_SUMMARY": str(desk / "s.md")}
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        return subprocess.run(
            command, cwd=desk, env={**os.environ, **variables}, capture_output=True, text=True
        )

    def test_generated_pictures_fail_the_job(self, desk):
        done = self.score(desk, "new\n\n--out=README.md\n")
        assert done.returncode == 1, done.stderr
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        assert [row["verdict"] for row in rows] == ["inconclusive", "fake"]
        assert "rows with the verdict fake: 1" in done.stderr
        summary = (desk / "s.md").read_text()
        assert summary == f"### freqfake\n```json\n{done.stdout}```\n"

    def test_no_name_ends_the_block_of_the_summary(self, desk):
        (desk / "new" / "a b.png").rename(desk / "new" / "x\n```\n<b>.png")
        assert self.score(desk, "new").returncode == 0
        assert len((desk / "s.md").read_text().splitlines()) == 4

    def test_verdicts_need_not_fail_the_job(self, desk):
        assert self.score(desk, "--out=README.md", fail_on="").returncode == 0

    @pytest.mark.parametrize("inputs", [{"model": "$(touch made)"}, {"paths": ""}])
    def test_unsuitable_inputs_fail_the_job(self, desk, inputs):
        done = self.score(desk, **{"paths": "new", **inputs})
        assert done.returncode == 2
        assert "error: " in done.stderr
        assert not (desk / "made").exists()

    def test_other_actions_are_pinned(self):
        text = (ROOT / "action.yml").read_text(encoding="utf-8")
        for action in re.findall(r"uses: (.*)", text):
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", action)
            assert action in (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")


class TestContainer:
    def test_it_runs_freqfake_without_rights(self):
        lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "").splitlines()
        steps = [line.partition(" ")[::2] for line in lines if line and not line.startswith("#")]
        last = dict(steps)
        assert last["USER"] == "10001:10001"
        assert json.loads(last["ENTRYPOINT"]) == ["freqfake"]
        run(*json.loads(last["CMD"])).check_returncode()
        images = {rest.split()[0] for word, rest in steps if word == "FROM"}
        assert len(images) == 1
        assert re.fullmatch(r"python:3\.1\d-slim", images.pop())
        assert all("--no-cache-dir" in rest for word, rest in steps if word == "RUN")

    def test_the_build_gets_what_the_wheel_needs_and_no_more(self):
        lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        rules = [line for line in lines if not line.startswith("#")]
        assert rules[0] == "*"
        kept = {rule[1:] for rule in rules if rule.startswith("!")}
        project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        assert {"freqfake", "pyproject.toml", "README.md", "LICENSE"} <= kept
        assert ("hatch_build.py" in kept) or "metadata.hooks" not in project
