"""Losses on probabilities as targets, with what is unknown left out. Pure functions.

Most take log-probabilities and targets over C exclusive classes: a softmax of C logits, or one logit as two classes
(`two_classes`). A target is a distribution: one-hot for a label, shares for experts who differ; every class's term is
weighted by its share. A row with NaN is unknown and left out; where no row is known, a loss is 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from atypica.models.heads import SIDE


def masked_bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean binary cross-entropy over the known targets (NaN = unknown); 0 where none is known.

    BCE = -(t log p + (1 - t) log(1 - p)), p = sigmoid(logit).

    Args:
        logits: any shape.
        targets: the same shape, probabilities or NaN.
    """
    known = ~targets.isnan()
    losses = F.binary_cross_entropy_with_logits(logits, targets.nan_to_num(0.0), reduction="none")
    return (losses * known).sum() / known.sum().clamp_min(1)


def cross_entropy(log_p: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """CE = mean over rows of -sum_c w_c t_c log p_c.

    With weights it is not divided by their sum (as torch does): a figure counts the same in whatever batch.

    Args:
        log_p: (n, C).
        targets: (n, C) shares, or NaN rows.
        weights: (C,); 1 if None.
    """
    return focal(log_p, targets, gamma=0.0, weights=weights)


def focal(log_p: Tensor, targets: Tensor, gamma: float = 2.0, weights: Tensor | None = None) -> Tensor:
    """FL = mean over rows of -sum_c w_c t_c (1 - p_c)^gamma log p_c (Lin et al., ICCV 2017, eq. 5).

    One logit with w = (1 - alpha, alpha) is Lin's binary form; C classes with weights is the categorical one.

    Args:
        log_p: (n, C).
        targets: (n, C) shares, or NaN rows.
        gamma: 0 is cross-entropy.
        weights: (C,); 1 if None.
    """
    return _mean_of_known(-_weighted(_shares(targets), weights) * _modulation(log_p, gamma) * log_p, targets)


def recall(log_p: Tensor, targets: Tensor) -> Tensor:
    """RL = 1 - mean over classes of TP_c / (TP_c + FN_c), with soft counts over the batch.

    TP_c = sum over rows of t_c p_c and FN_c = sum of t_c (1 - p_c), so TP_c + FN_c is the number of figures of the
    class. A class that the batch has none of has no recall: it is left out of the mean.

    Args:
        log_p: (n, C).
        targets: (n, C) shares, or NaN rows.
    """
    recalls, there = soft_recalls(log_p, targets)
    missed = ((1 - recalls) * there).sum()
    return missed / there.sum().clamp_min(1)


def focal_recall(
    log_p: Tensor, targets: Tensor, gamma: float = 2.0, beta: float = 2.0, weights: Tensor | None = None
) -> Tensor:
    """FRL = mean over rows of -sum_c w_c t_c (1 - R_c)^beta (1 - p_c)^gamma log p_c, R the soft recalls of `recall`.

    The gradient flows through R too. A class that the batch has none of has no row, so its recall does not matter.
    The source of the formula writes one index for rows and classes; only the mean over rows gives every p_t a sense.

    Args:
        log_p: (n, C).
        targets: (n, C) shares, or NaN rows.
        gamma, beta: 0 and 0 give cross-entropy.
        weights: (C,), the source's alpha_t; 1 if None.
    """
    missed = (1 - soft_recalls(log_p, targets)[0]).clamp_min(_TINY).pow(beta)
    terms = -_weighted(_shares(targets), weights) * missed * _modulation(log_p, gamma) * log_p
    return _mean_of_known(terms, targets)


def soft_recalls(log_p: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Soft recall of every class over the batch, (C,), 0 where it has no figures; and whether it has any, (C,)."""
    shares = _shares(targets)
    count = shares.sum(dim=0)
    there = count > 0
    hits = (shares * log_p.exp()).sum(dim=0)
    return hits / torch.where(there, count, 1.0), there


def two_classes(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """One logit a yes-or-no question as log-probabilities and targets over (no, yes): any shape (n, k) -> (n k, 2).

    Every known entry is a row: of the experts' votes, each vote.
    """
    logits, targets = logits.reshape(-1), targets.reshape(-1)
    log_p = torch.stack([F.logsigmoid(-logits), F.logsigmoid(logits)], dim=1)
    return log_p, torch.stack([1 - targets, targets], dim=1)


def balanced_weights(targets: Tensor) -> Tensor:
    """n / (C n_c) for each class (King & Zeng 2001; scikit-learn's `balanced`), (C,); 0 for a class without figures."""
    counts = _shares(targets).sum(dim=0)
    return torch.where(counts > 0, counts.sum() / (len(counts) * counts.clamp_min(_TINY)), 0.0)


def side_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of the subtype given its side: softmax within the four normal and the four atypical ones.

    Args:
        logits: (n, 8).
        targets: (n, 8), shares that sum to 1; NaN rows are left out.
    """
    known = ~targets.isnan().any(dim=1, keepdim=True)
    shares = targets.nan_to_num(0.0)
    losses = -(shares * side_log_softmax(logits)).sum(dim=1, keepdim=True)
    return (losses * known).sum() / known.sum().clamp_min(1)


def side_log_softmax(logits: Tensor) -> Tensor:
    """log p(subtype | side), (n, 8)."""
    return torch.cat([logits[:, :SIDE].log_softmax(1), logits[:, SIDE:].log_softmax(1)], dim=1)


def weighted_sum(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """The sum over heads of weight times loss; theta L_experts + (1 - theta) L_hardness is one of such."""
    return torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()


def probabilities(logits: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each answer's logits as the probabilities that its targets are: subtypes sum to 1 over both sides."""
    result = {name: values.sigmoid() for name, values in logits.items() if name not in {"subtype", "hardness"}}
    if "subtype" in logits:
        amf = result["amf"]
        sides = torch.cat([(1 - amf).expand(-1, SIDE), amf.expand(-1, SIDE)], dim=1)
        result["subtype"] = sides * side_log_softmax(logits["subtype"]).exp()
    if "hardness" in logits:
        result["hardness"] = logits["hardness"].softmax(1)
    return result


_TINY = 1e-12


def _shares(targets: Tensor) -> Tensor:
    """Targets with zeros in place of unknown rows."""
    return torch.where(_known(targets), targets, 0.0)


def _known(targets: Tensor) -> Tensor:
    return ~targets.isnan().any(dim=1, keepdim=True)


def _weighted(shares: Tensor, weights: Tensor | None) -> Tensor:
    return shares if weights is None else shares * weights.to(shares)


def _modulation(log_p: Tensor, gamma: float) -> Tensor:
    """(1 - p)^gamma; a power below 1 has no slope at 0, so 1 - p stays a little above."""
    return (-torch.expm1(log_p)).clamp_min(_TINY).pow(gamma) if gamma else torch.ones_like(log_p)


def _mean_of_known(terms: Tensor, targets: Tensor) -> Tensor:
    return terms.sum() / _known(targets).sum().clamp_min(1)
