from __future__ import annotations

from scmmgpt_tl.model.prompts import describe_prompt, label_wordings, shorten


def test_everything_stated() -> None:
    lineage = ["cell", "leukocyte", "lymphocyte", "T cell", "CD8 T cell"]
    genes = [f"G{i}" for i in range(10)]
    assert describe_prompt("CD8 T cell", lineage, genes, "lung") == (
        "Cell type: CD8 T cell. Lineage: leukocyte > lymphocyte > T cell > CD8 T cell. "
        "Top genes: G0, G1, G2, G3, G4, G5, G6, G7. Tissue: lung. Description:"
    )


def test_definition_is_cut() -> None:
    prompt = describe_prompt("T cell", [], ["CD3D"], "", "A lymphocyte. " * 50)
    assert prompt.count("A lymphocyte") == 20
    assert "T cell. Definition: A lymphocyte. A" in prompt
    assert "A lymphocyte. Top genes: CD3D." in prompt


def test_nothing_stated() -> None:
    assert describe_prompt("my cell", [], [], "") == (
        "Cell type: my cell. Lineage: my cell. Top genes: none. Tissue: not stated. Description:"
    )


def test_label_wordings_without_definition() -> None:
    assert label_wordings("my cell", " ") == ("my cell",)


def test_shorten() -> None:
    assert shorten("A cell. " * 100).count("cell") == 20
    assert shorten("word " * 200, max_words=5) == "word " * 9 + "word."
    assert shorten("Line\nbreaks  go.") == "Line breaks go."
    assert shorten("") == ""
