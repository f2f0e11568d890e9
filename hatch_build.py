"""Add the addresses of the repository to the packages, where the build knows them: on GitHub.

The sources name no address, so that copies of the repository build packages that link to the copy.
"""

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class Addresses(MetadataHookInterface):
    """Set the description and the addresses of the project."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Read README.md; its links become absolute if the repository is known."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        name = os.environ.get("GITHUB_REPOSITORY")
        if name:
            home = f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{name}"
            text = absolute(text, home, f"v{metadata['version']}")
            metadata["urls"] = {
                "Source": home,
                "Changelog": f"{home}/blob/main/CHANGELOG.md",
                "Issues": f"{home}/issues",
            }
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


def absolute(text: str, home: str, version: str) -> str:
    """Make the relative links of a Markdown page at the top of the repository absolute."""

    def link(match: re.Match[str]) -> str:
        mark, words, target = match.groups()
        if target.startswith("../../"):
            return f"{mark}[{words}]({home}/{target.removeprefix('../../')})"
        return f"{mark}[{words}]({home}/{'raw' if mark else 'blob'}/{version}/{target})"

    # Innermost first: a badge is a picture within a link.
    text = re.sub(r"(!)\[([^][]*)\]\((?!\w+:|#)([^)]+)\)", link, text)
    return re.sub(r"(?<!!)()\[((?:!\[[^][]*\]\([^)]*\)|[^][])*)\]\((?!\w+:|#)([^)]+)\)", link, text)
