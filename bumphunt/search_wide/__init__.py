"""The whole search: what the largest of many local significances is worth.

| module | for |
|---|---|
| `significance` | the front: `global_significance` of a search, and what it says |
| `bump_hunt` | counts in windows of every width against a fixed reference: the BumpHunter |
| `global_p0` | fractions of toys, with their intervals |
| `whole` | a search as windows of spectra, with what is expected in the complete spectra |
| `windows` | one hypothesis: z0 of thousands of toys, as the scan finds it for the data |
| `few_events` | what q0 is worth in a window with few events: its distribution, from toys of the window |
| `spectra` | complete spectra: what is expected in them, from the windows that look at them |
| `toys` | toys of complete spectra, which all hypotheses share |
| `largest` | the largest z0 of every toy, in blocks that can be made anywhere and at any time |
| `upcrossings` | Gross and Vitells: from upcrossings of a low level to global p-values beyond the reach of toys |
"""
