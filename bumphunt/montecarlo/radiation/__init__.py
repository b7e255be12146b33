"""Radiation."""
