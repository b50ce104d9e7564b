"""What is known of foundation models: one frozen record each, facts alone."""

from atypica.models.cards.card import BackboneCard as BackboneCard
from atypica.models.cards.registry import CARDS as CARDS
from atypica.models.cards.registry import card_named as card_named
from atypica.models.cards.registry import find_card as find_card
