"""Version of the package, in one place."""

import platform
from importlib import metadata

__version__ = "0.1.0"
PACKAGES = ("numpy", "scipy", "scikit-learn", "pillow")  # that the numbers of a model depend on


def versions() -> dict[str, str]:
    """Versions of freqfake, of Python, and of the packages that the numbers depend on."""
    others = {package: metadata.version(package) for package in PACKAGES}
    return {"freqfake": __version__, "python": platform.python_version(), **others}
