"""The columns of a predictions table keep their promises for any logits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tiny_model import tiny_card

from atypica.core.vocabulary import AMF_SUBTYPES, Subtype, parse_subtype
from atypica.data.figures import figures_from
from atypica.inference.card import Calibration, Card, Strangeness
from atypica.inference.predictions import COLUMNS, SUBTYPE_COLUMNS, entropy, needed, strangeness, tabulate

FIGURES = figures_from(pd.DataFrame({"image": list("abcd"), "case": ["1", "1", "2", "2"]}), Path(), "test")
LOGITS = st.floats(-50, 50, width=32)


def outputs(amf, subtype=None, disagreement=0.0, distance=1.0) -> dict[str, np.ndarray]:
    count = len(amf)
    return {
        "amf": np.asarray(amf, np.float32).reshape(count, 1),
        "subtype": np.zeros((count, 8), np.float32) if subtype is None else np.asarray(subtype, np.float32),
        "disagreement": np.full((count, 1), disagreement, np.float32),
        "distance": np.full(count, distance, np.float32),
    }


def table(card: Card | None = None, threshold: float = 0.5, errors=(None,) * 4, **given_outputs) -> pd.DataFrame:
    trained = [None if error else False for error in errors]
    return tabulate(FIGURES, outputs(**given_outputs), errors, card or tiny_card(), threshold, trained)


@settings(deadline=None, max_examples=60)
@given(arrays(np.float32, 4, elements=LOGITS), arrays(np.float32, (4, 8), elements=LOGITS), st.floats(0, 1))
def test_promises(amf, subtype, threshold):
    got = table(amf=amf, subtype=subtype, threshold=threshold)
    p = got["p_amf"].to_numpy()
    eight = got[list(SUBTYPE_COLUMNS)].to_numpy()
    atypical = [f"p_{subtype.value}" for subtype in AMF_SUBTYPES]
    np.testing.assert_allclose(eight.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(got[atypical].sum(axis=1), p, atol=1e-5)
    assert ((got["prediction"] == "AMF") == (p >= threshold)).all()
    assert (got["subtype"].map(lambda s: parse_subtype(s).side.value) == got["prediction"]).all()
    assert got["uncertainty"].between(0, 1).all()


def test_columns_and_their_order():
    got = table(amf=[1, 2, 3, 4])
    assert tuple(got.columns) == ("figure_id", "image", "case", *COLUMNS)
    assert (got["model"] == "tiny 1").all()


def test_calibration_is_applied():
    card = tiny_card().model_copy(update={"calibration": Calibration(temperature=2, bias=1)})
    assert table(card, amf=[1, 3, 5, -3])["p_amf"].tolist() == pytest.approx([0.5, 0.731059, 0.880797, 0.119203])


def test_threshold_holds_at_equality():
    assert table(amf=[0, 0, 0, -0.01], threshold=0.5)["prediction"].tolist() == ["AMF", "AMF", "AMF", "NMF"]


def test_subtype_is_the_best_of_the_predicted_side_only():
    logits = np.zeros((4, 8))
    logits[:, 1], logits[:, 5] = 9, 3
    got = table(amf=[2, -2, 2, -2], subtype=logits)
    assert got["subtype"].tolist() == ["multipolar", "metaphase", "multipolar", "metaphase"]
    assert list(Subtype)[5].value == "multipolar"


def test_failed_rows_are_blank_but_there():
    got = table(amf=[1, np.nan, 1, 1], distance=1.0, errors=[None, "gone", None, None])
    row = got.iloc[1]
    assert row["error"] == "gone"
    assert row["image"] == "b"
    blank = [
        c
        for c in COLUMNS
        if c not in {"border", "counted", "left_out", "error", "model", "model_sha256", "ood", "p_disagreement"}
    ]
    assert row[blank].isna().all()
    assert not row["counted"]
    assert got.drop(index=1)[blank].notna().all(axis=None)


def test_abstains_in_the_band_and_when_strange():
    assert table(amf=[0, 0.3, 0.5, -3])["abstain"].tolist() == [True, True, False, False]
    assert table(amf=[4, 4, 4, 4], distance=3.9)["abstain"].all()


def test_ood_is_the_share_of_training_figures_less_unlike():
    scale = Strangeness(quantiles=[float(i) for i in range(101)])
    got = strangeness(np.array([-1, 0, 50, 99.5, 1000], np.float32), scale, 5)
    np.testing.assert_allclose(got, [0, 0, 0.5, 0.995, 1])


def test_a_model_with_one_head_leaves_the_rest_blank():
    card = tiny_card().model_copy(update={"heads": {"amf": ["AMF"]}, "strangeness": None})
    assert needed(card) == ("amf",)
    got = tabulate(FIGURES, {"amf": np.ones((4, 1), np.float32)}, [None] * 4, card, 0.5)
    assert got[[*SUBTYPE_COLUMNS, "subtype", "p_disagreement", "ood"]].isna().all(axis=None)
    assert got["abstain"].tolist() == [False] * 4


def test_entropy_in_bits():
    np.testing.assert_allclose(entropy(np.array([0.0, 0.5, 1.0, 0.25])), [0, 1, 0, 0.811278], atol=1e-6)


def test_whole_coordinates_stay_whole(tmp_path):
    figures = figures_from(
        pd.DataFrame({"image": ["a", "b"], "page": [0, None], "x": [10, 20], "y": [0.5, 1]}), tmp_path, "test"
    )
    got = tabulate(figures, outputs([1, 1]), [None, None], tiny_card(), 0.5)
    text = got[["page", "x", "y"]].to_csv(index=False)
    assert text.splitlines() == ["page,x,y", "0,10,0.5", ",20,1.0"]


def test_a_coordinate_that_no_integer_holds_stays_as_it_is():
    keys = pd.DataFrame({"image": ["a", "b"], "x": [1e25, 3.0], "y": [np.inf, 3.0], "page": [1.0, np.nan]})
    found = tabulate(figures_from(keys, Path(), "test"), outputs(amf=[0, 0]), [None] * 2, tiny_card(), 0.5)
    assert found["x"].tolist() == [1e25, 3.0]
    assert found["y"].tolist() == [np.inf, 3.0]
    assert str(found["page"].dtype) == "Int64"


def test_what_a_detector_said_is_carried_through():
    keys = pd.DataFrame({"image": ["a", "b"], "x": [1, 2], "y": [3, 4], "detection_score": [0.25, None]})
    keys["detection_class"] = ["mitosis", None]
    found = tabulate(figures_from(keys, Path(), "test"), outputs(amf=[0, 0]), [None] * 2, tiny_card(), 0.5)
    assert list(found.columns[:6]) == ["figure_id", "image", "x", "y", "detection_score", "detection_class"]
    assert found["detection_score"].tolist()[0] == 0.25
    assert found["detection_score"].isna().tolist() == [False, True]
    assert found["counted"].all()
