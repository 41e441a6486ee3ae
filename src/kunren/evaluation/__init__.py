"""Metrics, baselines, intervals and tests."""
