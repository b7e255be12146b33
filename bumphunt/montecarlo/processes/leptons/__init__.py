"""Leptons."""
