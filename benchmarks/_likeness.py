"""How like two texts are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _sentences import SentenceEncoder
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

BLEU_ORDERS = (2, 4)
ROUGE = {"rouge1": "rouge_1", "rouge2": "rouge_2", "rougeL": "rouge_l"}


def bleu(texts: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Return BLEU of all texts together, 0 to 1, by sacreBLEU.

    Parameters
    ----------
    texts, references
        One of each a group.
    """
    from sacrebleu.metrics import BLEU

    return {
        f"bleu_{n}": BLEU(max_ngram_order=n, lowercase=True)
        .corpus_score(list(texts), [list(references)])
        .score
        / 100
        for n in BLEU_ORDERS
    }


def rouge(texts: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Return the mean F measures of ROUGE-1, -2 and -L, 0 to 1, by rouge-score.

    Parameters
    ----------
    texts, references
        One of each a group.
    """
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(list(ROUGE), use_stemmer=True)
    pairs = zip(references, texts, strict=True)
    found = [scorer.score(*pair) for pair in pairs]
    return {
        name: float(np.mean([scores[key].fmeasure for scores in found]))
        for key, name in ROUGE.items()
    }


def meteor(
    texts: Sequence[str], references: Sequence[str], *, wordnet: WordNetCorpusReader
) -> dict[str, float]:
    """Return the mean of METEOR, 0 to 1, by NLTK.

    Parameters
    ----------
    texts, references
        One of each a group.
    wordnet
        Knows which words mean the same.
    """
    from nltk.tokenize import wordpunct_tokenize
    from nltk.translate.meteor_score import single_meteor_score

    scores = [
        single_meteor_score(*map(wordpunct_tokenize, pair), wordnet=wordnet)
        for pair in zip(references, texts, strict=True)
    ]
    return {"meteor": float(np.mean(scores))}


def cosine(
    texts: Sequence[str], references: Sequence[str], *, encoder: SentenceEncoder
) -> dict[str, float]:
    """Return the mean cosine of the texts' vectors.

    Parameters
    ----------
    texts, references
        One of each a group.
    encoder
        Embeds them.
    """
    both = encoder.embed(texts) * encoder.embed(references)
    return {"cosine": float(both.sum(axis=1).mean())}
