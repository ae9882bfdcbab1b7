"""What a training run is: read from a YAML file, kept beside its weights."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from .config_file import read_values, whole, write_values
from .config_kinds import KINDS

if TYPE_CHECKING:
    from pathlib import Path

    from .corpus.entry import CensusEntry
    from .encoder_entry import EncoderEntry

# Without float16: its scaled gradients do not go with fused optimizers.
PRECISIONS = ("auto", "bf16-mixed", "bf16-true", "32-true")
BITS = (4, 8, 32)


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides what a run learns.

    Parameters
    ----------
    profiles
        `.h5ad` files of reference profiles, see :func:`scmmgpt_tl.train.reference.read_profiles`.
    ortholog_profiles
        The same of another species, whose genes are read as the human ones that they are one-to-one
        orthologs of. Cells are drawn of them, nothing else: what texts say, the levels that cells
        are generated with and what scores are worth, is told by `profiles`.
    cells
        `.h5ad` and `.zarr` files of labelled real cells, or folders of them, see
        :func:`scmmgpt_tl.train.corpus.files.open_cells`.
    gencode, gene_text
        Sources of the gene table, see :func:`scmmgpt_tl.train.genes.build_gene_table`.
    bert, language_model
        Hugging Face folders with the starting weights of bridge and text decoder: a BERT-like
        encoder, see :func:`scmmgpt_tl.train.start_bridge.bridge_config`, and a causal language
        model of any family, see :func:`scmmgpt_tl.train.start_decoder.decoder_config`.
    encoder
        Published encoder that reads the cells, `"geneformer@folder"` and the like, see
        :class:`scmmgpt_tl.train.encoder_entry.EncoderEntry`; by default our own.
    encoder_tuned
        Whether its weights are trained on, or stay as they were published.
    encoder_tokens
        Most tokens of a cell that it is shown, fewer than it was published with; 0 for as many.
    markers, markers_without
        Table of marker genes, see :func:`scmmgpt_tl.train.markers.read_markers`, and its resources
        that are not used.
    markers_not_shipped
        Resources of the table that are learned from, but no row of which a bundle may hold.
    census
        Labelled real cells in CELLxGENE Census or other SOMA stores, see
        :class:`scmmgpt_tl.train.corpus.entry.CensusEntry`.
    cells_in_memory
        Megabytes that the counts of real cells may take together. Small studies are held in
        memory, the smallest first, as long as there is room; the others, and what is in SOMA
        stores, is read from where it lies.
    pool_cells, pool_steps
        Of what is not in memory, each part of a batch is drawn from a pool of about so many cells,
        in blocks of neighbours, that is read anew every so many steps.
    exclude
        Studies (`"file|matrix"` of profiles, name of a file, `dataset_id` of a census; or their
        beginnings) never trained on.
    without_types
        Cell Ontology ids that no cell is learned as, nor as any kind of them.
    held_out_cells, held_out_studies
        Cells and profile studies that are not trained on but calibrated with.
    cross_fit
        Studies of profiles, or their beginnings, that twins of the model leave out in turn, to see
        what its score is worth on them, see :mod:`scmmgpt_tl.train.cross_fit`.
    keep_out
        Files of cells, or tables (`.csv`) of studies, that the model will be tested on. A run in
        whose material they are is refused, see :mod:`scmmgpt_tl.train.leakage`.
    keep_out_splits
        Rows of tables with a column `split` that count; all of them where none is named.
    known_apart
        Pairs of studies, or of their beginnings, that look the same but are not:
        `"trained ~ kept out"`.
    sampling
        `.h5ad` files of counted molecules whose depth and over-dispersion generated cells take, see
        :func:`scmmgpt_tl.train.sampling.measure_sampling`; without, bundles do not say.
    extra_genes
        Symbols of non-coding genes to include.
    architecture
        Sizes that differ from the defaults of :class:`scmmgpt_tl.model.config.ModelConfig`, and in
        `bridge` from those of `bert`. Of the text decoder, `layers` and `trim_vocabulary`: which
        layers are kept, and whether words that no description needs are left out.
    seed
        Decides every draw of cells and texts.
    real_share
        Share of real cells among the cells drawn, 0 to 1.
    marker_share
        Share of cells made of markers among the others, 0 to 1.
    ortholog_share
        Share of cells drawn from profiles of another species among all drawn from profiles, 0 to 1.
    moved_share
        Share of cells drawn from profiles that look as if another study had measured them, 0 to 1.
    use_gene_text
        Whether genes start from what is written about them.
    warm_up_steps
        Length of the warm-up, in which texts stand still and cells find their place among them.
    stage1_steps, stage1_cells, stage1_texts
        Length of the rest of stage 1; cells in each step of both, and captions in those of stage 1.
    cross_fit_steps
        Length of the warm-up of each twin.
    stage2_steps, stage2_cells
        The same of the text decoder.
    droplet_steps
        Length of the training of the droplet head, with as many droplets a step as stage 1 has
        cells.
    expression_steps
        Length of the training of the expression decoder.
    lora_rank
        Rank of the changes to the language model; 0 changes all of it.
    language_model_bits
        32; or 8 or 4, to hold the language model in less memory while only changes of low rank are
        learned. It needs bitsandbytes, and one device.
    parts
        Parts that each batch is drawn in. Processes share them, so the batch is the same however
        many there are; cells of a step are a multiple of it.
    accumulate
        Batches whose gradients are added up for one step.
    precision
        `"bf16-mixed"`, `"bf16-true"` or `"32-true"`, as Lightning spells it; `"auto"` is the first
        where the hardware knows bfloat16, else the last. Emulated, it is several times slower.
    save_every
        Steps between checkpoints.
    note
        What else the model card should say of the run.

    Raises
    ------
    ValueError
        If a value is of another type than its annotation says, or out of range.
    """

    profiles: tuple[Path, ...]
    cells: tuple[Path, ...]
    gencode: Path
    gene_text: Path
    bert: Path
    language_model: Path
    ortholog_profiles: tuple[Path, ...] = ()
    encoder: EncoderEntry | None = None
    encoder_tuned: bool = False
    encoder_tokens: int = 0
    markers: Path | None = None
    markers_without: tuple[str, ...] = ()
    markers_not_shipped: tuple[str, ...] = ()
    census: tuple[CensusEntry, ...] = ()
    cells_in_memory: int = 4000
    pool_cells: int = 4096
    pool_steps: int = 100
    exclude: tuple[str, ...] = ()
    without_types: tuple[str, ...] = ()
    held_out_cells: tuple[Path, ...] = ()
    held_out_studies: tuple[str, ...] = ()
    cross_fit: tuple[str, ...] = ()
    keep_out: tuple[Path, ...] = ()
    keep_out_splits: tuple[str, ...] = ()
    known_apart: tuple[str, ...] = ()
    sampling: tuple[Path, ...] = ()
    extra_genes: tuple[str, ...] = ()
    architecture: dict[str, dict[str, Any]] = field(default_factory=dict)
    seed: int = 0
    real_share: float = 0.2
    marker_share: float = 0.2
    ortholog_share: float = 0.2
    moved_share: float = 0.5
    use_gene_text: bool = True
    warm_up_steps: int = 600
    stage1_steps: int = 1500
    stage1_cells: int = 256
    stage1_texts: int = 32
    cross_fit_steps: int = 500
    stage2_steps: int = 800
    stage2_cells: int = 16
    droplet_steps: int = 600
    expression_steps: int = 600
    lora_rank: int = 0
    language_model_bits: int = 32
    parts: int = 4
    accumulate: int = 1
    precision: str = "auto"
    save_every: int = 200
    note: str = ""

    def __post_init__(self) -> None:
        for item in fields(self):
            accepts, wanted = KINDS[str(item.type)]
            if not accepts(found := getattr(self, item.name)):
                msg = f"`{item.name}` must be {wanted}, found {found!r}."
                raise ValueError(msg)
        if self.precision not in PRECISIONS:
            msg = f"`precision` must be one of {', '.join(PRECISIONS)}; found {self.precision!r}."
            raise ValueError(msg)
        for name in ("parts", "accumulate", "save_every", "pool_cells", "pool_steps"):
            if getattr(self, name) < 1:
                msg = f"`{name}` must be 1 or more, found {getattr(self, name)!r}."
                raise ValueError(msg)
        self._check_published()
        for pair in self.known_apart:
            if pair.count("~") != 1:
                msg = f"`known_apart` must hold pairs such as 'trained ~ kept out', found {pair!r}."
                raise ValueError(msg)
        for name in ("stage1_cells", "stage2_cells"):
            if (n := getattr(self, name)) < self.parts or n % self.parts:
                msg = f"`{name}` must be a multiple of `parts` ({self.parts}), found {n!r}."
                raise ValueError(msg)

    def _check_published(self) -> None:
        """Refuse wishes that the networks of others do not meet."""
        if self.language_model_bits not in BITS:
            msg = f"`language_model_bits` must be 4, 8 or 32, found {self.language_model_bits!r}."
            raise ValueError(msg)
        if self.language_model_bits < 32 and not (
            self.lora_rank and not self.architecture.get("decoder")
        ):
            msg = (
                f"`language_model_bits: {self.language_model_bits}` holds a language model that stays "
                "as it is: set `lora_rank` to 1 or more, and leave `architecture.decoder` out."
            )
            raise ValueError(msg)
        for name in ("encoder_tuned", "encoder_tokens"):
            if self.encoder is None and (given := getattr(self, name)):
                msg = f"`{name}` is {given!r}, but the run names no published `encoder`."
                raise ValueError(msg)

    @classmethod
    def read(cls, path: Path) -> RunConfig:
        """Read a YAML file; paths are relative to the file, folders and patterns are expanded.

        Raises
        ------
        FileNotFoundError
            If no file matches a pattern.
        ValueError
            If a key is unknown or missing, or a value is not what it should be.
        """
        return cls(**read_values(cls, path))

    def resolved(self) -> RunConfig:
        """Return the same run with whole paths, so that two of them can be compared."""
        return replace(
            self, **{item.name: whole(getattr(self, item.name)) for item in fields(self)}
        )

    def write(self, path: Path) -> None:
        """Write what :meth:`read` reads: patterns expanded, paths relative to `path`."""
        write_values(self, path)


@dataclass(frozen=True)
class Hardware:
    """What a run runs on; what it learns does not depend on it.

    Parameters
    ----------
    accelerator, devices
        As for `lightning.pytorch.Trainer`.
    strategy
        `"auto"`, `"ddp"` (every process holds the whole model) or `"fsdp"` (shares of it, within
        each node).
    progress
        Whether to show progress bars.
    """

    accelerator: str = "auto"
    devices: str = "auto"
    strategy: str = "auto"
    progress: bool = True
