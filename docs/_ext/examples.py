"""Examples that pages are built from: pictures that the code beside them draws.

Takes     pages whose Python is doctest, in ``python`` and ``picture`` fences.
Gives     the directive ``picture``: its code, highlighted, and what it has drawn.
Not here  whether what is printed is as shown: pytest says that (tests/docs).
"""

from __future__ import annotations

import contextlib
import doctest
import hashlib
import io
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


def run_examples(examples: list[doctest.Example], scope: dict[str, Any], name: str) -> str | None:
    """Run them in one namespace; what went wrong, or None. What they print is thrown away."""
    for example in examples:
        code = compile(example.source, f"<{name}>", "single", dont_inherit=True)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(code, scope)
        except Exception as error:
            if example.exc_msg is None:
                place = f"{name}:{example.lineno + 1}"
                return f"{place}: {type(error).__name__}: {error}\n{example.source}"
    return None


class Picture(SphinxDirective):
    """Code of a page and the figure that it draws; the examples above it on the page run first."""

    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {
        "alt": directives.unchanged_required,
        "caption": directives.unchanged_required,
        "width": directives.length_or_percentage_or_unitless,
        "name": directives.unchanged,
        "hide-code": directives.flag,
    }

    def run(self) -> list[nodes.Node]:
        """The nodes: code, figure, caption."""
        if "alt" not in self.options:
            raise self.error("a picture needs :alt:, what it shows in words")
        figure = self.draw()
        text = "\n".join(self.content)
        code = nodes.literal_block(text, text, language="pycon")
        code["classes"].append("picture-code")
        image = nodes.image(uri=self.save(figure), alt=self.options["alt"])
        if "width" in self.options:
            image["width"] = self.options["width"]
        framed = nodes.figure("", image, classes=["picture"])
        if caption := self.options.get("caption"):
            inside, messages = self.state.inline_text(caption, self.lineno)
            framed += nodes.caption(caption, "", *inside)
            framed += messages
        self.add_name(framed)
        return [framed] if "hide-code" in self.options else [code, framed]

    def draw(self) -> Any:
        """The figure, from all examples of the page as far as the end of this fence."""
        import matplotlib

        matplotlib.use("agg")
        from matplotlib import pyplot as plt

        memory = self.env.temp_data.setdefault("examples", {})
        if not memory:  # a page begins; its folder goes when the page is done
            memory |= {"scope": {}, "upto": 0, "folder": TemporaryDirectory()}
        text = Path(self.env.doc2path(self.env.docname)).read_text("utf-8")
        every = doctest.DocTestParser().get_examples(text, self.env.docname)
        first, memory["upto"] = memory["upto"], self.last_line(text, memory["upto"])
        due = [example for example in every if first <= example.lineno < memory["upto"]]
        plt.close("all")
        with contextlib.chdir(memory["folder"].name):
            fault = run_examples(due, memory["scope"], self.env.docname)
        if fault is not None:
            raise self.error(f"the code of a picture failed: {fault}")
        numbers = plt.get_fignums()
        if not numbers:
            raise self.error("the code of this picture draws none")
        return plt.figure(numbers[-1])

    def last_line(self, text: str, first: int) -> int:
        """The line, from 0, below this fence's code, which is looked for from `first` on."""
        page = [line.strip() for line in text.splitlines()]
        code = [line.strip() for line in self.content]
        for i in range(first, len(page)):
            if page[i : i + len(code)] == code:
                return i + len(code)
        raise self.error("the code of this picture is not in the page as it stands")

    def save(self, figure: Any) -> str:
        """Write the figure beside the build's own files; its address, relative to the page."""
        from matplotlib import pyplot as plt
        from matplotlib import rc_context

        folder = Path(self.env.app.doctreedir) / "pictures"
        folder.mkdir(parents=True, exist_ok=True)
        said = "\n".join(self.content) + self.env.docname
        stem = self.env.docname.replace("/", "-")
        path = folder / f"{stem}-{hashlib.sha256(said.encode()).hexdigest()[:10]}.svg"
        with rc_context({"svg.hashsalt": "mdptools"}):
            figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
        plt.close("all")
        return os.path.relpath(path, Path(self.env.doc2path(self.env.docname)).parent)


def trim(app: Sphinx, doctree: nodes.document) -> None:
    """Take out the empty line that doctest needs before the end of a fence."""
    for block in doctree.findall(nodes.literal_block):
        text = block.astext().rstrip()
        if block.rawsource == block.astext() != text:
            block.rawsource = text  # Sphinx highlights where this is the text
            block[:] = [nodes.Text(text)]


def setup(app: Sphinx) -> dict[str, Any]:
    """What Sphinx asks an extension for."""
    app.add_directive("picture", Picture)
    app.connect("doctree-read", trim)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
