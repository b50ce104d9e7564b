"""`atypica models`: which foundation models there are a card of, and what each card says."""

from __future__ import annotations

import sys

from cyclopts import App
from rich.console import Console
from rich.table import Table

from atypica.models.cards import CARDS, BackboneCard, card_named

app = App(name="models", help="List and show foundation models: size, license, access, use.")
_WIDTH = 132


@app.command(name="list")
def list_() -> None:
    """List the models that a recipe can name as its backbone; beside them any network of timm works by its name."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("model", "parameters", "width", "input", "license", "gated", "commercial use"):
        table.add_column(head, no_wrap=True, justify="right" if head in {"parameters", "width", "input"} else "left")
    for card in CARDS.values():
        size = f"{card.input_px} px"
        uses = _word(card.gated), _word(card.commercial)
        table.add_row(card.name, _size(card.parameters), f"{card.width:,}", size, card.license, *uses)
    screen = _screen()
    screen.print(table)
    screen.print("\n?: not certain, see 'atypica models show NAME'", markup=False)


@app.command
def show(name: str) -> None:
    """Print all that a card says: facts, how to get access, how to use it.

    Parameters
    ----------
    name
        Of a model, or its address on the hub (hf-hub:OWNER/NAME).
    """
    card = card_named(name)
    screen = _screen()
    screen.print(card.title, style="bold", markup=False)
    table = Table(box=None, pad_edge=False, show_header=False)
    for head, text in facts(card).items():
        table.add_row(head, text)
    screen.print(table)
    for head, lines in (("remarks", card.remarks), ("access", access(card)), ("use", use(card))):
        if lines:
            screen.print(f"\n{head}", style="bold")
        for line in lines:
            screen.print(f"  {line}", markup=False, soft_wrap=True)


def facts(card: BackboneCard) -> dict[str, str]:
    """What a card says, name to text."""
    arguments = ", ".join(f"{key}={_argument(value)}" for key, value in card.arguments.items())
    pooling = {"class": "class token", "class_and_mean": "class token and mean of the patch tokens, joined"}
    return {
        "name": card.name,
        "weights": card.address,
        "paper": card.paper,
        "license": card.license,
        "commercial use": _word(card.commercial),
        "gated": _word(card.gated),
        "parameters": _size(card.parameters),
        "embedding": f"{card.width:,} numbers: {pooling[card.pooling]}",
        "input": f"{card.input_px} px",
        "trained at": _trained_at(card),
        "mean, std": f"{_triple(card.mean)}, {_triple(card.std)}",
        "built in timm": f"{card.timm_name}({arguments})",
    }


def access(card: BackboneCard) -> tuple[str, ...]:
    """How to get the weights, a line a step."""
    asked = "" if card.gated is False else "Ask for access, or accept the terms, on that page; then "
    return (
        f"{asked}{'log' if asked else 'Log'} in with 'hf auth login', or set HF_TOKEN, where the hub asks for it.",
        f"Without a network: hf download {card.hub_id} --local-dir FOLDER on another machine, and bring FOLDER.",
    )


def use(card: BackboneCard) -> tuple[str, ...]:
    """How to use it, a command a line."""
    return (
        f"atypica embed ami-br --backbone {card.name} --out embeddings.parquet",
        f"atypica embed ami-br --backbone {card.name} --weights FOLDER --out embeddings.parquet",
        f"atypica train RECIPE model.backbone={card.name} model.weights=hub geometry.size_px={card.input_px} "
        "--data ami-br --out RUN",
    )


def _trained_at(card: BackboneCard) -> str:
    if card.mpp is None:
        return "not recorded"
    return ", ".join(f"{mpp:g}" for mpp in card.mpp) + " um/px" if card.mpp else "photographs"


def _argument(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else repr(value) if value == "" else str(value)


def _triple(values: tuple[float, float, float]) -> str:
    return "/".join(f"{value:g}" for value in values)


def _size(millions: float) -> str:
    return f"{millions:,.0f} M"


def _word(value: bool | None) -> str:
    return {True: "yes", False: "no", None: "?"}[value]


def _screen() -> Console:
    screen = Console(highlight=False)
    if not sys.stdout.isatty():
        screen.width = max(screen.width, _WIDTH)
    return screen
