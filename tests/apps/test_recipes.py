from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from atypica.apps.cli import recipes
from atypica.data.drawn import draw_figures
from atypica.training.preview import by_turns, grid
from atypica.training.recipe import Recipe, load_recipe, recipe_names


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "figures"
    draw_figures(folder, 12, seed=1, amf_rate=0.5)
    return folder / "figures.csv"


def test_list_names_every_recipe(capfd):
    recipes.list_()
    shown = capfd.readouterr()
    assert all(name in shown.out + shown.err for name in recipe_names())


def test_what_show_prints_is_the_recipe_itself(capsys):
    recipes.show("default", "training.epochs=3")
    shown = capsys.readouterr().out
    assert Recipe.parse(yaml.safe_load(shown), "shown") == load_recipe("default", ["training.epochs=3"])


def test_diff_names_the_settings_that_differ_and_no_other(tmp_path, capfd):
    mine = tmp_path / "mine.yaml"
    mine.write_text("extends: default\nname: mine\ntraining: {epochs: 99}\n")
    recipes.diff("default", str(mine))
    shown = "".join(capfd.readouterr())
    assert "training.epochs" in shown
    assert "99" in shown
    assert "batch_size" not in shown
    recipes.diff("default", "default")
    assert "no setting differs" in "".join(capfd.readouterr())


def test_preview_shows_each_figure_as_at_inference_and_then_changed(drawn, tmp_path):
    out = tmp_path / "seen.png"
    plain = ["split.train_on=all", "geometry.size_px=48"]
    recipes.preview("default", *plain, data=str(drawn), out=out, figures=4)
    picture = np.asarray(Image.open(out))
    assert picture.shape == (4 * 52 - 4, 8 * 52 - 4, 3)
    assert (picture[:, 48:52] == 255).all()
    first, changed = picture[:48, :48].astype(int), picture[:48, 52:100].astype(int)
    assert abs(first - changed).mean() > 5
    recipes.preview("default", *plain, data=str(drawn), out=tmp_path / "again.png", figures=4)
    assert (np.asarray(Image.open(tmp_path / "again.png")) == picture).all()


def test_both_labels_are_shown_where_there_are_both():
    labels = np.array([0.0] * 50 + [1.0] * 3)
    assert labels[by_turns(labels, 6, seed=0)].sum() == 3
    assert len(set(by_turns(labels, 20, seed=0))) == 20
    assert len(by_turns(labels[:5], 8, seed=0)) == 5


def test_a_grid_keeps_every_tile_in_its_place():
    import torch

    tiles = torch.linspace(0, 1, 6).view(2, 3, 1, 1, 1).expand(2, 3, 3, 2, 2)
    picture = grid(tiles)
    assert picture.shape == (8, 14, 3)
    assert [picture[0, 0, 0], picture[0, 6, 0], picture[6, 12, 0]] == [0, 51, 255]
