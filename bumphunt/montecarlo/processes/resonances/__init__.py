"""Resonances."""
