import pytest
import yaml

from atypica.core.errors import SettingsError
from atypica.training.recipe import Recipe, load_recipe, recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_loads_and_saves_as_itself(name):
    recipe = load_recipe(name)
    assert Recipe.parse(yaml.safe_load(recipe.to_yaml()), name) == recipe
    assert recipe.name == name


def test_overrides_reach_nested_settings_and_change_the_hash():
    plain, changed = load_recipe("default"), load_recipe("default", ["training.epochs=3", "model.weights=random"])
    assert changed.training.epochs == 3
    assert changed.model.weights == "random"
    assert changed.hash != plain.hash


def test_the_description_does_not_change_the_hash():
    assert load_recipe("default", ["description=other words"]).hash == load_recipe("default").hash


def test_extends_starts_from_another_recipe(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("extends: default\nname: mine\ntraining: {epochs: 2}\n")
    recipe = load_recipe(str(path))
    assert recipe.training.epochs == 2
    assert recipe.training.batch_size == load_recipe("default").training.batch_size


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.epoch=5", "did you mean 'epochs'"),
        ("training.epochs=0", "training.epochs"),
        ("training.epochs=many", "training.epochs"),
        ("nonsense", "key.sub=value"),
        ("seed.x=1", "has no parts"),
        ("name=[", "not YAML"),
    ],
)
def test_a_wrong_setting_is_one_readable_line(override, words):
    with pytest.raises(SettingsError, match=words):
        load_recipe("default", [override])


def test_an_unknown_recipe_names_those_there_are():
    with pytest.raises(SettingsError, match="default"):
        load_recipe("defualt")


def test_a_recipe_that_extends_itself_is_refused(tmp_path):
    path = tmp_path / "loop.yaml"
    path.write_text(f"extends: {path}\nname: loop\n")
    with pytest.raises(SettingsError, match="extends itself"):
        load_recipe(str(path))


def test_a_setting_written_out_at_its_default_leaves_the_hash_as_it_is():
    assert load_recipe("default", ["training.mixup=0.0", "split.by=''"]).hash == load_recipe("default").hash
