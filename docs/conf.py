"""The documentation site: Sphinx with MyST (Markdown), numpydoc (docstrings) and furo; `make docs` builds it."""

import sys
from pathlib import Path

import bumphunt

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "bumphunt"
author = "The bumphunt authors"
release = bumphunt.__version__
language = "en"

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "yaml_keys",
]
exclude_patterns = ["_build"]
default_role = "code"
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
autodoc_typehints = "none"  # numpydoc's sections say more than the annotations
autosummary_generate = True
nitpicky = False

html_theme = "furo"
html_title = "bumphunt"
