"""The one training engine: recipes in, runs and bundles out."""
