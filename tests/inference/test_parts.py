"""Classification in parts: the results of one go, whatever happens in between."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import imagecodecs
import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import tifffile

from atypica.core.errors import OutputError, SettingsError, SourceError
from atypica.core.executor import Finished, LostWorkerError, Serial
from atypica.data.figures import Figures, figures_from
from atypica.data.sources import Reading, open_source
from atypica.inference.counting import Limits
from atypica.inference.model import Asked, load_model
from atypica.inference.packing import pack
from atypica.inference.parts.file import SCHEMA
from atypica.inference.parts.part import part_of_table, parts_of_shard, rows_of_parts
from atypica.inference.parts.shards import classify_shards
from atypica.inference.parts.table import classify_table

COUNT = 200


@pytest.fixture(scope="module")
def model(tiny_bundle):
    return load_model(tiny_bundle)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Noisy crops of several shades, one of them broken, with cases and scores."""
    folder = tmp_path_factory.mktemp("figures")
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        crop = rng.integers(0, 60, (96, 96, 3)) + rng.integers(0, 196)
        (folder / f"{number}.png").write_bytes(imagecodecs.png_encode(crop.astype(np.uint8)))
    (folder / "17.png").write_bytes(b"no image")
    table = pd.DataFrame({"image": [f"{n}.png" for n in range(COUNT)], "case": [f"c{n % 9}" for n in range(COUNT)]})
    table["mpp"] = np.where(table.index % 3, 0.25, np.nan)
    table["detection_score"] = np.where(table.index % 5, rng.random(COUNT).round(3), np.nan)
    table.to_csv(folder / "figures.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def figures(folder) -> Figures:
    return open_source(folder / "figures.csv")


@pytest.fixture(scope="module")
def shards(figures, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("packed") / "shards"
    pack(figures, out, size=70)
    return out


@dataclass
class Failing(Serial):
    """Does all jobs but some, whose workers are lost."""

    lost: tuple[str, ...] = ()
    error: Exception | None = None
    workers = 2

    def map(self, make, jobs):
        for job in jobs:
            if job.name in self.lost:
                yield Finished(job, error=self.error, lost=("killed",))
            else:
                yield from super().map(make, [job])


def in_parts(figures, out, model, asked=None, executor=None, **more):
    return classify_table(figures, out, model, asked or Asked(0.5), executor or Serial(), part_size=32, **more)


def written(result, folder: Path) -> dict[str, bytes]:
    result.write(folder, "csv")
    result.write(folder, "parquet")
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_parts_give_the_tables_of_one_go_byte_for_byte(model, figures, tmp_path):
    limits = {"min_detection_score": 0.3, "max_ood": 0.9}
    whole = model.classify(figures, threshold=0.4, views=8, **limits)
    asked = Asked(0.4, views=8, limits=Limits.of(figures, model.card, **limits))
    done = in_parts(figures, tmp_path / "parts", model, asked, threads=1)
    assert len(list(done.folder.predictions.iterdir())) == 7
    pd.testing.assert_frame_equal(done.result.predictions, whole.predictions, check_exact=True)
    assert done.result.notes == whole.notes
    assert any("left out" in note for note in whole.notes)
    assert written(done.result, tmp_path / "a") == written(whole, tmp_path / "b")
    done.folder.remove()
    assert not (tmp_path / "parts").exists()


def test_whole_slides_stay_together_and_give_what_one_go_gives(model, tmp_path):
    rng = np.random.default_rng(1)
    rows = []
    for slide in range(3):
        pixels = rng.integers(0, 255, (1100, 1100, 3), dtype=np.uint8)
        tifffile.imwrite(tmp_path / f"{slide}.tif", pixels, photometric="rgb", tile=(256, 256))
        places = rng.integers(0, 1100, (40, 2))
        rows += [{"image": f"{slide}.tif", "x": x, "y": y, "mpp": 0.25 + slide / 100} for x, y in places.tolist()]
    rows.insert(5, {"image": "gone.png"})
    table = pd.DataFrame(rows).sample(frac=1, random_state=0)  # slides are not one after the other
    figures = figures_from(table, tmp_path, "slides")
    parts = rows_of_parts(figures, 32)
    assert sorted(np.concatenate(parts)) == list(range(121))
    assert set(figures.table["image"].iloc[parts[0]]) == {"gone.png"}
    assert all(figures.table["image"].iloc[part].nunique() == 1 for part in parts)
    whole = model.classify(figures, threshold=0.5)
    done = in_parts(figures, tmp_path / "parts", model)
    pd.testing.assert_frame_equal(done.result.predictions, whole.predictions, check_exact=True)
    assert done.result.notes == whole.notes
    assert done.result.predictions["border"].any()


@pytest.mark.parametrize("packed", ["parquet", "tar", "tiff"])
def test_shards_give_what_their_figures_give_as_a_table(model, figures, shards, packed, tmp_path):
    source: Path | str = shards
    good = np.arange(COUNT) != 17
    if packed != "parquet":
        source = tmp_path / "shards"
        pack(figures.where(good), source, packed, size=70)
    source = f"{source}/*.tif" if packed == "tiff" else source
    done = classify_shards(source, tmp_path / "out", model, threshold=0.5, part_size=32, min_detection_score=0.3)
    whole = model.classify(figures, threshold=0.5, min_detection_score=0.3)
    kept = good if packed != "parquet" else good | True
    wanted = whole.predictions[kept].reset_index(drop=True)
    table = ds.dataset(done.predictions).to_table().to_pandas()
    assert table.columns.tolist() == SCHEMA.names
    assert table["p_amf"].tolist() == pytest.approx(wanted["p_amf"].tolist(), abs=0, nan_ok=True)
    assert table["prediction"].fillna("").tolist() == wanted["prediction"].fillna("").tolist()
    assert done.summary.figures == len(wanted)
    if packed == "tiff":  # a stack has no columns
        assert done.cases()["case"].tolist() == ["all"]
        assert "tag (132 figures)" in done.notes[0]  # what had no resolution keeps none
        assert "assumed (67 figures)" in done.notes[1]
        assert done.notes[-1] == "counted: 199 figures without a detection score"
        return
    assert table["figure_id"].tolist() == wanted["figure_id"].tolist()
    assert table["image"].tolist() == wanted["image"].tolist()
    assert table["counted"].tolist() == wanted["counted"].tolist()
    if packed == "parquet":
        pd.testing.assert_frame_equal(done.cases(), whole.cases(), check_exact=True)
        assert done.notes == whole.notes
        assert done.summary.failed == 1
        assert "17.png" in done.summary.errors[0][0]
        assert done.exit_code == 3


def test_a_part_that_is_there_is_not_done_again(model, shards, tmp_path):
    class Interrupted(Serial):
        def map(self, make, jobs):
            for number, finished in enumerate(super().map(make, jobs)):
                if number == 3:
                    raise KeyboardInterrupt
                yield finished

    with pytest.raises(KeyboardInterrupt):
        classify_shards(shards, tmp_path / "out", model, part_size=32, executor=Interrupted())
    before = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "out" / "predictions").iterdir()}
    assert len(before) == 4  # the fourth was written, and then nobody waited for it
    again = classify_shards(shards, tmp_path / "out", model, part_size=32)
    after = {file.name: file.stat().st_mtime_ns for file in again.predictions.iterdir()}
    assert (again.kept_parts, len(after), again.summary.figures) == (4, 8, COUNT)
    assert after.items() >= before.items()


@pytest.fixture(scope="module")
def typed(model, shards, tmp_path_factory) -> Path:
    """The folder of a run that is done."""
    out = tmp_path_factory.mktemp("typed")
    classify_shards(shards, out, model, threshold=0.5, part_size=32)
    return out


@pytest.mark.parametrize(
    "other", [{"threshold": 0.3}, {"views": 8}, {"mpp": 0.5}, {"max_ood": 0.5}, {"part_size": 64}, {"max_pixels": 99}]
)
def test_other_settings_in_the_same_folder_are_refused(model, shards, typed, other):
    settings = {"threshold": 0.5, "part_size": 32}
    name, value = next(iter(other.items()))
    with pytest.raises(SettingsError, match=rf"{name} was .*, is {value}"):
        classify_shards(shards, typed, model, **settings | other)


def test_a_mistake_before_any_part_can_be_mended_in_the_same_folder(model, shards, tmp_path):
    with pytest.raises(SettingsError, match="0 micrometers per pixel"):
        classify_shards(shards, tmp_path, model, mpp=0.0)
    assert classify_shards(shards, tmp_path, model, mpp=0.25).summary.figures == COUNT


def test_parts_without_their_record_are_no_table_to_add_to(model, shards, tmp_path):
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "part-00000.parquet").write_bytes(b"of somebody else")
    (tmp_path / "job.json").write_text("{")
    with pytest.raises(SettingsError, match=r"no job\.json"):
        classify_shards(shards, tmp_path, model, part_size=32)


def test_a_shard_that_was_changed_or_is_gone_is_done_again_or_removed(model, figures, tmp_path):
    pack(figures, tmp_path / "shards", size=70)
    out, said = tmp_path / "out", list[str]()
    first = classify_shards(tmp_path / "shards", out, model, part_size=32)
    part = out / "predictions" / "part-00000-00000.parquet"
    part.write_bytes(part.read_bytes()[:-9])
    (tmp_path / "shards" / "figures-00002.parquet").unlink()
    second = classify_shards(tmp_path / "shards", out, model, part_size=32, say=said.append)
    assert (first.summary.figures, second.summary.figures, second.kept_parts) == (200, 140, 5)
    assert ds.dataset(out / "predictions").count_rows() == 140
    assert "part-00000-00000 is of figures that were changed since, or is damaged" in said[0]
    assert said[1].startswith("part-00002-00000.parquet is of figures that are no longer there")


def test_a_broken_shard_is_named_and_the_others_go_on(model, figures, tmp_path):
    pack(figures, tmp_path / "shards", size=70)
    broken = tmp_path / "shards" / "figures-00001.parquet"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:1000])
    done = classify_shards(tmp_path / "shards", tmp_path / "out", model)
    assert done.summary.figures == 130
    assert list(done.failed_shards) == ["figures-00001.parquet"]
    assert done.exit_code == 3
    broken.write_bytes(whole)
    mended = classify_shards(tmp_path / "shards", tmp_path / "out", model)
    assert (mended.kept_parts, mended.summary.figures, mended.failed_shards) == (2, COUNT, {})


def test_nothing_but_broken_shards_is_an_error(model, tmp_path):
    (tmp_path / "a.tar").write_bytes(b"no tar")
    with pytest.raises(SourceError, match=r"a\.tar cannot be read"):
        classify_shards(tmp_path / "a.tar", tmp_path / "out", model)


def test_a_lost_worker_is_said_and_its_part_is_left_for_the_next_run(model, figures, shards, tmp_path):
    said: list[str] = []
    executor = Failing(lost=("part-00001-00000",), error=LostWorkerError("its worker vanished 3 times", "more memory"))
    done = classify_shards(shards, tmp_path / "out", model, executor=executor, say=said.append)
    assert done.failed_parts == {"part-00001-00000": "its worker vanished 3 times -> more memory"}
    assert said == ["part-00001-00000: its worker vanished (killed)"]
    assert (done.summary.figures, done.exit_code) == (130, 3)

    executor = replace(executor, lost=("part-00002",))
    table = in_parts(figures, tmp_path / "parts", model, executor=executor)
    predictions = table.result.predictions
    assert list(table.failed) == ["part-00002"]
    assert predictions["error"].notna().to_numpy().nonzero()[0].tolist() == [17, *range(64, 96)]
    assert predictions["error"][64] == "its worker vanished 3 times -> more memory"
    assert table.result.exit_code == 3
    again = in_parts(figures, tmp_path / "parts", model)
    assert again.result.failed == 1


def test_what_keeps_all_parts_from_being_written_ends_the_run(model, shards, tmp_path):
    executor = Failing(lost=("part-00000-00000",), error=OutputError("cannot write: No space left on device"))
    with pytest.raises(OutputError, match="No space left"):
        classify_shards(shards, tmp_path / "out", model, executor=executor)


def test_ids_that_stand_twice_are_said(model, tmp_path):
    crop = imagecodecs.png_encode(np.zeros((96, 96, 3), dtype=np.uint8))
    for name in "ab":
        table = pd.DataFrame({"figure_id": ["1", f"2{name}"], "image_bytes": [crop] * 2})
        table.to_parquet(tmp_path / f"{name}.parquet")
    done = classify_shards(tmp_path, tmp_path / "out", model)
    assert done.notes[-1] == "figure_id: 1 stand for an earlier figure too; 'image' tells them apart"


def test_a_part_size_that_would_move_batches_is_refused(model, shards, tmp_path):
    with pytest.raises(SettingsError, match="--part-size 100"):
        classify_shards(shards, tmp_path / "out", model, part_size=100)


def test_jobs_hold_no_pixels_and_say_what_they_are_of(shards):
    from atypica.data.shards import open_shards

    shard = open_shards(shards).shards[2]
    parts = list(parts_of_shard(2, shard, 32))
    assert [(part.name, part.size) for part in parts] == [("part-00002-00000", 32), ("part-00002-00001", 28)]
    assert parts[0].identity.startswith("figures-00002.parquet ")


def test_the_same_rows_of_another_folder_are_other_figures(figures, tmp_path):
    rows = np.arange(32)
    here = part_of_table(0, figures, rows)
    assert here.identity == part_of_table(0, figures, rows).identity
    assert here.identity != part_of_table(0, replace(figures, root=tmp_path), rows).identity
    other = replace(figures, table=figures.table.assign(case="x"))
    assert here.identity != part_of_table(0, other, rows).identity


def test_what_killed_workers_left_half_written_is_removed(model, shards, tmp_path):
    left = tmp_path / "predictions" / ".part-00000-00000.0a1b2c3d.parquet"
    left.parent.mkdir()
    left.write_bytes(b"half")
    classify_shards(shards, tmp_path, model)
    assert not left.exists()


def test_packing_keeps_the_bytes_of_files_and_goes_on_after_a_stop(figures, folder, tmp_path):
    first = pack(figures, tmp_path / "a", size=90, repeat=2)
    assert [pq.read_metadata(file).num_rows for file in first.files] == [90, 90, 90, 90, 40]
    table = pd.concat([pd.read_parquet(file) for file in first.files], ignore_index=True)
    assert table["image_bytes"][3] == (folder / "3.png").read_bytes()
    assert table["figure_id"].is_unique
    assert table["figure_id"][203] == "3.png copy 1"
    assert table["case"].tolist() == [f"c{n % 9}" for n in range(COUNT)] * 2
    whole = first.files[1].read_bytes()
    first.files[1].unlink()
    again = pack(figures, tmp_path / "a", size=90, repeat=2)
    assert (again.kept, first.files[1].read_bytes()) == (4, whole)
    with pytest.raises(SettingsError, match="packed otherwise"):
        pack(figures, tmp_path / "a", size=80)


def test_packing_cuts_figures_from_slides_at_their_middle(model, tmp_path):
    pixels = np.zeros((1200, 1200, 3), dtype=np.uint8)
    pixels[...] = np.arange(1200, dtype=np.uint16)[None, :, None] // 5
    tifffile.imwrite(tmp_path / "s.tif", pixels, photometric="rgb", resolution=(40_000, 40_000), resolutionunit=3)
    (tmp_path / "d.csv").write_text("x_px,y_px\n600,600\n3,600\n")
    figures = open_source(tmp_path / "s.tif", figures=tmp_path / "d.csv", reading=Reading())
    (file,) = pack(figures, tmp_path / "out").files
    table = pd.read_parquet(file)
    crops = [imagecodecs.png_decode(data) for data in table["image_bytes"]]
    assert [crop.shape for crop in crops] == [(256, 256, 3)] * 2
    assert np.array_equal(crops[0], pixels[472:728, 472:728])
    assert table["mpp"].tolist() == pytest.approx([0.25, 0.25])
    assert crops[1][0, 128, 0] == pixels[0, 3, 0]
    done = classify_shards(file, tmp_path / "typed", model, threshold=0.5)
    whole = model.classify(figures, threshold=0.5)
    typed = pd.read_parquet(done.predictions)
    assert typed["p_amf"].to_numpy() == pytest.approx(whole.predictions["p_amf"].to_numpy(), abs=0.01)


def test_what_cannot_be_read_is_packed_as_a_row_without_an_image(tmp_path):
    figures = figures_from(pd.DataFrame({"image": ["gone.png"]}), tmp_path, "t")
    done = pack(figures, tmp_path / "a")
    assert list(done.errors) == ["gone.png"]
    assert pd.read_parquet(done.files[0])["image_bytes"].isna().all()
    with pytest.raises(SourceError, match="every figure"):
        pack(figures, tmp_path / "b", "tiff")


def test_the_record_says_what_the_parts_depend_on(model, typed):
    job = json.loads((typed / "job.json").read_text())
    assert job["model_sha256"] == model.card.onnx_sha256
    assert (job["threshold"], job["mpp"], job["part_size"]) == (0.5, None, 32)
