"""selections: events in, masks and observables out."""
