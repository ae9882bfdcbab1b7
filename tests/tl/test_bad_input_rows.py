"""The list of what may be wrong with input, files and models, and where each row is tested.

A row names faults of `faults.py`, which every tool meets in `test_bad_input.py`, or tests.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .faults import FAULTS

TESTS = Path(__file__).parents[1]
HERE = "tl/test_bad_input.py"
TOOLS = "tl/test_all_tools.py"
BUNDLE = "model/test_bundle.py"
ROWS: dict[str, tuple[str, ...]] = {
    "log1p given where counts are needed, and the reverse": (
        "log1p where counts are needed",
        'log1p in `layers["counts"]`',
        "pp/test_counts.py::test_counts_are_not_lognorm",
    ),
    "fractional counts, as of SoupX": (
        f"{HERE}::test_fractional_counts_are_taken_with_one_warning",
        "pp/test_counts.py::test_one_warning_for_fractional_values",
    ),
    "scaled, negative": ("scaled, counts in .raw", "negative"),
    "NaN, infinite": (
        "NaN",
        "infinite",
        f"{HERE}::test_missing_counts_are_zeros_where_the_settings_say_so",
        "test_input.py::test_wrong_value_in_a_later_block_is_named",
    ),
    "a cell without counts, or without any that the model knows": (
        f"{HERE}::test_little_or_nothing_to_read",
        f"{TOOLS}::test_empty_cells_are_counted",
        f"{TOOLS}::test_everything_is_finite",
    ),
    "int64, float16, bool": ("int64", "float64", "float16", "bool"),
    "CSC": ("CSC", "dense, by columns", "sparse array"),
    "unsorted or repeated indices, stored zeros, 64-bit places": (
        "unsorted indices",
        "repeated indices, stored zeros, 64-bit places",
        "test_matrix.py::test_indices_of_a_damaged_file_are_refused",
    ),
    "dask, backed, views, views of backed": (
        "dask",
        "backed",
        "view",
        f"{HERE}::test_a_view_of_a_backed_file_is_read_or_refused",
        "tl/test_on_files.py::test_every_storage_gives_what_it_gives_in_memory",
        "test_matrix.py::test_view_of_a_backed_object_is_read_by_blocks",
    ),
    ".raw or layers": (
        "counts in a layer, log1p in X",
        "pp/test_counts.py::test_raw_is_named_but_not_used",
        f"{TOOLS}::test_params_say_how_to_repeat_the_call",
    ),
    "repeated names of genes, with and without suffix": (
        "names of genes repeated",
        'names of genes made unique by "-1"',
    ),
    "Ensembl ids with versions, other species, other capitals, aliases": (
        "Ensembl ids with versions",
        "names of genes in lower case",
        f"{HERE}::test_generated_genes_are_those_meant",
        f"{TOOLS}::test_mouse_genes_give_what_their_human_orthologs_give",
        "pp/test_genes.py::test_other_species_are_refused_by_name",
        "pp/test_genes.py::test_a_name_is_found",
    ),
    "no overlap, few genes": (
        "no gene that the model knows",
        "tl/test_coverage.py::test_coverage_is_told_cell_by_cell",
        "pp/test_genes.py::test_too_few_genes_are_refused",
    ),
    "genes in another order": ("genes in another order",),
    "names of cells that repeat or are no texts": (
        "names of cells repeated",
        "one name for all cells",
        "numbers as names of cells",
    ),
    "categories unused, missing, whole numbers": (
        "categories without cells",
        f"{HERE}::test_groups_may_be_numbers_empty_or_missing",
        f"{HERE}::test_every_cell_must_be_of_a_sample",
        "tl/test_given_labels.py::test_cells_without_a_label_have_none",
    ),
    "several modalities, proteins among the genes": (
        f"{TOOLS}::test_modality",
        "test_matrix.py::test_missing_modality_is_refused",
        "pp/test_genes.py::test_other_features_are_left_out",
    ),
    "nothing: no cells, no genes, one cell, one gene": (
        "no genes",
        "one gene",
        f"{HERE}::test_little_or_nothing_to_read",
    ),
    "20,000 genes a cell": (
        "20,000 more genes",
        "model/encoders/scgpt/test_tokenizer.py::test_long_cells_keep_a_sample_that_is_their_own",
    ),
    "company, order and batches of cells": (
        f"{TOOLS}::test_batch_size_does_not_matter",
        f"{TOOLS}::test_order_does_not_matter",
        "tl/test_any_cells.py::test_right_answer_or_an_error_that_names_the_slot",
    ),
    "partial writes, a full disk, two writers": (
        "test_results.py::test_failure_while_writing_is_undone",
        "test_files.py::test_killed_while_writing",
        "stream/test_run_folder.py::test_full_disk_leaves_what_was_done",
        "stream/test_run_folder.py::test_another_process_is_kept_out",
    ),
    "memory of the device": (
        "model/test_runner.py::test_out_of_memory_halves_the_batch_and_goes_on",
    ),
    "damaged or wrong weights": (
        f"{BUNDLE}::test_a_flipped_bit_is_found_in_every_file",
        f"{BUNDLE}::test_a_file_cut_short_is_found",
    ),
    "pickles, paths, links and headers in bundles": (
        f"{BUNDLE}::test_a_pickle_called_safetensors_is_refused_and_does_not_run",
        f"{BUNDLE}::test_paths_are_refused",
        f"{BUNDLE}::test_symbolic_links_are_refused",
        f"{BUNDLE}::test_headers_are_bounded",
    ),
    "code of others": ("test_security.py::test_source_has_no_unsafe_call",),
    "instructions in texts": (
        "instructions in texts",
        f"{HERE}::test_names_of_groups_are_no_instructions",
    ),
    "labels that nobody can know": (
        "tl/test_describe_text.py::test_sentences_that_contradict_the_evidence",
    ),
    "seeds, threads, calls at once": (
        f"{HERE}::test_nothing_global_is_left_changed",
        f"{HERE}::test_all_tools_at_once_give_what_they_give_alone",
        "model/test_runner.py::test_two_threads_get_right_answers",
    ),
    "results that were there": (
        f"{TOOLS}::test_second_run_under_another_key_leaves_the_first",
        f"{TOOLS}::test_copy",
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_every_row_has_its_tests(row):
    names = {fault.name for fault in FAULTS}
    for where in ROWS[row]:
        file, _, test = where.partition("::")
        assert where in names or f"def {test}(" in (TESTS / file).read_text(encoding="utf-8")


def test_every_fault_is_in_a_row():
    assert {fault.name for fault in FAULTS} <= {where for row in ROWS.values() for where in row}


@pytest.mark.skipif(not (TESTS.parent / "docs").is_dir(), reason="the source archive has no pages")
def test_every_fault_is_in_the_user_guide():
    page = (TESTS.parent / "docs" / "user_guide" / "input.md").read_text(encoding="utf-8")
    table = page.partition("## What is odd")[2]
    assert [fault.name for fault in FAULTS if fault.name not in table] == []
