"""Formulas as MathML, which browsers draw without scripts, fonts or other hosts."""

import re
from html import escape

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

LOG = logging.getLogger(__name__)


def visit_inline(translator, node: nodes.math) -> None:
    """Write an inline formula."""
    translator.body.append(_converted(node, "inline"))
    raise nodes.SkipNode


def visit_block(translator, node: nodes.math_block) -> None:
    """Write a formula on its own line."""
    translator.body.append(f'<div class="math">{_converted(node, "block")}</div>\n')
    raise nodes.SkipNode


def _converted(node: nodes.Element, display: str) -> str:
    latex = node.astext()
    try:
        found = str(convert(latex, display=display))
    except Exception as error:  # the converter may raise any exception
        LOG.warning("no MathML of %r: %r", latex, error, location=node)
        return f"<code>{escape(latex)}</code>"
    braces = re.sub(r"\\[{}]", "", latex)
    if "\\" in found or braces.count("{") != braces.count("}"):  # ignored by the converter
        LOG.warning("an unknown command or a lost brace in %r", latex, location=node)
    return found


def setup(app) -> dict[str, bool]:
    """Register the renderer under the name that `html_math_renderer` gives."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
