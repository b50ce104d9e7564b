"""Files written whole or not at all, and read back as they were."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import atypica
from atypica.core.errors import ExitCode, OutputError, SettingsError
from atypica.data.figures import figures_from


@pytest.fixture(scope="module")
def result(tiny_bundle):
    return atypica.load_model(tiny_bundle).classify(np.zeros((3, 96, 96, 3), np.uint8))


@pytest.mark.parametrize(("kind", "read"), [("csv", pd.read_csv), ("parquet", pd.read_parquet)])
def test_tables_are_read_back(result, tmp_path, kind, read):
    files = result.write(tmp_path / "out", kind)
    assert [file.name for file in files] == [f"predictions.{kind}", f"cases.{kind}"]
    back = read(files[0])
    assert list(back.columns) == list(result.predictions.columns)
    np.testing.assert_array_equal(back["p_amf"], result.predictions["p_amf"])
    assert back["abstain"].astype(bool).tolist() == result.predictions["abstain"].tolist()
    assert read(files[1])["figures"].tolist() == [3]


def test_unknown_format(result, tmp_path):
    with pytest.raises(SettingsError, match="xlsx"):
        result.write(tmp_path, "xlsx")


def test_exit_codes(result, tiny_bundle, tmp_path):
    from PIL import Image

    Image.new("RGB", (96, 96)).save(tmp_path / "a.png")
    model = atypica.load_model(tiny_bundle)
    some = model.classify(figures_from(pd.DataFrame({"image": ["a.png", "b.png"]}), tmp_path, "test"))
    none = model.classify(figures_from(pd.DataFrame({"image": ["c.png", "b.png"]}), tmp_path, "test"))
    assert [r.exit_code for r in (result, some, none)] == [ExitCode.OK, ExitCode.SOME_FAILED, ExitCode.UNUSABLE_INPUT]
    assert [r.failed for r in (result, some, none)] == [0, 1, 2]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_full_disk_keeps_the_old_table_and_leaves_no_part(result, tmp_path, monkeypatch, kind):
    (old,) = [file for file in result.write(tmp_path, kind) if file.stem == "predictions"]
    before = old.read_bytes()

    def full(_table, path, **_):
        Path(path).write_text("half a tab")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, f"to_{kind}", full)
    with pytest.raises(OutputError, match="No space left") as raised:
        result.write(tmp_path, kind)
    assert raised.value.exit_code == ExitCode.NO_ROOM
    assert old.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"cases.{kind}", f"predictions.{kind}"]


def test_kept_maps_are_those_that_are_made_anew(tiny_bundle, monkeypatch):
    crops = np.random.default_rng(5).integers(0, 256, (11, 90, 90, 3), dtype=np.uint8)
    kept = atypica.load_model(tiny_bundle).classify(crops, mpp=0.25, views=8)
    assert kept.maps is not None
    monkeypatch.setattr("atypica.inference.model.MAPS", 10)
    anew = atypica.load_model(tiny_bundle).classify(crops, mpp=0.25, views=8)
    assert anew.maps is None
    for mine, theirs in zip(kept.explain([7, 2, 9]), anew.explain([7, 2, 9]), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_the_gallery_types_no_figure_again(tiny_bundle, monkeypatch):
    result = atypica.load_model(tiny_bundle).classify(np.zeros((3, 90, 90, 3), np.uint8), mpp=0.25)
    monkeypatch.setattr("atypica.inference.classifier.OnnxClassifier.forward", None)
    assert result.explain([0, 2])[1].shape == (2, 4, 4)
