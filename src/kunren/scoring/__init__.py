"""Scoring predictions that were made elsewhere."""
