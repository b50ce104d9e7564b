"""Suites of recipes, folds, seeds and test sets: run, scored, and brought into one leaderboard."""
