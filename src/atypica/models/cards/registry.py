"""All cards by name."""

from __future__ import annotations

from difflib import get_close_matches

from atypica.core.errors import SettingsError
from atypica.models.cards.card import BackboneCard
from atypica.models.cards.general import GENERAL
from atypica.models.cards.pathology import PATHOLOGY

CARDS: dict[str, BackboneCard] = {card.name: card for card in (*PATHOLOGY, *GENERAL)}
"""Pathology first."""
_BY_HUB_ID = {card.hub_id.lower(): card for card in CARDS.values()}
_HUB_PREFIXES = ("hf-hub:", "hf_hub:")


def find_card(name: str) -> BackboneCard | None:
    """The card of a model by its name or its address on the hub (`hf-hub:paige-ai/Virchow2`), None if there is none.

    >>> find_card("hf-hub:paige-ai/Virchow2").name
    'virchow2'
    """
    plain = name.lower()
    for prefix in _HUB_PREFIXES:
        if plain.startswith(prefix):
            return _BY_HUB_ID.get(plain.removeprefix(prefix))
    return CARDS.get(plain)


def card_named(name: str) -> BackboneCard:
    """The card of a model.

    Raises:
        SettingsError: there is none of that name.
    """
    card = find_card(name)
    if card is None:
        near = ", ".join(get_close_matches(name.lower(), CARDS, n=3)) or "see atypica models list"
        raise SettingsError(f"there is no card of a model '{name}'", f"near: {near}; any timm network works without")
    return card
