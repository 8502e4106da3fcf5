"""Label priors: what a label's score loses because the label is said so often, the blank above all."""

from __future__ import annotations

from torch import Tensor

from melisma.train.ctc.config import CtcTrainingConfig

_PRIOR_FROM = 200  # steps after which the network's own posteriors say something


def prior_shift(log_priors: Tensor, config: CtcTrainingConfig, step: int) -> Tensor | None:
    """Return what label priors take from every label's score, float32 [n_labels]; None where they have no say yet.

    A network that learnt with them answers with so many more blanks as they take away: in use they belong to it.

    References
    ----------
    Huang et al., Less Peaky and More Accurate CTC Forced Alignment by Label Priors, ICASSP 2024.
    """
    if not config.label_priors or step < _PRIOR_FROM:
        return None
    return config.label_priors * log_priors
