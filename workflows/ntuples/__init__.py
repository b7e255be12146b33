"""Ntuples."""
