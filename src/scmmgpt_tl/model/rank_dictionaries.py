"""The dictionaries of Geneformer: tokens, medians, and which Ensembl id counts as which."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from .plain_pickle import read_dictionary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

TOKENS, MEDIANS, MERGED, NAMES = (
    "token_dictionary",
    "gene_median_dictionary",
    "ensembl_mapping_dict",
    "gene_name_id_dict",
)
_SUFFIXES = (".json", ".pkl", ".pickle")


@dataclass(frozen=True, eq=False)
class Dictionaries:
    """What is known of the genes of one version.

    Parameters
    ----------
    tokens
        Token of each gene and special token.
    ensembl_ids
        Genes that have a token and a median, in the order of their tokens.
    token_ids, medians
        Of these, (genes,).
    merged
        Ensembl id that another one counts as.
    symbols
        Ensembl id of symbols, where the folder tells.
    """

    tokens: Mapping[str, int]
    ensembl_ids: tuple[str, ...]
    token_ids: NDArray[np.int64]
    medians: NDArray[np.float64]
    merged: Mapping[str, str]
    symbols: Mapping[str, str]


def find(folder: Path, name: str) -> list[Path]:
    """Find files of a dictionary, in the folder or where the authors' repository keeps them.

    Parameters
    ----------
    folder
        Of the weights.
    name
        How the file's name begins.
    """
    found = []
    for place in _places(folder):
        if place.is_dir():
            files = sorted(path for path in place.iterdir() if path.name.startswith(name))
            found += [path for path in files if path.suffix in _SUFFIXES and path.is_file()]
    return found


def read(
    folder: Path, *, n_tokens: int, title: str = "Geneformer", added: Sequence[str] = ()
) -> Dictionaries:
    """Read the dictionaries that go with a network.

    Parameters
    ----------
    folder
        Of the weights.
    n_tokens
        Size of the network's vocabulary: of several versions, that with as many tokens is taken.
    title
        Of the published model, for the messages.
    added
        Tokens that the network has behind those of the dictionary, where it does not name them.

    Raises
    ------
    FileNotFoundError
        If there are no tokens, or no medians.
    ValueError
        If none has as many tokens, or a dictionary is damaged.
    """
    path, tokens = _tokens(folder, n_tokens, title=title, added=added)
    medians = _beside(path, folder, MEDIANS, needed=True)
    merged = _texts(_beside(path, folder, MERGED, needed=False))
    # A gene that counts as another has no column of its own.
    own = {
        gene: i
        for gene, i in tokens.items()
        if (other := merged.get(gene, gene)) == gene or other not in tokens
    }
    genes = sorted((i, gene) for gene, i in own.items() if _is_median(medians.get(gene)))
    if not genes:
        msg = f"{path} and the medians beside it have no gene in common. Get both again."
        raise ValueError(msg)
    return Dictionaries(
        tokens=tokens,
        ensembl_ids=tuple(gene for _, gene in genes),
        token_ids=np.array([i for i, _ in genes], dtype=np.int64),
        medians=np.array([float(medians[gene]) for _, gene in genes]),
        merged=merged,
        symbols=_texts(_beside(path, folder, NAMES, needed=False)),
    )


def _places(folder: Path) -> Iterator[Path]:
    yield folder
    # In the authors' repositories folders of weights stand beside that of the code.
    beside = ("geneformer", "geneformer_001/geneformer")
    for code in (folder / "geneformer", *(folder.parent / name for name in beside)):
        yield code
        yield code / "gene_dictionaries_30m"


def _tokens(
    folder: Path, n_tokens: int, *, title: str, added: Sequence[str]
) -> tuple[Path, dict[str, int]]:
    sizes = {}
    for path in find(folder, TOKENS):
        # 3.0 in JSON that was made from numpy's numbers is a whole number, too.
        tokens = {name: int(i) for name, i in read_dictionary(path).items()}
        new = [name for name in added if name not in tokens]
        tokens |= {name: i for i, name in enumerate(new, start=len(tokens))}
        if len(tokens) == n_tokens and sorted(tokens.values()) == list(range(n_tokens)):
            return path, tokens
        sizes[str(path)] = len(tokens)
    if not sizes:
        msg = f"{folder} looks like {title}, but lacks {TOKENS}*.pkl or .json."
        raise FileNotFoundError(msg)
    msg = (
        f"{folder} has a vocabulary of {n_tokens} tokens; of the dictionaries none numbers as many "
        f"from 0: {', '.join(f'{name} ({size})' for name, size in sizes.items())}."
    )
    raise ValueError(msg)


def _beside(tokens: Path, folder: Path, name: str, *, needed: bool) -> dict[str, Any]:
    """Read the dictionary of the same version: it lies where the tokens lie."""
    found = [path for path in find(folder, name) if path.parent == tokens.parent]
    # Where two versions lie together, their names end alike.
    ending = tokens.stem.removeprefix(TOKENS)
    found.sort(key=lambda path: not path.stem.endswith(ending))
    if found:
        return read_dictionary(found[0])
    if needed:
        msg = f"{tokens.parent} lacks {name}*.pkl or .json, which goes with {tokens.name}."
        raise FileNotFoundError(msg)
    return {}


def _texts(found: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(gene) for name, gene in found.items()}


def _is_median(value: object) -> bool:
    return isinstance(value, Real) and math.isfinite(value) and float(value) > 0
