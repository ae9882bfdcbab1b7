"""One way to embed cells, in a process of its own: told to go, it answers with its time.

`python benchmarks/_encoder_worker.py METHOD FOLDER CELLS.npz` loads, answers each line `go` on its
input with the seconds of one pass, by the clock and of the CPU, and a line `end` with its peak memory and its embeddings' file.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import torch
from _scgpt import import_scgpt
from _waiting import answer
from _worker import peak_mib
from scipy.sparse import csr_matrix, load_npz

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = 8


def ours(folder: Path, dtype: str) -> Callable[[csr_matrix], np.ndarray]:
    """Embed as `scmm.tl.embed` does, from counts in memory."""
    from scmmgpt_tl.model.load import load_model
    from scmmgpt_tl.model.runner import map_cells

    model = load_model(folder, device="cpu", dtype=dtype)

    def embed(rows: csr_matrix) -> np.ndarray:
        found, _ = map_cells(model, [rows], lambda s, _: {"cell": s.cell}, n_obs=rows.shape[0])
        return found["cell"]

    return embed


def scgpt(folder: Path) -> Callable[[csr_matrix], np.ndarray]:
    """Embed with the function of scGPT's own package, and the network that it builds."""
    cell_emb, network = import_scgpt()
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    args = json.loads((folder / "args.json").read_text(encoding="utf-8"))
    state = torch.load(folder / "best_model.pt", weights_only=True)
    model = network(
        len(vocabulary),
        args["embsize"],
        args["nheads"],
        args["d_hid"],
        args["nlayers"],
        vocab=vocabulary,
        dropout=0.2,
        pad_value=args["pad_value"],
        do_mvc=True,
    ).eval()
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected or any(not key.startswith("cls_decoder") for key in missing):
        msg = f"The original does not read the folder: {missing}, {unexpected}."
        raise ValueError(msg)

    def embed(rows: csr_matrix) -> np.ndarray:
        return cell_emb.get_batch_cell_embeddings(
            SimpleNamespace(X=rows),
            model=model,
            vocab=vocabulary,
            max_length=args["max_seq_len"],
            batch_size=BATCH,
            model_configs=args,
            gene_ids=np.arange(rows.shape[1]),
        )

    return embed


def transformers(folder: Path) -> Callable[[csr_matrix], np.ndarray]:
    """Embed with the BERT of transformers, cells sorted by length, our tokens."""
    from transformers import BertModel

    from scmmgpt_tl.model.load import load_model

    tokenizer = load_model(folder, device="cpu").tokenizer
    bert = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()

    @torch.inference_mode()
    def embed(rows: csr_matrix) -> np.ndarray:
        tokens = tokenizer(rows)
        order = tokens.lengths.argsort(descending=True)
        found = np.empty((rows.shape[0], bert.config.hidden_size), dtype=np.float32)
        for cells in order.split(BATCH):
            ids, _, mask = tokens.take(cells).rectangle(pad_id=0)
            out = bert(ids, attention_mask=mask.long(), output_hidden_states=True)
            states, weight = out.hidden_states[-2], mask[..., None].float()
            found[cells] = ((states * weight).sum(1) / weight.sum(1)).numpy()
        return found

    return embed


ORIGINALS = {"scgpt": scgpt, "geneformer": transformers}


def main(method: str, folder: Path, cells: Path) -> None:
    """Answer until told to end."""
    rows = load_npz(cells)
    kind, way = method.split("/")
    embed = ORIGINALS[kind](folder) if way == "original" else ours(folder, way)
    found = embed(rows[:2])
    answer(ready=True)
    for line in sys.stdin:
        if line.strip() == "end":
            break
        start, busy = time.perf_counter(), time.process_time()
        found = embed(rows)
        answer(seconds=time.perf_counter() - start, cpu_seconds=time.process_time() - busy)
    path = cells.with_name(f"{method.replace('/', '.')}.{cells.stem}.npy")
    np.save(path, found)
    answer(peak=peak_mib(), embeddings=str(path))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
