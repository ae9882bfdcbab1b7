"""A network with its genes, labels and calibration, as users hold it.

Arrays in, arrays out: this module knows nothing of AnnData.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from .config import AdoptedConfig
from .droplet_head import richness
from .exportable import Exportable
from .padding import pad_texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix
    from tokenizers import Tokenizer

    from .calibration import Calibration
    from .config import ModelConfig
    from .genes import GeneTable
    from .labels import LabelTable
    from .markers import MarkerTable
    from .sampling import Sampling
    from .scmmgpt import CellStates, ScMMGPT

TEXTS_AT_ONCE = 4


@dataclass(frozen=True, eq=False)
class Model(Exportable):
    """A network with everything that gives its numbers a meaning; see :func:`scmmgpt_tl.load_model`.

    Parameters
    ----------
    name, revision, sha256, licence
        Of the bundle it was read from.
    config
        Sizes of the network.
    network
        The weights.
    genes
        Columns of the counts that :meth:`encode_cells` takes.
    labels
        The cell types it knows.
    label_embeddings
        Unit vectors of the labels, (labels, projection).
    calibration
        From similarity to the chance of being right.
    markers
        Genes that speak for a cell type.
    sampling
        Depth and over-dispersion of the counts that are generated.
    text_tokenizer, decoder_tokenizer
        Cut what the bridge and the text decoder read.
    device, dtype
        Where the network runs, and in which precision cells are encoded.
    """

    name: str
    revision: str
    sha256: str
    licence: str
    config: ModelConfig = field(repr=False)
    network: ScMMGPT = field(repr=False)
    genes: GeneTable = field(repr=False)
    labels: LabelTable = field(repr=False)
    label_embeddings: NDArray[np.float32] = field(repr=False)
    calibration: Calibration = field(repr=False)
    markers: MarkerTable = field(repr=False)
    sampling: Sampling = field(repr=False)
    text_tokenizer: Tokenizer = field(repr=False)
    decoder_tokenizer: Tokenizer = field(repr=False)
    device: torch.device
    dtype: torch.dtype

    key: ClassVar[str] = "X_scmm"
    """Key under which embeddings are stored by default."""

    @property
    def batch_sizes(self) -> Mapping[str, int]:
        """Cells a batch by default, by device."""
        return self.network.cell_encoder.batch_sizes

    @property
    def core_a_batch(self) -> bool:
        """Whether a core had better have a batch of its own than share one."""
        return self.network.cell_encoder.core_a_batch

    def encode_cells(
        self, rows: csr_matrix, measured: NDArray[np.bool_] | None = None
    ) -> CellStates:
        """Encode counts, in the model's dtype.

        Parameters
        ----------
        rows
            Counts, (cells, genes of the model).
        measured
            Which genes of the model the data set measured, (genes,); by default all of them.
        """
        tokens = self.network.cell_encoder.tokenizer(rows).to(self.device)
        with torch.inference_mode(), self._autocast():
            return self.network.encode_cells(tokens, self._panel(measured))

    def embed_text(self, texts: Sequence[str], *, batch_size: int = 64) -> NDArray[np.float32]:
        """Return unit vectors of texts, (texts, projection), float32."""
        # Sorted by length, one padding per batch: padding cannot change a text's vector.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        out = np.empty((len(texts), self.config.bridge.projection), dtype=np.float32)
        for start in range(0, len(texts), batch_size):
            chosen = order[start : start + batch_size]
            ids, mask = self._read_text([texts[i] for i in chosen])
            with torch.inference_mode():
                out[chosen] = self.network.embed_text(ids, mask).cpu().numpy()
        return out

    def similarity(self, projected: torch.Tensor, text: NDArray[np.float32]) -> torch.Tensor:
        """Return the cosine of each text with a cell's best query, (cells, texts)."""
        vectors = torch.from_numpy(np.ascontiguousarray(text)).to(projected.device)
        return torch.einsum("cqp,tp->cqt", projected.float(), vectors).amax(1)

    def judge_droplets(
        self,
        states: CellStates,
        rows: csr_matrix,
        measured: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.float32]:
        """Return the chances of `scmmgpt_tl.model.droplets.KINDS`, (cells, 3).

        Parameters
        ----------
        states
            What :meth:`encode_cells` returns of `rows`.
        rows
            Counts, (cells, genes of the model).
        measured
            Which genes of the model the data set measured, (genes,); by default all of them.
        """
        n_measured = len(self.genes) if measured is None else int(measured.sum())
        found = richness(torch.from_numpy(np.diff(rows.indptr)), torch.tensor(n_measured))
        with torch.inference_mode():
            logits = self.network.droplet_head(states.mean.float(), found.to(self.device))
        return logits.softmax(-1).cpu().numpy()

    def match(
        self,
        rows: csr_matrix,
        texts: Sequence[str],
        measured: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.float32]:
        """Return the probability that text ``i`` describes cell ``i``, (cells,)."""
        tokens = self.network.cell_encoder.tokenizer(rows).to(self.device)
        ids, mask = self._read_text(texts)
        with torch.inference_mode():
            states, states_mask = self.network.cell_encoder(tokens, self._panel(measured))
            logits = self.network.bridge.match(states, states_mask, ids, mask)
        return logits.float().softmax(-1)[:, 1].cpu().numpy()

    def describe(
        self,
        queries: NDArray[np.float32],
        prompts: Sequence[str],
        *,
        rng: np.random.Generator,
        n_candidates: int = 1,
        likeliest: bool = True,
        max_new_tokens: int = 192,
        temperature: float = 0.7,
    ) -> list[list[str]]:
        """Write descriptions of cells.

        Parameters
        ----------
        queries
            Query states, one row a cell or group, (rows, queries, hidden).
        prompts
            What the decoder reads after the cell tokens, one a row.
        rng
            Source of all randomness: the same state gives the same text.
        n_candidates
            Texts a row.
        likeliest
            Whether the first text is the most likely one; the others are drawn.
        max_new_tokens
            Longest text, in tokens of the decoder.
        temperature
            Of the drawn texts.

        Returns
        -------
        For each row its candidates.

        Raises
        ------
        ValueError
            If the model has no text decoder.
        """
        decoder = self.network.text_decoder
        if decoder is None:
            msg = f"The model {self.name!r} has no text decoder. Choose one that has."
            raise ValueError(msg)
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        states = torch.from_numpy(np.ascontiguousarray(queries)).to(self.device)
        ids, mask = pad_texts(self.decoder_tokenizer, prompts, pad=decoder.config.eos, left=True)
        texts: list[list[str]] = [[] for _ in prompts]
        for times, warmth in ((int(likeliest), 0.0), (n_candidates - likeliest, temperature)):
            if times < 1:
                continue
            # All drawn texts of a row are written side by side: the decoder reads as fast as one.
            words = decoder.generate(
                states.repeat_interleave(times, dim=0),
                ids.to(self.device).repeat_interleave(times, dim=0),
                mask.to(self.device).repeat_interleave(times, dim=0),
                max_new_tokens=max_new_tokens,
                temperature=warmth,
                generator=generator,
            )
            for place, row in enumerate(words.tolist()):
                text = self.decoder_tokenizer.decode(row, skip_special_tokens=True).strip()
                texts[place // times].append(text)
        return texts

    def save(self, folder: str | PathLike[str]) -> str:
        """Write the model as a bundle, for :func:`scmmgpt_tl.load_model`.

        Weights are rounded as in every bundle: matrices to int8, the rest to bfloat16; those of a
        published cell encoder stay as they are.

        Parameters
        ----------
        folder
            Folder to write; a bundle that is there already is replaced.

        Returns
        -------
        The SHA-256 of the bundle.
        """
        from .bundle import write_bundle
        from .load import bundle_tensors

        card = (
            f"# {self.name} {self.revision}\n\nLabels: {len(self.labels)}, calibrated on "
            f"{', '.join(self.calibration.fitted_on) or 'nothing'}.\n\nLicence: {self.licence}.\n"
        )
        if isinstance(self.config.encoder, AdoptedConfig) and self.config.encoder.restriction:
            card += f"\n**Mind:** {self.config.encoder.restriction}\n"
        return write_bundle(
            folder,
            config=self.config.to_dict(),
            tensors=bundle_tensors(self.network, self.label_embeddings),
            genes=self.genes,
            labels=self.labels,
            calibration=self.calibration,
            markers=self.markers,
            sampling=self.sampling,
            text_tokenizer_json=self.text_tokenizer.to_str(),
            decoder_tokenizer_json=self.decoder_tokenizer.to_str(),
            cell_tokenizer=self.network.cell_tokenizer,
            card=card,
            name=self.name,
            revision=self.revision,
            licence=self.licence,
        )

    def generate_expression(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return expected shares of expression (texts, genes); each row sums to 1."""
        out = np.empty((len(texts), len(self.genes)), dtype=np.float32)
        # A text takes the memory of a state a gene, so that many are read one after the other.
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            chosen = slice(start, start + TEXTS_AT_ONCE)
            ids, mask = self._read_text(texts[chosen])
            with torch.inference_mode():
                out[chosen] = self.network.expression(ids, mask).float().softmax(-1).cpu().numpy()
        return out

    def _read_text(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        limit = self.config.bridge.max_positions
        ids, mask = pad_texts(self.text_tokenizer, texts, limit=limit)
        return ids.to(self.device), mask.to(self.device)

    def _panel(self, measured: NDArray[np.bool_] | None) -> torch.Tensor:
        if measured is None:
            return torch.ones(len(self.genes), device=self.device)
        return torch.from_numpy(measured.astype(np.float32)).to(self.device)

    def _autocast(self) -> torch.autocast:
        reduced = self.dtype != torch.float32
        return torch.autocast(
            self.device.type, dtype=self.dtype if reduced else None, enabled=reduced
        )
