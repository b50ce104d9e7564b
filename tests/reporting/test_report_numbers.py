"""How numbers and the card's values are written."""

from __future__ import annotations

import pytest

from atypica.reporting.numbers import at, count, decimal, nested, percent, plain, words


def test_numbers():
    assert percent(0.1234, 1) == "12.3\u202f%"
    assert percent(None) == decimal(None) == "–"
    assert decimal(0.5) == "0.50"
    assert count(12345) == "12\u202f345"


@pytest.mark.parametrize(("share", "css"), [(0.5, "50.00%"), (None, "0.00%"), (1.2, "100.00%"), (-1.0, "0.00%")])
def test_css_length_stays_in_the_bar(share, css):
    assert at(share) == css


def test_an_estimate_is_one_piece_and_a_mapping_has_parts():
    estimate = {"value": 0.9, "low": 0.85, "high": 0.95}
    assert not nested(estimate)
    assert plain(estimate) == "0.900 (0.850 to 0.950)"
    assert nested({"auroc": estimate})
    assert nested({"value": 0.9, "low": None, "high": None})
    assert plain([{"auroc": estimate}, 2]) == "AUROC 0.900 (0.850 to 0.950), 2"


def test_plain_values():
    assert [plain(value) for value in (None, True, 0.123456, 7, "x")] == ["–", "yes", "0.1235", "7", "x"]


def test_keys_become_words():
    assert [words(key) for key in ("auroc", "split_hash", "sha256")] == ["AUROC", "split hash", "SHA-256"]
