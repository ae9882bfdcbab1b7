from __future__ import annotations

import pytest

from scmmgpt_tl.model.labels import LabelTable

NAMES = ("T cell", "CD8-positive, alpha-beta T cell", "tumour, Ö")
IDS = ("CL:0000084", "CL:0000625", "")
TISSUES = ((), ("blood", "lymph node"), ("liver",))


def test_read_gives_back_what_was_written(tmp_path):
    table = LabelTable(NAMES, IDS, TISSUES)
    table.write(tmp_path / "labels.tsv")
    assert LabelTable.read(tmp_path / "labels.tsv") == table
    assert len(table) == 3


def test_file_is_plain_tab_separated_text(tmp_path):
    LabelTable(NAMES, IDS, TISSUES).write(tmp_path / "labels.tsv")
    lines = (tmp_path / "labels.tsv").read_bytes().decode().split("\n")
    assert lines[0] == "name\tcl_id\ttissues"
    assert lines[2] == "CD8-positive, alpha-beta T cell\tCL:0000625\tblood|lymph node"
    assert lines[-1] == ""


def test_empty_table_survives(tmp_path):
    LabelTable((), (), ()).write(tmp_path / "labels.tsv")
    assert len(LabelTable.read(tmp_path / "labels.tsv")) == 0


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ((("a",), (), ()), "as many names as ids"),
        ((("a", "a"), ("", ""), ((), ())), r"unique.*'a'"),
        ((("",), ("",), ((),)), "one line long"),
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
