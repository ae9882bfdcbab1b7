"""How the shipped weights come about, and how to teach them the labels of your own data.

:func:`finetune` and :func:`perturbation` are for users of a model; everything else is for those who
train one, through `scmm pretrain` and `scmm publish`.
"""

from ._finetune import finetune
from ._perturbation import perturbation

__all__ = ["finetune", "perturbation"]
