"""A drawn dataset: a valid figure table whose experts, cases and files agree with each other."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from atypica.core import votes as voting
from atypica.core.errors import OutputError, SettingsError
from atypica.core.vocabulary import AMF_SUBTYPES, Label, Subtype
from atypica.data.drawn import SCANNERS, draw_figures
from atypica.data.drawn.experts import LOOK_ALIKES, read
from atypica.data.figures import figures_from, read_table


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return draw_figures(tmp_path_factory.mktemp("drawn") / "set", 160, seed=3, size=64)


def test_every_image_is_there(drawn):
    for image in drawn.table["image"]:
        with Image.open(drawn.path(image)) as opened:
            assert (opened.size, opened.mode) == ((64, 64), "RGB")


def test_the_written_table_is_the_returned_one(drawn):
    again = figures_from(read_table(drawn.root / "figures.csv"), drawn.root, "again")
    assert again.table.equals(drawn.table)


def test_notes_say_that_the_figures_are_drawn(drawn):
    assert "drawn" in drawn.notes[0]
    assert set(drawn.table["dataset"]) == {"drawn"}


def test_label_is_the_majority_of_the_votes(drawn):
    assert drawn.votes.shape == (160, 3)
    np.testing.assert_array_equal(drawn.labels, voting.majority(drawn.votes))


def test_votes_follow_from_the_subtypes_of_the_first_two_experts(drawn):
    for number in (1, 2):
        sides = [Subtype(name).side is Label.AMF for name in drawn.table[f"subtype_{number}"]]
        np.testing.assert_array_equal(drawn.votes[:, number - 1], sides)
    assert (drawn.table["subtype"] == drawn.table["subtype_1"]).all()
    assert (drawn.table["subtype_1"] != drawn.table["subtype_2"]).any()


def test_rate_drawn_is_the_rate_asked(drawn):
    atypical = drawn.table["drawn_subtype"].isin([subtype.value for subtype in AMF_SUBTYPES])
    assert atypical.sum() == 40
    assert 0.15 < drawn.labels.mean() < 0.4


def test_every_case_has_one_scanner_one_lab_and_its_own_rate(drawn):
    by_case = drawn.table.groupby("case")
    assert by_case.ngroups == 12
    for column in ("scanner", "lab", "mpp", "slide"):
        assert (by_case[column].nunique() == 1).all()
    assert set(drawn.table["scanner"]) == {scanner.name for scanner in SCANNERS}
    rates = by_case["label"].agg(lambda labels: (labels == "AMF").mean())
    assert rates.std() > 0.03


def test_colors_differ_more_between_cases_than_within(drawn):
    colors = np.array([np.asarray(Image.open(drawn.path(image))).mean(axis=(0, 1)) for image in drawn.table["image"]])
    cases = drawn.table["case"].to_numpy()
    within = np.mean([colors[cases == case].std(axis=0) for case in set(cases) if (cases == case).sum() > 3])
    between = np.std([colors[cases == case].mean(axis=0) for case in set(cases)], axis=0).mean()
    assert between > 1.2 * within


def test_equal_seeds_give_equal_files(tmp_path):
    first, second, third = (
        draw_figures(tmp_path / str(n), 6, seed, cases=2, size=32) for n, seed in enumerate((7, 7, 8))
    )
    assert first.table.equals(second.table)
    for image in first.table["image"]:
        assert first.path(image).read_bytes() == second.path(image).read_bytes()
    assert any(first.path(image).read_bytes() != third.path(image).read_bytes() for image in first.table["image"])


@pytest.mark.parametrize(("rate", "expected"), [(0.0, 0), (0.5, 10), (1.0, 20)])
def test_amf_rate_is_exact(tmp_path, rate, expected):
    drawn = draw_figures(tmp_path / "set", 20, 1, cases=3, amf_rate=rate, size=16)
    atypical = drawn.table["drawn_subtype"].isin([subtype.value for subtype in AMF_SUBTYPES])
    assert atypical.sum() == expected


def test_mix_chooses_the_subtypes(tmp_path):
    mix = {Subtype.METAPHASE: 1.0, Subtype.MULTIPOLAR: 3.0, Subtype.OTHER: 1.0}
    drawn = draw_figures(tmp_path / "set", 16, 1, cases=4, amf_rate=0.5, mix=mix, size=16)
    assert drawn.table["drawn_subtype"].value_counts().to_dict() == {"metaphase": 8, "multipolar": 6, "other": 2}


@pytest.mark.parametrize(
    "wrong", [{"cases": 0}, {"cases": 9}, {"amf_rate": 1.5}, {"scanners": ()}, {"mix": {Subtype.METAPHASE: 1.0}}]
)
def test_impossible_requests_are_refused_and_write_nothing(tmp_path, wrong):
    with pytest.raises(SettingsError):
        draw_figures(tmp_path / "set", 8, 0, **{"cases": 2, **wrong})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_files_is_never_replaced(tmp_path):
    precious = tmp_path / "notes.txt"
    precious.write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        draw_figures(tmp_path, 4, 0, cases=1)
    assert precious.read_text() == "mine"


def test_an_interrupted_drawing_leaves_nothing(tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("atypica.data.drawn.dataset.draw_figure", stop)
    with pytest.raises(KeyboardInterrupt):
        draw_figures(tmp_path / "set", 4, 0, cases=1)
    assert list(tmp_path.iterdir()) == []


def test_experts_disagree_more_on_ambiguous_figures():
    def unanimous(ambiguity):
        rng = np.random.default_rng(0)
        readings = [read(Subtype.SEGREGATION, ambiguity, rng) for _ in range(400)]
        return np.mean([len(set(reading.votes)) == 1 for reading in readings])

    assert unanimous(0.0) > 0.88
    assert unanimous(0.9) < 0.65


def test_every_subtype_has_look_alikes_on_both_sides_or_at_least_the_other():
    for subtype, others in LOOK_ALIKES.items():
        assert subtype not in others
        assert any(other.side is not subtype.side for other in others)
