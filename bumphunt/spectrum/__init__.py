"""Spectrum."""
