"""Measuring codecs with models: curves, BD-rate, comparisons, stored results."""
