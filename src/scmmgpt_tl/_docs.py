"""Texts that several docstrings share, and the decorator that puts them in."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., object]")

SHARED = {
    "adata": """\
adata
    Cells x genes, with raw counts (see `counts`).
    X may be dense, sparse, backed or dask.""",
    "layer": """\
layer
    Layer that holds the counts.
    By default `layers["counts"]` where there is one, else `X`; `"X"` means `X` in any case.""",
    "counts": """\
counts
    What the values are.
    `"auto"` takes counts and other linear values, and refuses what was logarithmised or scaled;
    `"raw"` takes any non-negative values as linear; `"lognorm"` undoes `log1p`.""",
    "gene_symbols": """\
gene_symbols
    Column of `.var` with gene symbols or Ensembl ids.
    By default the best of `.var_names` and the usual columns.""",
    "species": """\
species
    Whose genes these are: `"human"`, `"mouse"` (read through one-to-one orthologs), or
    `"auto"` for what their names tell.""",
    "batch_size": """\
batch_size
    Cells per pass through the model; results do not depend on it.""",
    "client": """\
client
    A :class:`distributed.Client` of a Dask cluster, whose workers read the cells: the blocks of a
    dask array, or the parts of a file that they all see. Each loads the model by its name or path;
    results are those of one process.""",
    "model": """\
model
    Name or path of a model, or a model from :func:`scmmgpt_tl.load_model`.
    By default the one that ships with the package.""",
    "mod": """\
mod
    Modality to use and to write to where `adata` is a :class:`~mudata.MuData`; by default `"rna"`.""",
    "key_added": """\
key_added
    Key under which the results are stored.""",
    "copy": """\
copy
    Return a copy with the results instead of writing to `adata`.""",
}
"""Parameter entries by placeholder."""

ADATA_OR_PATH = """\
adata
    Cells x genes, with raw counts (see `counts`).
    X may be dense, sparse, backed or dask.
    Or the path of a `.h5ad`, `.h5mu` or `.zarr` file, or a list of paths: each is read in parts and
    left as it is, and its results go to a file beside it, such as `cells.scmm.h5ad`."""
"""`adata` of a tool that takes paths as well."""

_PLACEHOLDER = re.compile(r"^([ ]*)\{(\w+)\}[ ]*$", re.MULTILINE)


def doc_params(**extra: str) -> Callable[[F], F]:
    """Replace each line `{name}` of a docstring by the shared text of that name.

    Parameters
    ----------
    extra
        Texts beside, or instead of, those in :data:`SHARED`.

    Raises
    ------
    KeyError
        At import, for a placeholder that has no text.
    """
    texts = {**SHARED, **extra}

    def decorate(function: F) -> F:
        def fill(found: re.Match[str]) -> str:
            return textwrap.indent(texts[found[2]], found[1])

        function.__doc__ = _PLACEHOLDER.sub(fill, function.__doc__ or "")
        return function

    return decorate
