"""Sphinx configuration: ``python -m sphinx -W --keep-going -b html docs build/docs``.

The site loads nothing from another host: no fonts, no scripts, and formulas as MathML.
"""

import re
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE / "_ext"), str(ROOT)]

import freqfake  # noqa: E402  # found by the line above

project = "freqfake"
author = copyright = "The freqfake developers"
version = release = freqfake.__version__

extensions = [
    "matplotlib.sphinxext.plot_directive",
    "sphinx.ext.autodoc",
    "numpydoc",
    "myst_nb",
    "code_links",
    "command_line",
    "mathml",
]
exclude_patterns = ["_ext", "**/.ipynb_checkpoints"]
default_role = "code"  # docstrings put arguments in single backticks
nitpicky = True
nitpick_ignore_regex = [
    # Objects of other packages: their inventories are on other hosts, which builds do not contact.
    (r"py:.*", r"(joblib|matplotlib|numpy|pandas|sklearn|torch)\..*"),
]

# Docstrings give types, shapes and ranges in words; signatures need not repeat them.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # the outputs are committed
nb_ipywidgets_js: dict[str, str] = {}  # would come from another host

plot_formats = [("png", 80)]
plot_html_show_formats = plot_html_show_source_link = False
plot_working_directory = str(ROOT)

html_theme = "furo"
html_title = f"freqfake {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_copyright = False

# Files of the repository that pages and notebooks link to, and their places on the site.
PAGES = {
    "docs/": "",
    "notebooks/": "notebooks/",
    "freqfake/deep/weights/mesonets.md": "model_cards.md#weights-of-the-mesonets",
    "freqfake/model_files/embedded/faces.md": "model_cards.md#model-card-faces",
    "freqfake/model_files/embedded/lewoo.md": "model_cards.md#model-card-lewoo",
    "freqfake/model_files/embedded/student.md": "model_cards.md#model-card-student",
    "tests/samples/README.md": "samples.md",
    "CHANGELOG.md": "changelog.md",
}


def copy_notebooks() -> None:
    """Copy the notebooks and the code that they link to into the source folder of Sphinx."""
    copies = HERE / "notebooks"
    shutil.rmtree(copies, ignore_errors=True)
    copies.mkdir()
    (copies / ".gitignore").write_text("*\n", encoding="utf-8")
    for path in (ROOT / "notebooks").iterdir():
        if path.suffix in (".ipynb", ".py"):
            shutil.copy2(path, copies)


def link_pages(app, docname, source) -> None:
    """Rewrite links that are valid on a code host for the site."""
    home = "../" * docname.count("/")
    for there, here in PAGES.items():
        source[0] = source[0].replace(f"](../{there}", f"]({home}{here}")


def skip(app, what, name, item, skipped, options):
    """Skip members of modules that `freqfake` exports, and methods that scikit-learn adds."""
    public = what == "module" and name in freqfake.__all__ and getattr(freqfake, name) is item
    routing = re.fullmatch(r"set_\w+_request", name)
    return True if public or routing else None


def setup(app) -> None:
    """Copy the notebooks and connect the handlers."""
    copy_notebooks()
    app.connect("source-read", link_pages)
    app.connect("autodoc-skip-member", skip)
