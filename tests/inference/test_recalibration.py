"""A lab's settings: what changes, what is said of it, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import balanced_accuracy_score
from tiny_model import tiny_card

from atypica.core.errors import EvaluationError
from atypica.inference.card import Card
from atypica.inference.labeled import LabeledLogits
from atypica.inference.recalibration import recalibrate

DATE = "2026-11-21"


def lab(
    figures: int = 300, cases: int = 30, temperature: float = 2.0, bias: float = 1.5, seed: int = 0
) -> LabeledLogits:
    """Logits whose true temperature and bias are known."""
    rng = np.random.default_rng(seed)
    z = rng.normal(-1, 2.5, figures)
    y = (rng.random(figures) < expit(z)).astype(float)
    names = np.array([f"case {k % cases}" for k in range(figures)], dtype=object)
    return LabeledLogits("lab", y, temperature * z + bias, names, rng.random(figures))


def test_the_card_gets_the_lab_s_settings_and_keeps_the_old_ones():
    card = tiny_card()
    new = recalibrate(card, lab(3000), date=DATE, referred=0.2).card
    assert new.calibration.temperature == pytest.approx(2.0, rel=0.1)
    assert new.calibration.bias == pytest.approx(1.5, abs=0.3)
    assert new.version == "1+calibrated.20261121"
    assert "lab" in new.thresholds.chosen_by
    assert new.thresholds.refer_low < new.thresholds.default < new.thresholds.refer_high
    assert new.history[0]["replaced"]["thresholds"] == card.thresholds.model_dump()
    assert (new.history[0]["figures"], new.history[0]["cases"]) == (3000, 30)
    assert (new.onnx_sha256, new.strangeness) == (card.onnx_sha256, card.strangeness)
    assert Card.parse(new.model_dump(mode="json"), "card") == new


def test_twice_calibrated_keeps_both_histories_and_one_mark():
    once = recalibrate(tiny_card(), lab(), date="2026-01-01").card
    twice = recalibrate(once, lab(seed=1), date=DATE).card
    assert twice.version == "1+calibrated.20261121"
    assert len(twice.history) == 2


def test_the_accuracy_of_the_card_is_that_of_the_cross_validation():
    found = recalibrate(tiny_card(), lab(), date=DATE)
    held_out = found.report["held_out"]["recalibrated, cross-validated"]
    accuracy = found.card.thresholds.accuracy
    assert accuracy
    assert accuracy.sensitivity == held_out["sensitivity"]["value"]
    assert (accuracy.n_amf, accuracy.n_nmf) == (found.report["amf"], 300 - found.report["amf"])


def test_luck_is_not_reported_as_skill():
    """Labels by chance: a threshold fitted to them is better than chance on the very same figures only."""
    values: list[float] = []
    refused: list[str] = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        given = replace(lab(80, seed=seed), labels=(rng.random(80) < 0.4).astype(float))
        try:
            found = recalibrate(tiny_card(), given, date=DATE, seed=seed)
        except EvaluationError as error:
            refused.append(error.message)
            continue
        values.append(found.report["held_out"]["recalibrated, cross-validated"]["balanced_accuracy"]["value"])
    assert all("do not rise" in message for message in refused)
    assert values
    assert np.mean(values) < 0.56


def test_the_model_s_own_settings_are_judged_as_they_are():
    given = lab()
    found = recalibrate(tiny_card(), given, date=DATE)
    own = balanced_accuracy_score(given.labels, expit(given.logits) >= 0.5)
    assert found.report["held_out"]["model's own settings"]["balanced_accuracy"]["value"] == pytest.approx(
        own, abs=1e-4
    )


def test_too_few_figures_cases_or_no_cases_are_said():
    few = recalibrate(tiny_card(), lab(40, cases=6), date=DATE)
    assert any("too few figures" in warning for warning in few.warnings)
    assert any("too few cases: 6" in warning for warning in few.warnings)
    many = recalibrate(tiny_card(), lab(800, cases=40), date=DATE)
    assert not any("too few" in warning for warning in many.warnings)
    wide, narrow = (found.report["threshold_interval"] for found in (few, many))
    assert wide["high"] - wide["low"] > narrow["high"] - narrow["low"]
    bare = recalibrate(tiny_card(), replace(lab(), cases=None), date=DATE)
    assert any("no cases" in warning for warning in bare.warnings)
    assert bare.report["cases"] is None


def test_far_figures_are_called_far():
    found = recalibrate(tiny_card(), replace(lab(), ood=np.full(300, 0.99)), date=DATE)
    assert found.report["strangeness"]["beyond_limit"] == 1.0
    assert any("far from the training figures" in warning for warning in found.warnings)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_alone_is_refused(label: float):
    with pytest.raises(EvaluationError, match="nothing can be calibrated"):
        recalibrate(tiny_card(), replace(lab(), labels=np.full(300, label)), date=DATE)
