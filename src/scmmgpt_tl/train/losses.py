"""Losses of the two stages, each a function of tensors."""

from __future__ import annotations

import torch
from torch.nn import functional as F

ANCESTOR_WEIGHT = 0.25
SMOOTHING = 0.1


def cell_to_text(
    similarity: torch.Tensor,
    exact: torch.Tensor,
    is_a: torch.Tensor,
    may_be: torch.Tensor,
    shown: torch.Tensor,
) -> torch.Tensor:
    r"""Cell-to-text contrast in which the ontology decides who is a negative.

    With scaled similarities :math:`s_{ij}` of cell :math:`i` (of type :math:`e_i`) and text
    :math:`j`, true texts :math:`T_i` (its type and ancestors), possible texts :math:`D_i`
    (descendants) and all others :math:`F_i`,

    .. math:: L = \frac1n \sum_i \Big[ -\log \frac{e^{s_{i e_i}}}{e^{s_{i e_i}} + \sum_{F_i}
        e^{s_{ij}} + w \sum_{T_i \setminus e_i} e^{s_{ij}}} + \frac{w}{|S_i|} \sum_{j \in S_i}
        -\log \frac{e^{s_{ij}}}{e^{s_{ij}} + \sum_{F_i} e^{s_{ik}}} \Big]

    where :math:`S_i` are the true ancestors among the texts `shown` in this step and :math:`w`
    is `ANCESTOR_WEIGHT`: the exact type should win gently over its ancestors, ancestors clearly
    over what is false, and descendants are left alone.

    Parameters
    ----------
    similarity
        Scaled similarities, (cells, texts).
    exact
        Index of each cell's own text, (cells,).
    is_a, may_be
        Rows of :func:`scmmgpt_tl.train.captions.relations` for the cells, (cells, texts).
    shown
        True for the texts encoded in this step, (texts,).
    """
    false = ~(is_a | may_be)
    own = F.one_hot(exact, similarity.shape[1]).bool()
    weight = torch.zeros_like(similarity).masked_fill(~(false | own), float("-inf"))
    above = is_a & ~own
    weight = weight.masked_fill(above, torch.log(torch.tensor(ANCESTOR_WEIGHT)).item())
    of_type = F.cross_entropy(similarity + weight, exact)

    rest = similarity.masked_fill(~false, float("-inf")).logsumexp(1, keepdim=True)
    of_ancestor = torch.logaddexp(similarity, rest) - similarity
    chosen = above & shown[None]
    mean = (of_ancestor * chosen).sum(1) / chosen.sum(1).clamp_min(1)
    return of_type + ANCESTOR_WEIGHT * mean.mean()


def cell_to_label(
    similarity: torch.Tensor, exact: torch.Tensor, is_a: torch.Tensor, may_be: torch.Tensor
) -> torch.Tensor:
    r"""Cell-to-label contrast: which type a cell was drawn of, among all that it is not related to.

    .. math:: L = -\frac1n \sum_i \log \frac{e^{s_{i e_i}}}{e^{s_{i e_i}} + \sum_{F_i} e^{s_{ij}}}

    in the words of :func:`cell_to_text`. Labels are the first columns of `is_a` and `may_be`.

    Parameters
    ----------
    similarity
        Scaled similarities, (cells, labels).
    exact
        Index of each cell's own label, (cells,).
    is_a, may_be
        As in :func:`cell_to_text`.
    """
    n = similarity.shape[1]
    own = F.one_hot(exact, n).bool()
    left_out = (is_a | may_be)[:, :n] & ~own
    return F.cross_entropy(similarity.masked_fill(left_out, float("-inf")), exact)


def text_to_cell(
    similarity: torch.Tensor, is_a: torch.Tensor, may_be: torch.Tensor, shown: torch.Tensor
) -> torch.Tensor:
    r"""Text-to-cell contrast: each shown text against the cells it is not true of.

    .. math:: L = \frac1{|J|} \sum_{j \in J} \frac1{|T_j|} \sum_{i \in T_j}
        -\log \frac{e^{s_{ij}}}{e^{s_{ij}} + \sum_{k \in F_j} e^{s_{kj}}}

    where :math:`T_j` are the cells that text :math:`j` is true of, :math:`F_j` those that it is
    certainly false of, and :math:`J` the shown texts that are true of any cell; 0 without such.
    """
    false = ~(is_a | may_be)
    rest = similarity.masked_fill(~false, -1e4).logsumexp(0, keepdim=True)
    each = torch.logaddexp(similarity, rest) - similarity
    pairs = (is_a & shown[None]).float()
    per_text = (each * pairs).sum(0) / pairs.sum(0).clamp_min(1)
    used = pairs.sum(0) > 0
    return per_text[used].mean() if bool(used.any()) else similarity.sum() * 0


def text_to_text(similarity: torch.Tensor) -> torch.Tensor:
    r"""Symmetric InfoNCE between two wordings of the same terms, (terms, terms).

    .. math:: L = -\frac1{2n} \sum_i \Big[ \log\frac{e^{s_{ii}}}{\sum_j e^{s_{ij}}}
        + \log\frac{e^{s_{ii}}}{\sum_j e^{s_{ji}}} \Big]
    """
    target = torch.arange(len(similarity), device=similarity.device)
    return (F.cross_entropy(similarity, target) + F.cross_entropy(similarity.T, target)) / 2


def matching(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    r"""Cell-text matching: cross-entropy of :math:`P(\text{match})`, logits (pairs, 2)."""
    return F.cross_entropy(logits, target)


def captioning(logits: torch.Tensor, input_ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    r"""Caption loss: cross-entropy of each word given those before it and the cell, smoothed.

    .. math:: L = -\frac1{|W|}\sum_{t \in W} \sum_v q_{tv} \log p(v \mid w_{<t}, \text{cell}),
        \qquad q_{tv} = 0.9 \, [v = w_t] + 0.1 / |V|

    Parameters
    ----------
    logits
        (cells, words, vocabulary), place t predicting word t + 1.
    input_ids, mask
        (cells, words); words whose mask is 0 are padding and count nothing.
    """
    kept = mask[:, 1:].bool()
    return F.cross_entropy(logits[:, :-1][kept], input_ids[:, 1:][kept], label_smoothing=SMOOTHING)


def expression(
    log_rates: torch.Tensor, shares: torch.Tensor, measured: torch.Tensor
) -> torch.Tensor:
    r"""Cross-entropy of a profile's shares under the predicted ones, over measured genes.

    .. math:: L = -\frac1n \sum_i \sum_{g \in M_i} p_{ig} \log
        \frac{e^{r_{ig}}}{\sum_{h \in M_i} e^{r_{ih}}}

    This is the negative log-likelihood per count of multinomial counts with shares :math:`p`.
    """
    log_shares = log_rates.masked_fill(~measured, float("-inf")).log_softmax(-1)
    weighted = torch.where(measured, shares * log_shares, torch.zeros_like(shares))
    return -weighted.sum(-1).mean()


def levels(
    log_rates: torch.Tensor, shares: torch.Tensor, measured: torch.Tensor, total: torch.Tensor
) -> torch.Tensor:
    r"""Mean squared distance of log-normalised levels, over measured genes.

    .. math:: L = \frac1n \sum_i \frac1{|M_i|} \sum_{g \in M_i} \big(\log(1 + T_i p_{ig}) -
        \log(1 + T_i \hat p_{ig})\big)^2

    The few genes that make up most of a cell decide :func:`expression`; here all genes count alike.

    Parameters
    ----------
    log_rates, shares, measured
        As in :func:`expression`, whose predicted shares are :math:`\hat p`.
    total
        Counts that these genes make up in a cell of ten thousand, (texts,).
    """
    found = log_rates.masked_fill(~measured, float("-inf")).softmax(-1)
    scale = total[:, None]
    distance = (torch.log1p(scale * shares) - torch.log1p(scale * found)) ** 2
    return ((distance * measured).sum(-1) / measured.sum(-1).clamp_min(1)).mean()
