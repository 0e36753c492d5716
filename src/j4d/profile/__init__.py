"""Profiles: ladders of operating points, their file, interpolation, adaptation and choice."""
