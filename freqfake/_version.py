"""Version of the package."""

import platform

__version__ = "0.1.0"
PACKAGES = ("numpy", "scipy", "scikit-learn", "pillow")  # that a model's numbers depend on


def versions() -> dict[str, str]:
    """Return the versions of freqfake, Python and the packages that numbers depend on."""
    from importlib import metadata  # slow to import

    others = {package: metadata.version(package) for package in PACKAGES}
    return {"freqfake": __version__, "python": platform.python_version(), **others}
