"""What is expected in a spectrum: shapes, signal and background models, channels."""
