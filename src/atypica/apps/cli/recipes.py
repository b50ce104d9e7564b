"""`atypica recipes`: which recipes there are, what each says, how two differ, what a network will see."""

from __future__ import annotations

import re
from pathlib import Path

from cyclopts import App
from rich.table import Column, Table

from atypica.apps.cli.screen import say
from atypica.core.errors import MissingExtraError
from atypica.core.files import atomic_path
from atypica.core.progress import console
from atypica.data.join import open_joined
from atypica.training.recipe import Recipe, differences, load_recipe, recipe_names

app = App(name="recipes", help="List, show, compare and preview recipes of models.")


@app.command(name="list")
def list_() -> None:
    """List the recipes that ship with atypica."""
    table = Table(Column("recipe", no_wrap=True), Column("sees", no_wrap=True), "makes", box=None, header_style="bold")
    for name in recipe_names():
        recipe = load_recipe(name)
        table.add_row(name, _sees(recipe), f"{recipe.model.backbone}: {_first_sentence(recipe.description)}")
    console.print(table)


def _first_sentence(text: str) -> str:
    """Up to a period that ends a word of four letters or more, so that `et al.` ends nothing."""
    return re.split(r"(?<=[\w)]{4}\.)\s", text.strip(), maxsplit=1)[0]


def _sees(recipe: Recipe) -> str:
    return f"{recipe.geometry.field_um:g} um, {recipe.geometry.size_px} px"


@app.command
def show(name: str, *settings: str) -> None:
    """Print a recipe as YAML, whole, with everything that it takes over from others and every default.

    Parameters
    ----------
    name
        Of a shipped recipe, or a YAML file.
    settings
        Changes, as key.sub=value.
    """
    recipe = load_recipe(name, list(settings))
    print(f"# hash {recipe.hash}\n{recipe.to_yaml()}", end="")  # noqa: T201


@app.command
def diff(first: str, second: str) -> None:
    """Print every setting in which two recipes differ.

    Parameters
    ----------
    first, second
        Names of shipped recipes, or YAML files.
    """
    found = differences(load_recipe(first), load_recipe(second))
    table = Table("setting", first, second, box=None, header_style="bold")
    for key, (one, other) in found.items():
        table.add_row(key, str(one), str(other))
    console.print(table) if found else say("no setting differs")


@app.command
def preview(name: str, *settings: str, data: str, out: Path, figures: int = 8) -> None:
    """Write a picture of what the network will see: each row a figure, first as at inference, then as in training.

    Parameters
    ----------
    name
        Of a shipped recipe, or a YAML file.
    settings
        Changes, as key.sub=value.
    data
        A dataset's name, a folder, or a figure table; with labels.
    out
        The picture (.png).
    figures
        How many.
    """
    try:
        from atypica.training.preview import preview as draw
    except ImportError as error:
        raise MissingExtraError("recipes preview", "train") from error
    from PIL import Image

    picture = draw(load_recipe(name, list(settings)), open_joined(data), figures)
    with atomic_path(out) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")
    say(f"wrote {out}")
