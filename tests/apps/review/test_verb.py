"""`atypica review` on the command line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from atypica.apps.cli.main import run
from atypica.data.sources import open_source


@pytest.fixture
def verb(monkeypatch, capsys, typed, tiny_bundle, tmp_path):
    """Run the verb; gives the exit code and what the screen said."""

    def call(source: str | Path = typed, *options: str):
        place = ["--database", str(tmp_path / "votes.sqlite"), "--model", str(tiny_bundle)]
        monkeypatch.setattr("sys.argv", ["atypica", "review", str(source), *place, *options])
        with pytest.raises(SystemExit) as left:
            run()
        said = capsys.readouterr()
        return left.value.code, said.out + said.err

    return call


def test_export_without_the_page(verb, visitor, review, tmp_path, typed):
    ann = visitor(review(name="results"))
    ann.vote(*ann.keys(sort="source")[:3], call="AMF")
    code, said = verb(typed, "--export", str(tmp_path / "out" / "export.csv"))
    assert code == 0, said
    assert "3 figures with a label, by 1 reader" in said
    figures = open_source(tmp_path / "out" / "export.csv")
    assert figures.labels.tolist() == [1, 1, 1]
    assert not Path(figures.table["image"][0]).is_absolute()
    assert figures.path(figures.table["image"][0]).is_file()


def test_others_are_not_let_in_without_tokens(verb, typed):
    code, said = verb(typed, "--host", "0.0.0.0")
    assert code == 2
    assert "--reader NAME" in said


def test_a_result_is_not_written_over(verb, typed):
    code, said = verb(typed.parent / "figures", "--out", str(typed))
    assert code == 2
    assert "holds results already" in said


def test_the_extra_is_named_where_it_is_missing(verb, monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    for name in [name for name in sys.modules if name.startswith("atypica.apps.web")]:
        monkeypatch.delitem(sys.modules, name)
    code, said = verb()
    assert code == 2
    assert "pip install 'atypica[web]'" in said
