"""Darkphoton."""
