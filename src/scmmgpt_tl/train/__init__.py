"""How the shipped weights come about, and how to teach them the labels of your own data.

:func:`finetune` is for users of a model; everything else is for those who train one, through
`scmm pretrain` and `scmm publish`.
"""

from ._finetune import finetune

__all__ = ["finetune"]
