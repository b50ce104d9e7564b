"""A table appears whole, in the format that its name says, or not at all."""

from __future__ import annotations

import pandas as pd
import pytest

from atypica.core.errors import OutputError, SettingsError
from atypica.core.tables import write_table

TABLE = pd.DataFrame({"figure_id": ["a", "ö, b"], "fold": [0, 1]}, index=[7, 3])


@pytest.mark.parametrize("name", ["a.csv", "A.CSV"])
def test_csv(tmp_path, name):
    assert write_table(TABLE, tmp_path / "new" / name).read_bytes() == 'figure_id,fold\na,0\n"ö, b",1\n'.encode()


@pytest.mark.parametrize("name", ["a.parquet", "a.PQ"])
def test_parquet(tmp_path, name):
    pd.testing.assert_frame_equal(
        pd.read_parquet(write_table(TABLE, tmp_path / name)), TABLE.reset_index(drop=True), check_dtype=False
    )


@pytest.mark.parametrize("name", ["a.xlsx", "a", "a.csv.gz"])
def test_a_name_that_says_no_format_is_refused(tmp_path, name):
    with pytest.raises(SettingsError, match=name):
        write_table(TABLE, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_table_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_table(TABLE, tmp_path / "file" / "a.csv")
    with pytest.raises(ValueError, match="uplicate"):
        write_table(pd.DataFrame([[1, 2]], columns=["a", "a"]), tmp_path / "a.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
