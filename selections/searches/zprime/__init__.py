"""Zprime."""
