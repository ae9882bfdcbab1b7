"""LangCell: a Geneformer of cells beside a BERT of texts that can read them."""
