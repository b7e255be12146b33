"""Known resonances: `isr_resonances` makes narrow vector mesons by radiative return."""
