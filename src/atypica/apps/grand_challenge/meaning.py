"""Whether the confidence is P(atypical), and whether the class follows from it."""

from __future__ import annotations

import numpy as np

from atypica.apps.doctor.finding import Finding, Status
from atypica.apps.grand_challenge.form import MOST_SHOWN, Answered

WINNER = "P(atypical)"
CONFLICT = "class and confidence"
HALF = 0.5
ENOUGH = 5
"""Normal pages from which on all above one half is no chance: at most 1 in 2^5 where each is there half the time."""
SEND = "send P(atypical) for every page: of a page called normal with certainty 0.9, confidence 0.1"


def check_conflict(answers: Answered, threshold: float | None) -> Finding:
    """Whether a page is atypical exactly where its confidence is at least the threshold.

    Without a stated threshold: whether any one would do.
    """
    if threshold is None:
        return _any_threshold(answers)
    expected = answers.p >= threshold
    wrong = np.flatnonzero(expected != answers.atypical)
    if not len(wrong):
        return Finding(CONFLICT, Status.PASS, f"exactly what has a confidence of {threshold:g} or more is atypical")
    shown = ", ".join(
        f"answer {row} is {'atypical' if answers.atypical[row] else 'normal'} at {answers.p[row]:.4g}"
        for row in wrong[:MOST_SHOWN]
    )
    more = f" and {len(wrong) - MOST_SHOWN} more" if len(wrong) > MOST_SHOWN else ""
    return Finding(
        CONFLICT,
        Status.FAIL,
        f"{len(wrong)} of {len(answers)} contradict the threshold {threshold:g}: {shown}{more}; the evaluator takes "
        "balanced accuracy from the class and AUROC from the confidence, and notices nothing",
        "state the threshold that the classes were called at (--threshold), or call them at this one",
    )


def _any_threshold(answers: Answered) -> Finding:
    normal, atypical = answers.p[~answers.atypical], answers.p[answers.atypical]
    if not len(normal) or not len(atypical):
        side = "atypical" if len(atypical) else "normal"
        said = f"every page is {side}, at {answers.p.min():.4g} to {answers.p.max():.4g}: any threshold "
        said += "up to the lowest fits" if len(atypical) else "above the highest fits"
        return Finding(CONFLICT, Status.PASS, said)
    if normal.max() < atypical.min():
        said = f"one threshold above {normal.max():.4g}, up to {atypical.min():.4g}, explains every class"
        half = "" if normal.max() < HALF <= atypical.min() else "; it is not 0.5, which is allowed"
        return Finding(CONFLICT, Status.PASS, said + half)
    wrong = int(min((normal >= cut).sum() + (atypical < cut).sum() for cut in np.append(answers.p, np.inf)))
    return Finding(
        CONFLICT,
        Status.FAIL,
        f"no threshold explains the classes: normal reaches up to {normal.max():.4g}, atypical down to "
        f"{atypical.min():.4g}, and the best threshold leaves {wrong} of {len(answers)} on the wrong side",
        "call a page atypical from one value of the confidence on, the same for all pages",
    )


def check_meaning(answers: Answered) -> Finding:
    """Whether the confidences look like P(winner) or P(normal), with the evidence.

    P(winner) is never below one half, and is as high for a page called normal as for one called atypical. P(atypical)
    of pages called normal lies below that of pages called atypical.
    """
    normal, atypical = answers.p[~answers.atypical], answers.p[answers.atypical]
    if len(normal) and len(atypical) and normal.min() > atypical.max():
        said = (
            f"every page called normal has a higher confidence (from {normal.min():.4g}) than every page called "
            f"atypical (up to {atypical.max():.4g}): this is P(normal); AUROC would be mirrored"
        )
        return Finding(WINNER, Status.FAIL, said, "send 1 - confidence")
    if not len(normal) or answers.p.min() < HALF:
        low = f"the lowest confidence is {answers.p.min():.4g}"
        reason = low if len(normal) else "no page is called normal, so there is nothing to tell it by"
        return Finding(WINNER, Status.PASS, f"nothing speaks for P(winner): {reason}")
    return _all_high(normal, atypical)


def _all_high(normal: np.ndarray, atypical: np.ndarray) -> Finding:
    evidence = f"all {len(normal)} pages called normal have a confidence of {normal.min():.4g} to {normal.max():.4g}"
    if len(atypical) and normal.max() < atypical.min():
        said = f"{evidence}, below those called atypical: P(atypical) at a threshold above one half, or P(winner)"
        return Finding(WINNER, Status.WARN, said, SEND)
    mixed = f", and those called atypical {atypical.min():.4g} to {atypical.max():.4g}" if len(atypical) else ""
    said = (
        f"{evidence}{mixed}: none is below one half, as in P(winner); were each normal page above one half as often as "
        f"below, that would happen once in {2.0 ** len(normal):,.0f} stacks. AUROC would be computed from certainty"
    )
    return Finding(WINNER, Status.FAIL if len(normal) >= ENOUGH else Status.WARN, said, SEND)
