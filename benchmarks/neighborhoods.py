"""Whether descriptions of places name what is there.

`python benchmarks/neighborhoods.py` describes places of a slide whose single cells have types, and
of slides on which a pathologist drew regions: from the spot alone, from the spot and those around
it, and by a template filled with the largest share that `tl.deconvolve` finds.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import anndata as ad
import numpy as np
import pandas as pd
from _data import counts_of, what_to_ask
from _page import bullets, share, table
from _run import SHARED, base_parser, describe_run, save_parts, save_rows
from _statements import read_statements
from description import fill_template
from scipy import sparse
from sklearn.neighbors import kneighbors_graph
from slides import BREAST, LEFT_OUT, REGIONS

import scmmgpt_tl as scmm
from scmmgpt_tl import ontology

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from anndata import AnnData
    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model

NAME = "neighborhoods"
NAMES = {
    "around": "describe, spot and those around it",
    "alone": "describe, spot alone",
    "template": "template, largest share of deconvolve",
    "template_alone": "template, largest share, spot alone",
}
COLUMNS = {
    "names_one": "names a type that is there",
    "names_first": "names the commonest",
    "nothing_absent": "names none that is not there",
}


class Slide(NamedTuple):
    """A slide, and what is known of its places.

    Parameters
    ----------
    name
        Of the slide.
    adata
        Its spots.
    library_key
        Column that tells slides apart, `None` for one.
    labels
        What may be there, as the tools are asked.
    places
        Rows of the spots to describe.
    there
        Cell Ontology ids of what is at each of them, the commonest first.
    is_all
        Whether that is all that is there.
    """

    name: str
    adata: AnnData
    library_key: str | None
    labels: tuple[str, ...]
    places: NDArray[np.intp]
    there: tuple[tuple[str, ...], ...]
    is_all: bool


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    model = scmm.load_model(given.model or "default")
    how = {"n_places": given.places, "seed": given.seed}
    slides = [read_cells(given.cells, n_neighbors=given.neighbors, **how)]
    slides.append(read_regions(given.regions, **how))
    rows: list[dict[str, object]] = []
    for slide in slides:
        rows += describe(slide, model, given)
        save_rows(pd.DataFrame(rows), given, name=NAME)
    facts = describe_run(given)
    facts[1] = f"{given.places} places of each slide, and {given.neighbors} neighbours of a spot."
    save_parts(tables(pd.DataFrame(rows), facts=facts), given, name=NAME)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    add = parser.add_argument
    tasks = SHARED / "data" / "tasks"
    add("--cells", type=type(tasks), default=tasks / "mouse_osmfish_cortex.h5ad")
    add("--regions", type=type(tasks), default=tasks / "spatial_her2st.h5ad")
    add("--places", type=int, default=16, help="places of each slide to describe")
    add("--neighbors", type=int, default=8, help="spots to add to each")
    return parser.parse_args(arguments)


def read_cells(path: Path, *, n_neighbors: int, n_places: int, seed: int) -> Slide:
    """Read a slide of labelled single cells; what is at a place are the types of its cells."""
    adata = ad.read_h5ad(path)
    labels, first = np.unique(adata.obs["cell_type"].astype(str), return_index=True)
    columns = (adata.obs[name].astype(str).to_numpy() for name in ("cell_type_id", "cl_relation"))
    ids, relations = (column[first] for column in columns)
    asked = what_to_ask(labels, ids, relations)
    terms = adata.obs["cell_type_id"].astype(str).to_numpy()
    near = kneighbors_graph(np.asarray(adata.obsm["spatial"]), n_neighbors, include_self=False)
    own = (sparse.csr_matrix(near) + sparse.identity(adata.n_obs, format="csr")).tocsr()
    rng = np.random.default_rng(seed)
    places = np.sort(rng.choice(adata.n_obs, min(n_places, adata.n_obs), replace=False))
    there = tuple(commonest(terms[own[place].indices]) for place in places)
    # Types of one term are asked for once.
    named = tuple(dict.fromkeys(key or name for name, key in zip(asked, ids, strict=True)))
    return Slide(path.stem, adata, None, named, places, there, is_all=True)


def read_regions(path: Path, *, n_places: int, seed: int) -> Slide:
    """Read slides with regions; what is at a place are the types that belong to its region."""
    adata = ad.read_h5ad(path)
    cl = ontology.load()
    region = adata.obs["cell_type"].astype(str).to_numpy()
    rng = np.random.default_rng(seed)
    # As many of each region: most of the slides is cancer.
    drawn = [
        rng.permutation(np.flatnonzero(region == name))[: -(-n_places // len(REGIONS))]
        for name in REGIONS
        if name != LEFT_OUT
    ]
    places = np.sort(np.concatenate(drawn))
    terms = {name: tuple(filter(None, map(cl.resolve, REGIONS[name]))) for name in REGIONS}
    there = tuple(terms[name] for name in region[places])
    return Slide(path.stem, adata, "section", BREAST, places, there, is_all=False)


def commonest(terms: NDArray[np.str_]) -> tuple[str, ...]:
    """Return the ids that there are, the commonest first, those that come first before equals."""
    return tuple(pd.Series(terms[terms != ""]).value_counts(sort=True).index)


def describe(slide: Slide, model: Model, given: argparse.Namespace) -> list[dict[str, object]]:
    """Describe the places of a slide in each way, and say what is true of each text."""
    labels = list(slide.labels)
    near = scmm.pp.neighborhoods(slide.adata, given.neighbors, library_key=slide.library_key)
    texts = {}
    for way, template, adata in (
        ("around", "template", near),
        ("alone", "template_alone", slide.adata),
    ):
        own = adata[slide.places].copy()
        options = {"labels": labels, "model": model, "counts": counts_of(adata)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            scmm.tl.describe(own, rng=given.seed, **options)
            # How well genes were measured is learned from all spots.
            scmm.tl.deconvolve(adata, **options)
        texts[way] = own.obs["scmm_description"].tolist()
        known = adata.uns["scmm_mixture"]["labels"].set_index("name")["cl_id"]
        first = adata.obs["scmm_mixture"].astype(str).to_numpy()[slide.places]
        texts[template] = [fill_template(name, str(known[name])) for name in first]
        print(f"{slide.name:28} {way} done", flush=True)
    return [
        {"slide": slide.name, "method": way, "place": int(place), "text": text}
        | judge(text, there, is_all=slide.is_all)
        for way in NAMES
        for place, text, there in zip(slide.places, texts[way], slide.there, strict=True)
    ]


def judge(text: str, there: Sequence[str], *, is_all: bool) -> dict[str, float]:
    """Say what of a text is true of a place.

    Parameters
    ----------
    text
        A description.
    there
        Cell Ontology ids of what is there, the commonest first.
    is_all
        Whether that is all; else nothing can be said of the commonest, nor of what is absent.
    """
    said = [read_statements(text, term) for term in there]
    absent = set(said[0].false).intersection(*(one.false for one in said[1:]))
    return {
        "names_one": float(any(one.names_true for one in said)),
        "names_first": float(said[0].names_true) if is_all else float("nan"),
        "nothing_absent": float(not absent) if is_all else float("nan"),
    }


def tables(results: pd.DataFrame, *, facts: Sequence[str]) -> list[str]:
    """Return facts, shares by slide and method, and examples."""
    parts = [bullets(facts)]
    for slide, own in results.groupby("slide", sort=False):
        mean = own.groupby("method")[list(COLUMNS)].mean()
        rows = [[name, *(share(mean.loc[way, c]) for c in COLUMNS)] for way, name in NAMES.items()]
        n = own["place"].nunique()
        parts += [f"#### {slide} ({n} places)", table(["description", *COLUMNS.values()], rows)]
    shown = results[results["method"] == "around"].groupby("slide", sort=False).head(3)
    rows = [
        [row.slide, "yes" if row.names_one else "no", row.text.replace("|", "/")]
        for row in shown.itertuples()
    ]
    head = ["slide", "names a type that is there", "description of a spot and those around it"]
    return [*parts, "The first three places of each:", table(head, rows)]


if __name__ == "__main__":
    main()
