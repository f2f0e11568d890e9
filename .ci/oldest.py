"""Print pip constraints for the oldest dependencies: the minima in pyproject.toml."""

import re
import tomllib
from pathlib import Path

TEXT = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")


def minima(project: dict) -> set[str]:
    """Return name and version of each requirement that has a minimum."""
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(one for extra in extras for one in extra)]
    found = (re.match(r"([\w.-]+) *>= *([\w.]+)", requirement) for requirement in wanted)
    return {f"{match[1]}=={match[2]}" for match in found if match}


if __name__ == "__main__":
    print(*sorted(minima(tomllib.loads(TEXT)["project"])), sep="\n")
