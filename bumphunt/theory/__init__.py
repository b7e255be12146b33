"""What a coupling predicts: cross sections, widths and branching ratios."""
