"""Tuning: trials of a recipe with other settings, judged by its folds. Optuna proposes, ends and keeps them."""
