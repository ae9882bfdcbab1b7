from __future__ import annotations

import pytest

from scmmgpt_tl.train.origin import Origin, in_common

UUID = "1472129f-1945-481b-891a-cbb6aee004e6"


def cites(text, study="a", **known):
    return Origin(study, "a.h5ad", text, **known)


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("Baron 2016, GSE84133", "see GSE84133.", "GSE84133"),
        ("doi:10.1101/2020.11.20.20227355.", "x/10.1101/2020.11.20.20227355v2", "10.1101/2020"),
        (f"https://some.where/{UUID}.h5ad", UUID, UUID),
        ("Enge, M. et al. Cell (2017)", "Enge et al. 2017", "the article of Enge"),
        ("Enge et al.", "Enge et al. 2017", "the article of Enge"),
        ("Someone; Pliner et al. 2019", "Pliner et al. 2019", "the article of Pliner"),
    ],
)
def test_the_same_study(one, other, shared):
    one, other = cites(one), cites(other, study="b")
    assert shared in in_common(one, other)
    assert in_common(one, other) == in_common(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("", ""),
        ("Darmanis et al. 2015, GSE67835", "Darmanis, S. et al. Cell Rep (2017). GSE84465"),
        ("GSE8413", "GSE84133"),
        ("10x Genomics 2016", "10x Genomics 2016"),
    ],
)
def test_different_studies(one, other):
    assert in_common(cites(one), cites(other, study="b")) == ""


def test_a_name_says_it(run_config):
    assert in_common(cites(""), cites("")) == "the name 'a'"
    profile = Origin("human_cell_landscape|Muraro", "human_cell_landscape.h5ad")
    assert in_common(profile, cites("Muraro et al. 2016")) == "the article of Muraro"


def test_people_are_known_by_name_and_not_by_number():
    one = cites("", donors=frozenset({"Br5161", "1", "donor 2", "P3", "SAMP17"}))
    assert in_common(one, cites("", study="b", donors=one.donors)) == "the donors Br5161"
    assert in_common(one, cites("", study="b", donors=one.donors - {"Br5161"})) == ""
