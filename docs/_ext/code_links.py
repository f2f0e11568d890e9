"""Link names of the package to the reference.

- References in docstrings resolve to objects documented under a shorter name:
  `freqfake.pictures.reading.read_image` to `freqfake.read_image`, and from within a module
  `train_network` to `freqfake.deep.train_network`.
- Code such as `freqfake.load_detector()` on pages is linked without a role, which a code host
  would show as text. A name missing from the reference gives a warning: it is wrong, or was
  renamed.
"""

import re
from collections.abc import Iterator

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.nodes import make_refnode

LOG = logging.getLogger(__name__)
NAME = re.compile(r"(freqfake(?:\.[A-Za-z]\w*)+)(?:\(.*\))?", re.DOTALL)


def link(app: Sphinx, page: str, name: str, content: nodes.Node) -> nodes.reference | None:
    """Link to the object documented under a name, or under a shorter name of the same object."""
    objects = app.env.domains.python_domain.objects
    for candidate in _candidates(name):
        if candidate in objects:
            found = objects[candidate]
            return make_refnode(app.builder, page, found.docname, found.node_id, content)
    return None


def _candidates(name: str) -> Iterator[str]:
    yield name
    parts = name.removeprefix("freqfake.").split(".")
    for start in range(len(parts)):
        yield ".".join(["freqfake", *parts[start:]])
        yield ".".join(["freqfake.deep", *parts[start:]])


def resolve(app: Sphinx, env: object, node: nodes.Element, content: nodes.Node) -> object:
    """Resolve a reference in a docstring that Sphinx could not."""
    if node.get("refdomain") != "py":
        return None
    return link(app, node["refdoc"], node["reftarget"], content)


class CodeLinks(SphinxPostTransform):
    """Link inline code."""

    default_priority = 5

    def run(self, **kwargs: object) -> None:
        """Link each piece of inline code."""
        for literal in list(self.document.findall(nodes.literal)):
            name = NAME.fullmatch(literal.astext())
            if name is None or isinstance(literal.parent, (nodes.reference, nodes.title)):
                continue
            if "xref" in literal["classes"]:  # from a role, resolved elsewhere
                continue
            found = link(self.app, self.env.docname, name[1], literal.deepcopy())
            if found is None:
                LOG.warning("not in the reference: %s", name[1], location=literal)
            else:
                literal.parent.replace(literal, found)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the resolver and add the transform."""
    app.connect("missing-reference", resolve)
    app.add_post_transform(CodeLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
