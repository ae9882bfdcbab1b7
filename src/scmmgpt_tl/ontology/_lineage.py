"""Which of several parents a lineage follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["PROPERTY_TERMS", "choose_parent"]

#: Terms that group cells by a property (what they do, hold or look like), not by descent.
#: They say little as an answer, so lineages leave them out and roll-up does not stop at them.
PROPERTY_TERMS = frozenset(
    {
        "CL:0000064",  # ciliated cell
        "CL:0000075",  # columnar/cuboidal epithelial cell
        "CL:0000080",  # circulating cell
        "CL:0000095",  # neuron associated cell
        "CL:0000113",  # mononuclear phagocyte
        "CL:0000123",  # neuron associated cell (sensu Vertebrata)
        "CL:0000145",  # professional antigen presenting cell
        "CL:0000151",  # secretory cell
        "CL:0000152",  # exocrine cell
        "CL:0000153",  # glycosaminoglycan secreting cell
        "CL:0000154",  # protein secreting cell
        "CL:0000159",  # seromucus secreting cell
        "CL:0000167",  # peptide hormone secreting cell
        "CL:0000172",  # somatostatin secreting cell
        "CL:0000174",  # steroid hormone secreting cell
        "CL:0000179",  # progesterone secreting cell
        "CL:0000183",  # contractile cell
        "CL:0000211",  # electrically active cell
        "CL:0000219",  # motile cell
        "CL:0000225",  # anucleate cell
        "CL:0000226",  # single nucleate cell
        "CL:0000228",  # multinucleate cell
        "CL:0000234",  # phagocyte
        "CL:0000255",  # eukaryotic cell
        "CL:0000306",  # crystallin accumulating cell
        "CL:0000311",  # keratin accumulating cell
        "CL:0000313",  # serous secreting cell
        "CL:0000319",  # mucus secreting cell
        "CL:0000323",  # lysozyme secreting cell
        "CL:0000325",  # stuff accumulating cell
        "CL:0000327",  # extracellular matrix secreting cell
        "CL:0000329",  # oxygen accumulating cell
        "CL:0000393",  # electrically responsive cell
        "CL:0000404",  # electrically signaling cell
        "CL:0000412",  # polyploid cell
        "CL:0000413",  # haploid cell
        "CL:0000415",  # diploid cell
        "CL:0000422",  # mitogenic signaling cell
        "CL:0000424",  # excretory cell
        "CL:0000447",  # carbohydrate secreting cell
        "CL:0000457",  # biogenic amine secreting cell
        "CL:0000458",  # serotonin secreting cell
        "CL:0000506",  # enkephalin secreting cell
        "CL:0000507",  # endorphin secreting cell
        "CL:0000518",  # phagocyte (sensu Vertebrata)
        "CL:0000520",  # prokaryotic cell
        "CL:0000630",  # supporting cell
        "CL:0000667",  # collagen secreting cell
        "CL:0002242",  # nucleate cell
        "CL:0002274",  # histamine secreting cell
        "CL:0009002",  # inflammatory cell
        "CL:4052002",  # syncytial cell
    }
)


def choose_parent(parents: Sequence[str], *, depth: Callable[[str], int]) -> str:
    """Parent that a lineage follows: by descent first, then the deepest, then the lowest id.

    Where every parent is a property, the broadest one leads straight up.

    Parameters
    ----------
    parents
        Ids of a term's parents, at least one.
    depth
        Depth of a term below the root.

    Returns
    -------
    One of `parents`.
    """
    descent = [term for term in parents if term not in PROPERTY_TERMS]
    if descent:
        return min(descent, key=lambda term: (-depth(term), term))
    return min(parents, key=lambda term: (depth(term), term))
