from __future__ import annotations

import pytest

from scmmgpt_tl.model.labels import LabelTable

NAMES = ("T cell", "CD8-positive, alpha-beta T cell", "tumour, Ö")
IDS = ("CL:0000084", "CL:0000625", "")
TISSUES = ((), ("blood", "lymph node"), ("liver",))


def test_read_gives_back_what_was_written(tmp_path):
    table = LabelTable(NAMES, IDS, TISSUES, (3, 1, 12))
    table.write(tmp_path / "labels.tsv")
    assert LabelTable.read(tmp_path / "labels.tsv") == table
    assert len(table) == 3


def test_file_is_plain_tab_separated_text(tmp_path):
    LabelTable(NAMES, IDS, TISSUES, (3, 1, 12)).write(tmp_path / "labels.tsv")
    lines = (tmp_path / "labels.tsv").read_bytes().decode().split("\n")
    assert lines[0] == "name\tcl_id\ttissues\tn_profiles"
    assert lines[2] == "CD8-positive, alpha-beta T cell\tCL:0000625\tblood|lymph node\t1"
    assert lines[-1] == ""


def test_every_label_has_a_profile_where_nobody_counted():
    assert LabelTable(NAMES, IDS, TISSUES).n_profiles == (1, 1, 1)


def test_empty_table_survives(tmp_path):
    LabelTable((), (), ()).write(tmp_path / "labels.tsv")
    assert len(LabelTable.read(tmp_path / "labels.tsv")) == 0


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ((("a",), (), ()), "as many names as ids"),
        ((("a", "a"), ("", ""), ((), ())), r"unique.*'a'"),
        ((("",), ("",), ((),)), "one line long"),
        ((("a",), ("",), ((),), (1, 2)), "`n_profiles` needs a number of at least 1"),
        ((("a",), ("",), ((),), (0,)), "`n_profiles` needs a number of at least 1"),
        ((("a\tb",), ("",), ((),)), "one line long"),
        ((("a",), ("CL_0000084",), ((),)), r"'CL:0000084', or are empty; found \['CL_0000084'\]"),
    ],
)
def test_malformed_tables_are_refused(columns, message):
    with pytest.raises(ValueError, match=message):
        LabelTable(*columns)


@pytest.mark.parametrize("text", ["", "a\tb\tc\n", "name\tcl_id\ttissues\nT cell\n"])
def test_other_files_are_refused(tmp_path, text):
    (tmp_path / "labels.tsv").write_text(text)
    with pytest.raises(ValueError, match=r"labels.tsv is not a label table"):
        LabelTable.read(tmp_path / "labels.tsv")
