"""Read the descriptions of genes with the shipped model, for `scmm.get.genes_of`.

`python benchmarks/training/gene_texts.py` writes `src/scmmgpt_tl/models/gene_texts.safetensors`. It
belongs to the weights that read them: run it again after the model has been replaced.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import scmmgpt_tl as scmm
from scmmgpt_tl.model.gene_texts import FILE, GeneTexts, read_states
from scmmgpt_tl.train.genes import read_gene_text

ROOT = Path(__file__).parents[2]
# Of 16, 32, 64 and 128 axes, 32 lose little on terms of the Gene Ontology, in 0.6 MB.
N_AXES = 32
# The full name and what the gene is involved in stand first.
LONGEST = 48
# What says a name alone is near to any short text: "G antigen 12C" to "antigen presentation".
SAYS_SOMETHING = ("Involved in ", "Functions in ")
SOURCE = (
    "Gene Ontology (CC BY 4.0, geneontology.org) and full names of genes, by Bioconductor's "
    "org.Hs.eg.db and GO.db 3.16 (Artistic-2.0), as vectors"
)


def main() -> None:
    """Read and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = ROOT.parent / "shared" / "assets" / "human_gene_text.jsonl.gz"
    parser.add_argument("--gene-text", type=Path, default=default, help="descriptions of genes")
    parser.add_argument("--out", type=Path, default=FILE, help="file to write")
    given = parser.parse_args()
    model = scmm.load_model()
    texts = {gene["symbol"]: gene["text"] for gene in read_gene_text(given.gene_text)}
    symbols = model.genes.symbols
    described = [
        place
        for place, symbol in enumerate(symbols)
        if any(words in texts.get(symbol, "") for words in SAYS_SOMETHING)
    ]
    states = read_states(model, [texts[symbols[i]] for i in described], limit=LONGEST)
    found = GeneTexts.of(states, np.array(described), n_genes=len(symbols), n_axes=N_AXES)
    found.write(given.out, sha256=model.sha256, source=SOURCE)
    print(f"Wrote {len(described):,} descriptions to {given.out}.")


if __name__ == "__main__":
    main()
