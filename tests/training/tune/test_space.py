"""Search spaces: strict, shipped with system 1's, and written into recipes as settings."""

from __future__ import annotations

import pytest
import yaml

from atypica.core.errors import SettingsError
from atypica.training.recipe import flat_settings, load_recipe
from atypica.training.settings.tune import SearchSpace
from atypica.training.tune.space import as_settings, check_space, load_space, space_names

LR = {"optimizer.lr": {"range": [1e-5, 1e-3], "log": True}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"parameters": {}}, "parameters"),
        ({"prunner": "none"}, "prunner: unknown setting; did you mean 'pruner'"),
        ({"pruner": "best"}, "pruner: Input should be 'median', 'halving' or 'none'"),
        ({"parameters": {"optimizer.lr": {"range": [1e-3, 1e-5]}}}, "the lowest value comes first"),
        ({"parameters": {"optimizer.lr": {"range": [0, 1], "log": True}}}, "with 'log' both ends are above 0"),
        ({"parameters": {"loss.name": {"choices": ["bce"], "range": [0, 1]}}}, "exactly one of"),
        ({"parameters": {"loss.name": {"choices": ["bce"], "log": True}}}, "'log' is for"),
        ({"parameters": {"optimizer.lr": {"rnage": [0, 1]}}}, "rnage: unknown setting"),
        ({"parameters": {"split.train_on": {"choices": ["test"]}}}, "'split.train_on' is not tuned"),
        ({"parameters": {"seed": {"integers": [0, 9]}}}, "'seed' is not tuned"),
    ],
)
def test_a_mistake_is_told_in_a_line(change, words):
    with pytest.raises(SettingsError, match=words):
        SearchSpace.parse({"name": "mine", "parameters": LR} | change, "search space mine")


def test_the_space_of_system_1_tunes_what_its_paper_names_around_the_recipe():
    space, recipe = load_space("kotte2025"), load_recipe("kotte2025")
    assert "kotte2025" in space_names()
    check_space(space, flat_settings(recipe))
    assert set(space.parameters) == {"loss.alpha", "loss.gamma", "optimizer.lr", "model.dropout"}
    middle = {
        "loss.alpha": recipe.loss.alpha, "loss.gamma": recipe.loss.gamma, "optimizer.lr": recipe.optimizer.lr,
        "model.dropout": recipe.model.dropout,
    }  # fmt: skip
    for key, parameter in space.parameters.items():
        assert parameter.range is not None
        assert parameter.range[0] < middle[key] < parameter.range[1]
        for end in parameter.range:
            load_recipe("kotte2025", as_settings({key: end}))


def test_a_setting_that_no_recipe_has_is_refused_with_the_nearest():
    space = SearchSpace.parse({"name": "mine", "parameters": {"optimiser.lr": LR["optimizer.lr"]}}, "mine")
    with pytest.raises(SettingsError, match=r"no setting 'optimiser.lr'") as refused:
        check_space(space, flat_settings(load_recipe("default")))
    assert "'optimizer.lr'" in refused.value.fix
    below_null = SearchSpace.parse(
        {"name": "mine", "parameters": {"training.retry.lr_factor": {"range": [0.1, 0.5]}}}, ""
    )
    check_space(below_null, flat_settings(load_recipe("default")))


def test_values_reach_the_recipe_as_they_are():
    values = {"optimizer.lr": 1.2345678901234567e-05, "loss.name": "focal", "heads.hidden": 64, "loss.alpha": None}
    recipe = load_recipe("default", as_settings(values))
    assert recipe.optimizer.lr == values["optimizer.lr"]
    assert (recipe.loss.name, recipe.heads.hidden, recipe.loss.alpha) == ("focal", 64, None)
    assert load_recipe("default", as_settings({"augment.flip": False})).augment.flip is False


def test_a_space_of_ones_own_is_a_file(tmp_path):
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"name": "mine", "parameters": LR}), encoding="utf-8")
    assert load_space(str(tmp_path / "mine.yaml")).parameters["optimizer.lr"].log
    with pytest.raises(SettingsError, match="no search space 'nothing'"):
        load_space("nothing")
