from __future__ import annotations

import gzip
import json
from importlib.resources import files
from itertools import pairwise

import pytest

from scmmgpt_tl import ontology
from scmmgpt_tl.ontology import CellOntology, Term

T_CELL = "CL:0000084"


@pytest.fixture(scope="module")
def cl() -> CellOntology:
    return ontology.load()


@pytest.fixture(scope="module")
def raw() -> dict[str, list]:
    packed = files("scmmgpt_tl.ontology").joinpath("cell_ontology.json.gz").read_bytes()
    return json.loads(gzip.decompress(packed))["terms"]


@pytest.fixture
def diamond() -> CellOntology:
    terms = {
        "CL:0000000": Term("cell", "Anything.", (), ()),
        "CL:1": Term("left cell", "", (), ("CL:0000000",)),
        "CL:2": Term("right cell", "", (), ("CL:1",)),
        "CL:3": Term("bottom cell", "", ("lowest cell",), ("CL:1", "CL:2")),
    }
    return CellOntology(release="v0", terms=terms, replaced_by={"CL:9": "CL:3"})


def test_load_is_cached(cl: CellOntology) -> None:
    assert ontology.load() is cl
    assert cl.release.startswith("v20")
    assert repr(cl) == f"CellOntology(release={cl.release!r}, {len(cl)} terms)"


def test_diamond(diamond: CellOntology) -> None:
    assert diamond.ancestors("CL:3") == {"CL:0000000", "CL:1", "CL:2"}
    assert diamond.descendants("CL:1") == {"CL:2", "CL:3"}
    assert diamond.descendants("CL:3") == frozenset()
    assert [diamond.depth(term) for term in diamond.ids] == [0, 1, 2, 3]
    assert diamond.lineage("CL:3") == ("CL:0000000", "CL:1", "CL:2", "CL:3")
    assert diamond.resolve("Lowest cells") == "CL:3"


def test_deprecated_ids_mean_their_replacement(diamond: CellOntology) -> None:
    assert "CL:9" in diamond
    assert diamond.name("CL:9") == "bottom cell"
    assert diamond.resolve("CL_9") == "CL:3"
    assert "CL:9" not in diamond.ids


def test_unknown_id(cl: CellOntology) -> None:
    assert "CL:9999999" not in cl
    with pytest.raises(KeyError, match=r"'CL:9999999' is not a term of Cell Ontology v20"):
        cl.name("CL:9999999")


def test_graph_is_closed_and_rooted(raw: dict[str, list]) -> None:
    orphans = {key for key, (*_, parents) in raw.items() if not parents}
    assert orphans == {"CL:0000000"}
    assert {parent for *_, parents in raw.values() for parent in parents} <= set(raw)


def test_ancestors_against_a_walk(cl: CellOntology, raw: dict[str, list]) -> None:
    for term in cl.ids[::97]:
        above, queue = set(), list(raw[term][3])
        while queue:
            parent = queue.pop()
            if parent not in above:
                above.add(parent)
                queue.extend(raw[parent][3])
        assert cl.ancestors(term) == above
        assert all(term in cl.descendants(ancestor) for ancestor in above)


def test_children_are_deeper_than_parents(cl: CellOntology) -> None:
    assert all(cl.depth(up) < cl.depth(term) for term in cl.ids for up in cl.parents(term))


def test_lineage_follows_ancestors(cl: CellOntology) -> None:
    for term in cl.ids:
        *above, own = cl.lineage(term)
        assert own == term
        assert set(above) <= cl.ancestors(term)
        assert above[:1] in ([], ["CL:0000000"])
        assert all(up in cl.ancestors(low) for up, low in pairwise(above))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param("CL:0000084", "T cell", id="id"),
        pytest.param("CL_0000084", "T cell", id="underscore-id"),
        pytest.param(" cl:0000084 ", "T cell", id="sloppy-id"),
        pytest.param("T cell", "T cell", id="name"),
        pytest.param("T lymphocyte", "T cell", id="synonym"),
        pytest.param("T-Cells", "T cell", id="hyphen-plural"),
        pytest.param("T", "T cell", id="bare"),
        pytest.param("naïve B-cells", "naive B cell", id="accent"),
        pytest.param("DCs", "dendritic cell", id="acronym-plural"),
        pytest.param("CD4+, alpha-beta T cell", "CD4-positive, alpha-beta T cell", id="plus"),
        pytest.param("γδ T cells", "gamma-delta T cell", id="greek"),
        pytest.param("Oligodendrocytes (non-malignant)", "oligodendrocyte", id="parentheses"),
        pytest.param("FCGR3A+ Mono", "CD14-low, CD16-positive monocyte", id="everyday"),
        pytest.param("CD16+ monocyte", "CD14-low, CD16-positive monocyte", id="trap-CD16"),
        pytest.param("DC2", "CD1c-positive myeloid dendritic cell", id="trap-DC2"),
        pytest.param("DC1", "CD141-positive myeloid dendritic cell", id="trap-DC1"),
        pytest.param("Alpha cell", "pancreatic A cell", id="trap-alpha"),
        pytest.param(
            "vascular endothelial cell", "blood vessel endothelial cell", id="trap-vessel"
        ),
    ],
)
def test_resolve(cl: CellOntology, text: str, name: str) -> None:
    found = cl.resolve(text)
    assert found is not None
    assert cl.name(found) == name


@pytest.mark.parametrize("text", ["", "  ", "exhausted unicorn cell", "CL:12", "CD27- B cell"])
def test_resolve_nothing(cl: CellOntology, text: str) -> None:
    assert cl.resolve(text) is None


def test_every_name_means_itself(cl: CellOntology) -> None:
    assert [cl.resolve(cl.name(term)) for term in cl.ids] == list(cl.ids)


def test_everyday_names_exist(cl: CellOntology) -> None:
    from scmmgpt_tl.ontology._everyday_names import EVERYDAY_NAMES

    assert set(EVERYDAY_NAMES.values()) <= set(cl.ids)
    for name, term in EVERYDAY_NAMES.items():
        assert cl.resolve(name) == term


def test_property_terms_exist(cl: CellOntology) -> None:
    from scmmgpt_tl.ontology._lineage import PROPERTY_TERMS

    assert set(cl.ids) >= PROPERTY_TERMS


def test_suggest(cl: CellOntology) -> None:
    names = [cl.name(term) for term in cl.suggest("exhausted CD8 T cell")]
    assert len(names) == 3
    assert names[0] == "CD8-positive exhausted alpha-beta T cell"
    assert cl.suggest("xqzzt") == ()
