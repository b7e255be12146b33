"""Amplitudes."""
