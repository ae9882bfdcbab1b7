from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
from anndata import AnnData
from scipy import sparse

from scmmgpt_tl import datasets, pp

N_OBS, N_VARS = 80, 400


@pytest.fixture
def counts() -> np.ndarray:
    """Overdispersed counts with cells of very different depth."""
    rng = np.random.default_rng(1)
    depth = rng.lognormal(0, 0.6, size=(N_OBS, 1))
    gene = rng.lognormal(-1, 1.5, size=(1, N_VARS))
    return rng.poisson(depth * gene).astype(np.float32)


def per_cell(values: np.ndarray, target: float) -> np.ndarray:
    return (target * values / values.sum(axis=1, keepdims=True)).astype(np.float32)


def tpm(values: np.ndarray) -> np.ndarray:
    """Counts over gene length: equal sums, but nothing whole about them."""
    length = np.random.default_rng(2).lognormal(0, 1, size=(1, values.shape[1]))
    return per_cell(values / length, 1e6)


def rounded(values: np.ndarray, bits: int) -> np.ndarray:
    """Values with so many significant bits left, as some public files have."""
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.rint(mantissa * 2**bits) / 2**bits, exponent).astype(np.float32)


def soup_corrected(values: np.ndarray) -> np.ndarray:
    """Most counts whole, some less a share of the soup."""
    rng = np.random.default_rng(3)
    soup = np.where(rng.random(values.shape) < 0.3, rng.random(values.shape), 0)
    return np.clip(values - soup, 0, None).astype(np.float32)


KINDS = {
    "counts": (lambda x: x, "counts"),
    "deep counts": (lambda x: x * 1000, "counts"),
    "binary": (lambda x: (x > 0).astype(np.float32), "counts"),
    "float noise": (lambda x: x * np.float32(1 + 1e-6), "counts"),
    "soup corrected": (soup_corrected, "fractional"),
    "per ten thousand": (lambda x: per_cell(x, 1e4), "fractional"),
    "sums of one": (lambda x: per_cell(x, 1), "fractional"),
    "few genes of sums of one": (lambda x: per_cell(x, 1)[:, :60], "fractional"),
    "sums of a hundred, few genes": (lambda x: per_cell(x, 100)[:, ::3], "fractional"),
    "tpm": (tpm, "fractional"),
    "log": (lambda x: np.log1p(per_cell(x, 1e4)), "lognorm"),
    "log of few genes": (lambda x: np.log1p(per_cell(x, 1e4))[:, ::4], "lognorm"),
    "log of sums of the median": (lambda x: np.log1p(per_cell(x, 150)), "lognorm"),
    "log of counts": (np.log1p, "lognorm"),
    "log of tpm": (lambda x: np.log1p(tpm(x)), "lognorm"),
    "log of few genes of tpm": (lambda x: np.log1p(tpm(x))[:, ::4], "lognorm"),
    "log2 of cpm": (lambda x: np.log2(1 + per_cell(x, 1e6)), "lognorm"),
    "log10 of cpm": (lambda x: np.log10(1 + per_cell(x, 1e6)), "lognorm"),
    "rounded log": (lambda x: rounded(np.log1p(per_cell(x, 1e4)), 10), "lognorm"),
    "rounded per ten thousand": (lambda x: rounded(per_cell(x, 1e4), 10), "fractional"),
}


@pytest.mark.filterwarnings("ignore:.*taken as linear:UserWarning")
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix], ids=["dense", "csr"])
@pytest.mark.parametrize(("make", "kind"), KINDS.values(), ids=KINDS.keys())
def test_values_are_told_apart(make, kind, form, counts):
    adata = AnnData(form(make(counts)))
    if kind == "lognorm":
        with pytest.raises(ValueError, match="X looks log-normalised"):
            pp.check_counts(adata)
        assert pp.check_counts(adata, counts="lognorm").kind == "lognorm"
    else:
        assert pp.check_counts(adata).kind == kind


def test_report_measures(counts):
    corrected = soup_corrected(counts)
    values = corrected[corrected > 0]
    with pytest.warns(UserWarning, match="taken as linear"):
        report = pp.check_counts(AnnData(corrected))
    assert report.max == values.max()
    assert report.fraction_non_integer == pytest.approx(
        np.mean(np.abs(values % 1) > 1e-4), abs=0.01
    )
    assert (report.negatives, report.nans, report.log_base) == (0, 0, None)
    assert (report.slot, report.layer, report.n_sampled) == ("X", None, N_OBS)


def test_report_reads_well(counts):
    report = pp.check_counts(AnnData(counts))
    assert str(report) == f"X holds counts: whole numbers up to {counts.max():g}."
    assert repr(report).startswith("CountReport(slot='X', layer=None, kind='counts'")


def test_one_warning_for_fractional_values(counts, recwarn):
    pp.check_counts(AnnData(per_cell(counts, 1e4)))
    assert len(recwarn) == 1
    assert "100% of the non-zero values are no whole numbers" in str(recwarn[0].message)


def test_raw_takes_values_as_they_are(counts, recwarn):
    report = pp.check_counts(AnnData(np.log1p(counts)), counts="raw")
    assert report.kind == "fractional"
    assert report.log_base is None
    assert not recwarn


# Where it looks


def test_counts_layer_comes_before_x(counts):
    adata = AnnData(np.log1p(counts), layers={"counts": counts, "other": counts + 1})
    assert pp.check_counts(adata).slot == "layers['counts']"
    assert pp.check_counts(adata, layer="other").layer == "other"


def test_x_can_be_asked_for(counts):
    adata = AnnData(counts, layers={"counts": np.log1p(per_cell(counts, 1e4))})
    assert pp.check_counts(adata, layer="X").slot == "X"
    with pytest.raises(
        ValueError, match=r"layers\['counts'\] looks log.*`layer='X'` holds .*counts"
    ):
        pp.check_counts(adata)


def test_lognorm_takes_x_even_beside_a_counts_layer(counts):
    adata = AnnData(np.log1p(per_cell(counts, 1e4)), layers={"counts": counts})
    report = pp.check_counts(adata, counts="lognorm")
    assert (report.slot, report.kind) == ("X", "lognorm")


def test_raw_is_named_but_not_used(counts):
    adata = AnnData(counts)
    adata.raw = adata.copy()
    adata.X = np.log1p(per_cell(counts, 1e4))
    with pytest.raises(
        ValueError, match=r"`\.raw` holds what looks like counts values.*raw\.to_adata"
    ):
        pp.check_counts(adata)


# Bases


@pytest.mark.parametrize(
    ("log", "base"),
    [(np.log1p, np.e), (lambda x: np.log2(1 + x), 2), (lambda x: np.log10(1 + x), 10)],
)
def test_base_is_found(log, base, counts):
    adata = AnnData(log(per_cell(counts, 1e4)))
    assert pp.check_counts(adata, counts="lognorm").log_base == pytest.approx(base)


@pytest.mark.parametrize("base", [None, 2, 7])
def test_base_that_scanpy_noted_is_used(base, counts, tmp_path):
    adata = AnnData(tpm(counts)[:, ::5])
    sc.pp.log1p(adata, base=base)
    expected = pytest.approx(np.e if base is None else base)
    assert pp.check_counts(adata, counts="lognorm").log_base == expected
    adata.write_h5ad(tmp_path / "x.h5ad")
    again = ad.read_h5ad(tmp_path / "x.h5ad")
    assert pp.check_counts(again, counts="lognorm").log_base == expected


def test_note_of_scanpy_decides_where_the_values_do_not(counts):
    adata = AnnData(tpm(counts)[:, ::50] / 1e6)
    with pytest.warns(UserWarning, match="taken as linear"):
        pp.check_counts(adata)
    sc.pp.log1p(adata)
    with pytest.raises(ValueError, match="X looks log-normalised"):
        pp.check_counts(adata)


def test_note_of_scanpy_does_not_turn_counts_into_logs(counts):
    adata = AnnData(counts, uns={"log1p": {"base": None}})
    assert pp.check_counts(adata).kind == "counts"


# Errors


def with_value(counts: np.ndarray, value: float, number: int = 3) -> np.ndarray:
    spoilt = counts.copy()
    spoilt.reshape(-1)[:: spoilt.size // number] = value
    return spoilt


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("mode", ["auto", "raw", "lognorm"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, r"X holds \d NaN values .* the first is nan for gene '\d+' in cell '\d+'"),
        (np.inf, r"X holds \d infinite values .* the first is inf for gene '\d+' in cell '\d+'"),
        (-1, r"X holds \d negative values .* the first is -1.0 for gene .* looks scaled"),
    ],
)
def test_impossible_values_are_refused(value, message, mode, form, counts):
    with pytest.raises(ValueError, match=message):
        pp.check_counts(AnnData(form(with_value(counts, value))), counts=mode)


def test_scaled_values_are_refused_and_the_good_layer_named(counts):
    adata = AnnData(np.log1p(per_cell(counts, 1e4)), layers={"spliced": counts})
    sc.pp.scale(adata)
    with pytest.raises(ValueError, match=r"negative values.*`layer='spliced'` holds .*counts"):
        pp.check_counts(adata)


def test_nothing_good_to_name(counts):
    with pytest.raises(ValueError, match="Load the raw counts, and pass `layer=`"):
        pp.check_counts(AnnData(counts - 1))


def test_log_error_says_what_was_measured(counts):
    values = np.log1p(per_cell(counts, 1e4))
    with pytest.raises(
        ValueError,
        match=rf"100% of the non-zero values are no whole numbers and the largest is "
        rf"{values.max():.4g}; undoing log\(x \+ 1\) gives .*pass `counts=\"lognorm\"`",
    ):
        pp.check_counts(AnnData(values))


def test_counts_are_not_lognorm(counts):
    with pytest.raises(ValueError, match=r"cannot be log-normalised: 0% .*Leave out"):
        pp.check_counts(AnnData(counts), counts="lognorm")


def test_linear_values_are_not_lognorm(counts):
    with pytest.raises(ValueError, match="cannot be log-normalised.*the largest is"):
        pp.check_counts(AnnData(tpm(counts)), counts="lognorm")


def test_missing_layer_is_named(counts):
    adata = AnnData(counts, layers={"spliced": counts})
    with pytest.raises(ValueError, match=r"no layer 'count'.*'X' or one of \['spliced'\]"):
        pp.check_counts(adata, layer="count")


def test_wrong_mode_is_refused(counts):
    with pytest.raises(ValueError, match="`counts` must be 'auto', 'raw' or 'lognorm', not 'log'"):
        pp.check_counts(AnnData(counts), counts="log")


# Shapes and storage


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (1, 1), (3, 4)])
def test_objects_without_counts_pass(shape):
    report = pp.check_counts(AnnData(sparse.csr_matrix(shape, dtype=np.float32)))
    assert (report.kind, report.max) == ("counts", 0)
    assert pp.check_counts(AnnData(np.zeros(shape)), counts="lognorm").kind == "lognorm"


def test_sample_reaches_the_end_of_the_file():
    values = np.ones((5000, 3), dtype=np.float32)
    values[-1] = [0.5, 1.5, 60]
    with pytest.warns(UserWarning, match="taken as linear"):
        report = pp.check_counts(AnnData(values))
    assert report.n_sampled == 512
    assert report.max == 60


def test_backed_file_is_checked(counts, tmp_path):
    values = sparse.csr_matrix(counts)
    AnnData(np.log1p(values), layers={"counts": values}).write_h5ad(tmp_path / "x.h5ad")
    adata = ad.read_h5ad(tmp_path / "x.h5ad", backed="r")
    assert pp.check_counts(adata).slot == "layers['counts']"
    with pytest.raises(ValueError, match=r"`layer='counts'` holds what looks like counts"):
        pp.check_counts(adata, layer="X")


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.int64, np.float64, np.float16, bool])
def test_number_formats(dtype, counts):
    values = np.clip(counts, 0, 200).astype(dtype)
    assert pp.check_counts(AnnData(values)).kind == "counts"


def test_object_is_left_alone(counts):
    adata = AnnData(sparse.csr_matrix(counts), layers={"counts": sparse.csc_matrix(counts)})
    before = adata.copy()
    pp.check_counts(adata)
    np.testing.assert_array_equal(adata.X.toarray(), before.X.toarray())
    assert list(adata.uns) == []
    assert list(adata.obs) == []


# Real cells


def test_real_counts():
    report = pp.check_counts(datasets.immune_mini())
    assert (report.kind, report.max) == ("counts", 1448)


def test_real_log_normalised_cells():
    adata = datasets.pbmc68k()
    with pytest.raises(ValueError, match="X looks log-normalised"):
        pp.check_counts(adata)
    report = pp.check_counts(adata, counts="lognorm")
    assert report.log_base == pytest.approx(np.e)


def test_real_scaled_cells():
    adata = sc.datasets.pbmc68k_reduced()
    with pytest.raises(
        ValueError, match=r"negative values.*`\.raw` holds .*lognorm.*counts=\"lognorm\""
    ):
        pp.check_counts(adata)
