"""Metrics, intervals, thresholds, calibration and agreement, as pure functions on arrays. Stands on core alone."""
