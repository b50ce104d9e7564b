"""Frozen features: what a backbone makes of figures, computed once and kept."""

from atypica.models.embedding.cache import EmbeddingCache as EmbeddingCache
from atypica.models.embedding.embed import embed_figures as embed_figures
from atypica.models.embedding.encoder import Encoder as Encoder
from atypica.models.embedding.encoder import load_encoder as load_encoder
