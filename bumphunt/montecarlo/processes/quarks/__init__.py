"""Quark pairs: `pythia` makes them by Pythia, an optional extra."""
