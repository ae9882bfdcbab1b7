"""Where the texts of terms lie in the space that cells and texts share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from scmmgpt_tl import ontology
from scmmgpt_tl.model.padding import pad_texts
from scmmgpt_tl.model.prompts import label_wordings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from scmmgpt_tl.model.scmmgpt import ScMMGPT


@torch.inference_mode()
def text_vectors(
    network: ScMMGPT, tokenizer: Tokenizer, terms: Sequence[str]
) -> NDArray[np.float32]:
    """Return the mean unit vector of each term's wordings, (terms, projection)."""
    cl = ontology.load()
    network.eval()
    device = next(network.parameters()).device
    rows = []
    for term in terms:
        texts = label_wordings(cl.name(term), cl.definition(term))
        ids, mask = pad_texts(tokenizer, texts, limit=network.config.bridge.max_positions)
        mean = network.embed_text(ids.to(device), mask.to(device)).mean(0)
        rows.append((mean / mean.norm()).cpu().numpy())
    return np.stack(rows).astype(np.float32)
