"""How the pages are built: ``sphinx-build -W --keep-going -n -b html docs FOLDER``.

Nothing is fetched and nothing is written into this folder. Pages are Markdown (MyST); extensions in
``_ext`` make what is generated: pictures from the code beside them, the reference from docstrings,
tables from the library.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]  # the package that lies beside these pages

# As in the tests: a process for each processor, and one thread of linear algebra in each.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import mdptools  # noqa: E402 - where the path has been set

project = "mdptools"
author = "the mdptools developers"
project_copyright = "2026, the mdptools developers"
version = release = mdptools.__version__

extensions = [
    "sphinx.ext.autodoc",
    "numpydoc",
    "myst_parser",
    "sphinx_design",  # dropdowns, cards
    "examples",  # of _ext: pictures
    "formulas",  # of _ext: MathML
    "rooms",  # of _ext: the reference
    "tables",  # of _ext: what is generated from the library
]
root_doc = "index"
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "README.md"]
nitpicky = True

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3
default_role = "named"  # of rooms: `solve` is a link where it is one name of the library's

# Types are told in words and shapes by the docstrings; annotations would say them twice.
autodoc_typehints = "none"
autodoc_member_order = "groupwise"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

html_math_renderer = "mathml"  # drawn by the browser: no script from elsewhere
html_theme = "furo"
pygments_style, pygments_dark_style = "default", "monokai"  # what is printed stands apart
html_title = f"mdptools {version}"
html_static_path = ["_static"]
html_css_files = ["mdptools.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}
linkcheck_timeout = 20
