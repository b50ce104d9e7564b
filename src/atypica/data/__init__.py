"""Figures and where they come from."""
