"""Taus."""
