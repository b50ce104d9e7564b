"""The review page: figures are looked at, labeled and exported."""
