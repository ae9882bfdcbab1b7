"""How the pages are built: `make docs`, warnings are errors."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from importlib.metadata import metadata

from sphinx.ext.napoleon import NumpyDocstring

info = metadata("scmmgpt-tl")
project = info["Name"]
author = info["Author"]
copyright = f"{datetime.now(tz=UTC):%Y}, {author}"
version = release = info["Version"]

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx_autodoc_typehints",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinxcontrib.bibtex",
    "sphinxcontrib.katex",
    "scanpydoc.definition_list_typed_field",
]
exclude_patterns = ["_build", "jupyter_execute", "**.ipynb_checkpoints"]
templates_path = ["_templates"]
default_role = "literal"
needs_sphinx = "8.1"

# -- API pages ---------------------------------------------------------------------------------

autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "exclude-members": "__init__, __new__"}
napoleon_google_docstring = False
napoleon_use_rtype = True
napoleon_use_param = True
typehints_defaults = "braces"
always_use_bars_union = True
bibtex_bibfiles = ["references.bib"]

# Every link within the package must lead somewhere. Links to other packages are resolved from their
# inventories where the network is there (Read the Docs sets READTHEDOCS); a build without it must pass too.
nitpicky = True
online = os.environ.get("READTHEDOCS") == "True" or os.environ.get("DOCS_INTERSPHINX") == "1"
inventories = {
    "anndata": "https://anndata.readthedocs.io/en/stable/",
    "distributed": "https://distributed.dask.org/en/stable/",
    "h5py": "https://docs.h5py.org/en/stable/",
    "matplotlib": "https://matplotlib.org/stable/",
    "mudata": "https://mudata.readthedocs.io/stable/",
    "numpy": "https://numpy.org/doc/stable/",
    "pandas": "https://pandas.pydata.org/docs/",
    "python": "https://docs.python.org/3/",
    "scanpy": "https://scanpy.readthedocs.io/en/stable/",
    "scipy": "https://docs.scipy.org/doc/scipy/",
    "torch": "https://docs.pytorch.org/docs/stable/",
}
intersphinx_mapping = {name: (url, None) for name, url in inventories.items()} if online else {}
nitpick_ignore_regex = [
    (
        r"py:.*",
        rf"({'|'.join([*inventories, 'np', 'pd', 'collections', 'os', 'pathlib', 'typing'])})\..*",
    ),
    (r"py:.*", r"tokenizers\..*"),
    # What a loaded model is made of is for those who read its code.
    (r"py:.*", r"scmmgpt_tl\.model\.(config\.ModelConfig|scmmgpt\.ScMMGPT)"),
    (r"py:.*", r"[A-Za-z]+"),  # builtins, and names of other packages imported for types only
]
suppress_warnings = [
    "sphinx_autodoc_typehints.forward_reference",
    "sphinx_autodoc_typehints.guarded_import",
]

# -- Notebooks and pages -----------------------------------------------------------------------

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_merge_streams = True
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# -- HTML --------------------------------------------------------------------------------------

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
html_theme_options = {"navigation_with_keys": False, "show_toc_level": 2}

# -- Docstrings --------------------------------------------------------------------------------


def public_names() -> dict[str, str]:
    """Where a class is documented, by where it is defined: signatures know only the latter."""
    import scmmgpt_tl as scmm
    from scmmgpt_tl import model

    spaces = [scmm.datasets, scmm.get, scmm.ontology, scmm.pl, scmm.pp, scmm.tl, model]
    public = [(space.__name__, getattr(space, name)) for space in spaces for name in space.__all__]
    classes = [(space, item) for space, item in public if isinstance(item, type)]
    return {f"{c.__module__}.{c.__qualname__}": f"{space}.{c.__qualname__}" for space, c in classes}


def resolve_private(app, env, node, contents):
    """Point a link to a class's private module at its public page."""
    public = public_names().get(node.get("reftarget", ""))
    if public is None:
        return None
    domain = env.get_domain("py")
    return domain.resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], public, node, contents
    )


def returns_as_prose(self: NumpyDocstring, _section: str) -> list[str]:
    """Keep a Returns section as it is written: types stand in the signature, not in its first line."""
    return self._format_block(":returns: ", self._dedent(self._consume_to_next_section()))


def skip_field_alias(app, what, name, obj, skip, options):
    """Leave out what a NamedTuple says of its fields: its Parameters section says more."""
    return skip or str(getattr(obj, "__doc__", "")).startswith("Alias for field number")


NumpyDocstring._parse_returns_section = returns_as_prose


def setup(app):
    """Register the above with Sphinx."""
    app.connect("missing-reference", resolve_private)
    app.connect("autodoc-skip-member", skip_field_alias)
