from __future__ import annotations

import pytest

from scmmgpt_tl.train.tissues import NOT_A_TISSUE, RENAMED, readable


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("FetalKidney3", "fetal kidney"),
        ("AdultPeripheralBlood2", "blood"),
        ("peripheral blood", "blood"),
        ("Adult-TransverseColon1", "transverse colon"),
        ("AdultLung2-1", "lung"),
        ("Adult Cerebellum1", "cerebellum"),
        ("Bronchoalveolar_lavage_fluid", "bronchoalveolar lavage fluid"),
        ("Brain", "brain"),
        ("MammaryGland_Virgin", "mammary gland"),
        ("BoneMarrow_cKit", "bone marrow"),
        ("Arc-ME", "hypothalamus"),
        ("Trophoblast-Stem-Cell", ""),
        ("", ""),
        ("Segerstolpe", ""),
        ("VentoTormo", ""),
        ("LaManno", ""),
        ("MGH_Broad", ""),
        ("Adult", ""),
    ],
)
def test_readable(source, words):
    assert readable(source) == words


def test_names_that_are_no_tissues_are_as_readable_sees_them():
    for name in (*NOT_A_TISSUE, *RENAMED):
        assert name == name.lower().strip() != ""
