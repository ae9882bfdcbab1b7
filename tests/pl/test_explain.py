from __future__ import annotations

import pandas as pd
import pytest

import scmmgpt_tl as scmm
from scmmgpt_tl.pl._explain import explain_data


@pytest.fixture
def explained(adata):
    """Two groups with five genes each, the last of them not expressed."""
    values = [0.9, 0.5, 0.1, -0.7, -0.2]
    parts = [
        pd.DataFrame(
            {
                "group": group,
                "label": label,
                "against": "worth $5 or $10",
                "rank": [1, 2, 3, 1, 2],
                "gene": [f"{group}{i}" for i in range(5)],
                "attribution": values,
                "expression": [3.0, 2.0, 1.0, 2.0, 0.0],
                "marker": [True, False, False, False, False],
            }
        )
        for group, label in (("a", "T cell"), ("B cell", "B cell"))
    ]
    adata.uns["scmm_explanation"] = {
        "params": {},
        "genes": pd.concat(parts),
        "overview": pd.DataFrame({"group": ["a", "B cell"]}),
    }
    return adata


def test_data(explained):
    data = explain_data(explained, key="scmm_explanation", names=None, n_genes=2)
    first = data[data["panel"] == "a: T cell\nagainst worth $5 or $10"]
    # From the strongest for the label down to the strongest against it.
    assert first["name"].tolist() == ["a0", "a1", "a4", "a3"]
    assert first["hollow"].tolist() == [False, False, True, False]
    assert first["bold"].tolist() == [True, False, False, False]
    assert set(data["panel"]) == {first["panel"].iloc[0], "B cell\nagainst worth $5 or $10"}


def test_panels(explained):
    axes = scmm.pl.explain(explained, show=False)
    assert len(axes) == 2
    assert [bar.get_width() for bar in axes[0].patches] == [0.9, 0.5, 0.1, -0.2, -0.7]
    assert [bar.get_fill() and bar.get_facecolor()[3] for bar in axes[0].patches][3] == 0
    assert axes[0].get_title(loc="left").startswith("a: T cell")
    labels = axes[0].get_yticklabels()
    assert [text.get_weight() for text in labels] == ["bold", *["normal"] * 4]


def test_chosen_panels_in_their_order(explained):
    axes = scmm.pl.explain(explained, names=["B cell", "a"], show=False)
    assert [ax.get_title(loc="left")[0] for ax in axes] == ["B", "a"]
    figure = scmm.pl.explain(explained, names="a", return_fig=True)
    assert len(figure.axes) == 1


def test_many_panels_stand_in_rows(explained):
    genes = explained.uns["scmm_explanation"]["genes"]
    parts = [genes[genes["group"] == "a"].assign(group=f"g{i}") for i in range(9)]
    explained.uns["scmm_explanation"]["genes"] = pd.concat(parts)
    assert len(scmm.pl.explain(explained, show=False)) == 8
    figure = scmm.pl.explain(explained, names=[f"g{i}" for i in range(9)], return_fig=True)
    assert len(figure.axes) == 9


def test_words_stand_in_the_order_of_the_text(explained):
    words = pd.DataFrame(
        {
            "text": ["query", "query", "definition", "definition", "definition"],
            "place": [1, 2, 1, 2, 3],
            "word": ["mast", "cell", "a", "granular", "cell"],
            "pull": [0.4, 0.1, -0.01, 0.2, 0.3],
            "kept": [0.5] * 5,
        }
    )
    explained.uns["s"] = {"params": {}, "words": words, "lead": 1.0}
    data = explain_data(explained, key="s", names=None, n_genes=1)
    assert data["name"].tolist() == ["mast", "cell", "granular", "cell"]
    axes = scmm.pl.explain(explained, key="s", show=False)
    assert [ax.get_title(loc="left") for ax in axes] == ["query", "definition"]


def test_what_is_not_there(explained):
    with pytest.raises(ValueError, match="No group 'c' is explained under 'scmm_explanation', but"):
        scmm.pl.explain(explained, names="c", show=False)
    del explained.uns["scmm_explanation"]
    with pytest.raises(ValueError, match="Run `scmm.tl.explain` first"):
        scmm.pl.explain(explained, show=False)
