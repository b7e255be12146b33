"""Annihilation into photons: `diphoton` has two, or three."""
