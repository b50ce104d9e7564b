"""Any source of figures opens as the same kind of table, and says what was understood."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from atypica.core.errors import SourceError
from atypica.data.sources import ADAPTERS, DATASETS, open_source
from atypica.data.sources.walk import walk


def put(folder: Path, *names: str) -> Path:
    """Write a small image under each name."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4, 3), 200, dtype=np.uint8)).save(folder / name)
    return folder


def column(source: Path, name: str) -> list[object]:
    return open_source(source).table[name].tolist()


def test_flat_folder(tmp_path):
    figures = open_source(put(tmp_path / "flat", "10.png", "9.png", "b.JPG"))
    assert figures.table["image"].tolist() == ["9.png", "10.png", "b.JPG"]
    assert not {"label", "case", "split"} & set(figures.table)


def test_class_folders_are_labels(tmp_path):
    folder = put(tmp_path / "set", "Atypical/1.png", "Normal/1.png", "Normal/2.png")
    assert column(folder, "label") == ["AMF", "NMF", "NMF"]
    assert any("Atypical = AMF, Normal = NMF" in note for note in open_source(folder).notes)


def test_subtype_folders_are_subtypes_and_labels(tmp_path):
    folder = put(tmp_path / "set", "AMF multipolar/1.png", "ring shape/1.png")
    assert column(folder, "subtype") == ["multipolar", "ring_shape"]
    assert column(folder, "label") == ["AMF", "NMF"]


def test_other_folders_are_cases_with_classes_above_or_below(tmp_path):
    below = put(tmp_path / "a", "P1/AMF/1.png", "P1/NMF/2.png", "P2/NMF/3.png")
    assert column(below, "case") == ["P1", "P1", "P2"]
    above = put(tmp_path / "b", "AMF/P1/1.png", "AMF/P2/1.png")
    assert column(above, "case") == ["P1", "P2"]
    assert column(above, "label") == ["AMF", "AMF"]


def test_numbers_are_cases_unless_they_are_all_classes(tmp_path):
    cases = put(tmp_path / "a", "1/a.png", "2/a.png", "3/a.png")
    assert column(cases, "case") == ["1", "2", "3"]
    assert "label" not in open_source(cases).table
    assert column(put(tmp_path / "b", "0/a.png", "1/a.png"), "label") == ["NMF", "AMF"]


def test_split_folders(tmp_path):
    folder = put(tmp_path / "set", "train/AMF/a.png", "Validation/NMF/b.png", "test/NMF/c.png")
    assert column(folder, "split") == ["test", "train", "val"]


def test_folders_that_all_share_are_no_case(tmp_path):
    folder = put(tmp_path / "set", "export/images/P1/a.png", "export/images/P2/a.png")
    assert column(folder, "case") == ["P1", "P2"]


def test_what_is_no_image_is_skipped_and_counted(tmp_path):
    folder = put(tmp_path / "set", "a.png")
    (folder / "labels.csv").write_text("x")
    (folder / "README").write_text("x")
    (folder / ".hidden.png").write_text("x")
    (folder / "Thumbs.db").write_text("x")
    figures = open_source(folder)
    assert figures.table["image"].tolist() == ["a.png"]
    assert figures.notes == ("skipped what is no image: 1 .csv, 1 no suffix",)


def test_text_named_png_stays_to_fail_when_read(tmp_path):
    folder = put(tmp_path / "set", "a.png")
    (folder / "b.png").write_text("no image")
    assert column(folder, "image") == ["a.png", "b.png"]


def test_folder_without_images(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(SourceError, match=r"no images \(1 other files\)"):
        open_source(tmp_path)


def test_names_that_are_not_utf8_are_named(tmp_path):
    folder = put(tmp_path / "set", "a.png")
    try:
        Path(os.fsdecode(os.fsencode(folder) + b"/f\xe4.png")).touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(SourceError, match=r"1 file names that are not UTF-8: f\\xe4\.png") as caught:
        open_source(folder)
    assert caught.value.fix == "rename them"


def test_links_are_followed_and_loops_end(tmp_path):
    real = put(tmp_path / "real", "a.png")
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "linked").symlink_to(real)
    (folder / "loop").symlink_to(folder)
    assert walk(folder) == ["linked/a.png"]


def test_stack_gives_a_row_a_page(tmp_path):
    tifffile.imwrite(tmp_path / "stack.tiff", np.zeros((3, 8, 8, 3), dtype=np.uint8), photometric="rgb")
    figures = open_source(tmp_path / "stack.tiff")
    assert figures.table["page"].tolist() == [0, 1, 2]
    assert figures.table["figure_id"].is_unique
    in_folder = open_source(put(tmp_path, "z.png"))
    assert len(in_folder) == 4
    assert in_folder.path(in_folder.table["image"][0]) == tmp_path / "stack.tiff"


def test_broken_tiff_is_a_row(tmp_path):
    (tmp_path / "broken.tif").write_bytes(b"II*\0nothing")
    assert len(open_source(tmp_path / "broken.tif")) == 1


def test_one_image(tmp_path):
    put(tmp_path, "one.png")
    figures = open_source(tmp_path / "one.png")
    assert figures.table.to_dict("records") == [{"figure_id": "one.png", "image": "one.png"}]
    assert figures.path("one.png").is_file()


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_table_keeps_the_users_spelling(tmp_path, suffix):
    put(tmp_path, "crops/a.png")
    table = pd.DataFrame({"image": ["./crops//a.png"], "label": ["atypical"], "case": [7]})
    path = tmp_path / f"figures{suffix}"
    table.to_csv(path, index=False) if suffix == ".csv" else table.to_parquet(path)
    figures = open_source(path)
    assert figures.table["image"].tolist() == ["./crops//a.png"]
    assert figures.table[["label", "case"]].to_numpy().tolist() == [["AMF", "7"]]
    assert figures.path("./crops//a.png").is_file()


def test_unknown_name_lists_the_known(tmp_path):
    with pytest.raises(SourceError, match="ami-br"):
        open_source("ami-bar", data_home=tmp_path)


def test_absent_dataset_says_how_to_get_it(tmp_path):
    with pytest.raises(SourceError, match="atypica data fetch atnorm-md"):
        open_source("AtNorM-MD", data_home=tmp_path)


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)
def test_every_dataset_says_where_it_is_and_how_to_cite_it(dataset):
    assert dataset.citation
    assert dataset.license
    assert dataset.folders
    assert dataset.url.startswith("https://")
    assert all(download.url.startswith("https://") for download in dataset.downloads)


def test_counts_that_are_not_the_published_ones_are_refused(tmp_path):
    folder = tmp_path / "AtNorM-Br"
    (folder / "Normal").mkdir(parents=True)
    for number in range(746):
        (folder / "Normal" / f"{number}.png").touch()
    (folder / "Atypical").mkdir()
    with pytest.raises(SourceError, match="746 figures, 0 of them AMF"):
        open_source(folder)


def test_equal_file_names_in_two_classes_are_two_figures(tmp_path):
    table = open_source(put(tmp_path / "AtNorM-Br", "Atypical/1.png", "Normal/1.png")).table
    assert table[["image", "label"]].to_numpy().tolist() == [["Atypical/1.png", "AMF"], ["Normal/1.png", "NMF"]]
    assert table["figure_id"].tolist() == ["AtNorM-Br_1", "AtNorM-Br_1#2"]


def test_equal_file_names_are_refused_where_the_name_is_the_key(tmp_path):
    folder = put(tmp_path / "OMG-Octo", "AMF/1.png", "MF/1.png")
    with pytest.raises(SourceError, match=r"two crops of one name: AMF/1\.png and MF/1\.png"):
        open_source(folder)


def test_omg_octo_as_public_code_expects_it(tmp_path):
    folder = put(tmp_path / "OMG-Octo", "crops/abc_x1_y2_1_2_3_4.png", "crops/abd_x1_y2_1_2_3_4.png", "crops/e_1.png")
    rows = ["abc_x1_y2_1_2_3_4.png,MF", "abd_x1_y2_1_2_3_4.png,AMF", "e_1.png,unsure", "gone.png,MF"]
    (folder / "labels.csv").write_text("\n".join(["image_file,label", *rows]))
    figures = open_source("omg-octo", data_home=tmp_path)
    assert figures.table[["case", "label"]].to_numpy().tolist() == [["OMG-Octo_abc", "NMF"], ["OMG-Octo_abd", "AMF"]]
    assert any(note.startswith("2 rows") for note in figures.notes)


def test_ami_br_as_published(real_data):
    figures = open_source("ami-br", data_home=real_data)
    table = figures.table
    assert (len(figures), int(figures.labels.sum()), table["case"].nunique()) == (3720, 832, 202)
    assert table.groupby("source")["case"].nunique().to_dict() == {"MIDOG21": 135, "TUPAC16": 67}
    assert table["source"].value_counts().to_dict() == {"TUPAC16": 1999, "MIDOG21": 1721}
    assert table["subtype_1"].value_counts()["bipolar_asymmetric"] == 59
    assert not any(note.startswith("sample") for note in figures.notes)
    assert figures.path(table["image"][0]).is_file()


def test_ami_br_gains_scanners_from_midog25(real_data):
    table = open_source("ami-br", data_home=real_data).table
    scanners = table.loc[table["source"] == "MIDOG21", "scanner"]
    assert scanners.notna().all()
    assert scanners.nunique() == 3
    assert table.loc[table["source"] == "TUPAC16", "scanner"].isna().all()
    assert table.groupby("case")["scanner"].nunique().max() == 1


def test_ami_br_alone_has_no_scanners_and_says_so(real_data, tmp_path):
    (tmp_path / "AMi-Br").symlink_to(real_data / "AMi-Br")
    figures = open_source("ami-br", data_home=tmp_path)
    assert "scanner" not in figures.table
    assert any("no scanner names" in note for note in figures.notes)


def test_midog25_breast_part_has_the_crops_of_ami_br(real_data):
    midog, ami = open_source("midog25", data_home=real_data), open_source("ami-br", data_home=real_data)
    joined = midog.table.merge(ami.table, on="image", suffixes=("", "_ami"))
    assert len(joined) == len(midog) == 1721
    assert (joined["label"] == joined["label_ami"]).all()
    assert (joined["case"] == joined["case_ami"]).all()
    assert midog.root == ami.root


def test_midog25_labels_with_their_flaws(real_data):
    figures = open_source(real_data / "MIDOG25" / "MIDOG25_Atypical_Classification_Train_Set.csv")
    assert (len(figures), int(figures.labels.sum())) == (11939, 1748)
    assert figures.table["case"].nunique() == 475
    assert int(np.isnan(figures.votes[:, 2]).sum()) == 7127
    text = "\n".join(figures.notes)
    assert "image_id 8925.png stands 4 times" in text
    assert "49 rows" in text


def test_samples_say_that_they_are_samples(real_data):
    for name, note in (("atnorm-br", "sample: 60 of 746"), ("atnorm-md", "sample: 150 of 2,107")):
        figures = open_source(name, data_home=real_data)
        assert note in figures.notes
        assert "case" not in figures.table
    assert open_source("atnorm-md", data_home=real_data).votes.shape == (150, 5)


def test_adapters_do_not_take_each_others_folders(real_data):
    for name, adapter in ADAPTERS.items():
        for folder in ("AMi-Br", "MIDOG25", "AtNorM-Br-sample", "AtNorM-MD-sample"):
            known = adapter.dataset.folders
            assert adapter.recognizes(real_data / folder) == (folder in known), (name, folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("image;label\na.png;AMF\n", "separates its fields by ';'"),
        ("image\tlabel\na.png\tAMF\n", "separates its fields by tabs"),
        ("image,label,label\na.png,AMF,NMF\n", "more than one column 'label'"),
        ("image,label\na.png,AMF,x\nb.png,NMF,y\n", "more fields than columns"),
        ("image\n\xe4.png\n", "cannot be read as a table"),
    ],
)
def test_tables_that_would_be_misread_are_refused(tmp_path, content, message):
    (tmp_path / "a.csv").write_bytes(content.encode("latin-1"))
    with pytest.raises(SourceError, match=message):
        open_source(tmp_path / "a.csv")


def test_a_table_saved_by_a_spreadsheet_may_begin_with_a_mark(tmp_path):
    (tmp_path / "a.csv").write_bytes("image,label,,\r\nä b.png,AMF,,\r\n".encode("utf-8-sig"))
    assert open_source(tmp_path / "a.csv").table["image"].tolist() == ["ä b.png"]
