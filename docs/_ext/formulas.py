"""Formulas as MathML, which browsers draw themselves: pages need no network.

Takes     the formulas of pages, in LaTeX.
Gives     the renderer ``mathml`` of Sphinx's ``html_math_renderer``; docutils translates.
Not here  numbers of equations. What docutils does not know is a warning: a strict build fails.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.utils.math import latex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

ALIASES = {
    r"\dots": r"\ldots",
    r"\dotsc": r"\ldots",
    r"\dotsb": r"\cdots",
    r"\big": r"\bigl",
    r"\Big": r"\Bigl",
    r"\bigg": r"\biggl",
    r"\Bigg": r"\Biggl",
}
"""Commands of amsmath that docutils does not know."""

logger = logging.getLogger(__name__)


def translate(formula: str, node: nodes.Element, *, block: bool) -> str:
    """The formula as MathML; as code, with a warning, where it cannot be translated."""
    formula = re.sub(r"\\[A-Za-z]+", lambda found: ALIASES.get(found[0], found[0]), formula)
    try:
        tree = latex2mathml.tex2mathml(formula, as_block=block)
    except (SyntaxError, ValueError) as error:  # how docutils says it
        logger.warning("formula %r: %s", formula, error, location=node)
        return f"<code>{formula}</code>"
    return str(tree)


def inline(self: HTML5Translator, node: nodes.math) -> None:
    """A formula within a line."""
    self.body.append(translate(node.astext(), node, block=False))
    raise nodes.SkipNode


def display(self: HTML5Translator, node: nodes.math_block) -> None:
    """A formula of its own lines."""
    text = translate(node.astext(), node, block=True)
    self.body.append(f'<div class="formula">{text}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """What Sphinx asks an extension for."""
    app.add_html_math_renderer("mathml", (inline, None), (display, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
