"""`atypica models` and `atypica embed`: readable cards; embeddings as a table, kept, resumed, nothing dropped."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from drawn_table import write_drawn_table
from threads import one_thread as one_thread

from atypica.apps.cli import embed as verb
from atypica.apps.cli import models
from atypica.apps.cli.embed import embed
from atypica.core.errors import ExitCode, SettingsError
from atypica.models.cards import CARDS
from atypica.models.embedding import load_encoder

COUNT = 12
TINY = {"backbone": "test_efficientnet", "weights": "random", "size_px": 32, "device": "cpu"}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Drawn figures of which the third is damaged."""
    path = write_drawn_table(tmp_path_factory.mktemp("drawn"), COUNT)
    table = pd.read_csv(path)
    (path.parent / table["image"][2]).write_bytes(b"no image")
    return path


@pytest.fixture
def same_weights(monkeypatch):
    """The same random weights in every run."""
    import atypica.models.embedding as package

    encoder = load_encoder(TINY["backbone"], "random", size_px=32)
    monkeypatch.setattr(package, "load_encoder", lambda *_, **__: encoder)
    return encoder


def test_the_list_is_one_line_a_model(capsys):
    models.list_()
    lines = capsys.readouterr().out.splitlines()
    for card in CARDS.values():
        line = next(line for line in lines if line.startswith(f"{card.name} "))
        assert card.license in line
        assert f"{card.width:,}" in line


@pytest.mark.parametrize("name", CARDS)
def test_a_card_is_shown_whole(name, capsys):
    models.show(name)
    text = " ".join(capsys.readouterr().out.split())
    card = CARDS[name]
    assert all(" ".join(remark.split()) in text for remark in card.remarks)
    assert f"model.backbone={name}" in text
    assert f"hf download {card.hub_id}" in text


def test_an_unknown_card_is_refused():
    with pytest.raises(SettingsError, match="no card"):
        models.show("no-such-model")


def test_embeddings_are_written_with_every_figure(drawn, same_weights, tmp_path, capsys):
    out = tmp_path / "e.parquet"
    status = embed(str(drawn), **TINY, out=out, cache=tmp_path / "cache", views=2)
    assert status == ExitCode.SOME_FAILED
    assert "22 vectors: 22 computed, 0 from the cache" in capsys.readouterr().err
    table = pd.read_parquet(out)
    assert list(table["row"][:8]) == [0, 0, 1, 1, 2, 3, 3, 4]
    assert table["row"].nunique() == COUNT
    assert list(table["view"].dropna()) == [0, 1] * (COUNT - 1)
    failed = table[table["error"].notna()]
    assert failed["row"].tolist() == [2]
    assert failed["embedding"].isna().all()
    vectors = np.stack(table["embedding"].dropna().to_list())
    assert vectors.shape == (22, same_weights.width)
    assert np.isfinite(vectors).all()
    assert table["figure_id"].tolist()[:3:2] == pd.read_csv(drawn)["figure_id"].tolist()[:2]
    described = json.loads(pq.read_schema(out).metadata[b"atypica"])
    assert described["fingerprint"] == same_weights.fingerprint

    embed(str(drawn), **TINY, out=tmp_path / "again.parquet", cache=tmp_path / "cache", views=2)
    assert "22 vectors: 0 computed, 22 from the cache" in capsys.readouterr().err
    assert pd.read_parquet(tmp_path / "again.parquet").equals(table)


def test_a_table_of_another_kind_is_refused_before_the_work(drawn, tmp_path, monkeypatch):
    monkeypatch.setattr(verb, "open_joined", lambda _: pytest.fail("read before the name was checked"))
    with pytest.raises(SettingsError, match=r"\.csv"):
        embed(str(drawn), **TINY, out=tmp_path / "e.csv")
