"""Scan: histograms of a search in, one row of results per hypothesis out.

==============  ===============================================================================================
file            what it is for
==============  ===============================================================================================
`scan`          `scan_spectra`: every mass tested, each in the way that suits it
`grid`          the masses
`spectra`       what is read of a region: data, expected backgrounds, edges
`regions`       final states with one signal: which of them see a mass, and how much of it
`sources`       causes of uncertainty, and what each moves
`method`        how a mass is tested: window and background
`setting`       what all masses share: method, limits, random numbers
`bands`         what a hypothesis sees of a spectrum with more axes
`windows`       which bins are looked at around a peak
`sidebands`     what the data beside a peak say of the background, where they are blinded
`neighbours`    known resonances: free peaks in the windows that they reach
`likelihoods`   windows as regions of a likelihood: what a fit is made of
`fits`          a mass tested by fits of its own, with any engine
`channels`      many masses tested together by the linear engine
`counts`        a mass tested by counting
`rows`          the row of a mass: its columns, its flags, whether it is valid
`impacts`       what each source does at one mass
`window_fit`    the fit of one window, to look at
==============  ===============================================================================================

What happens at one mass: `regions.scan_masses` says what is looked at, `fits`, `channels` or `counts` what the data
say of it (`rows.Outcome`), `rows.scan_row` makes the row.
"""
