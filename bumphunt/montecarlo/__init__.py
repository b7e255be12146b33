"""What a detector would have recorded: matrix elements, radiation, processes and the detector."""
