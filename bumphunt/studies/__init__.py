"""The studies that a review of a search asks for, by toys of the windows that are fitted.

| module | for |
|---|---|
| `windows` | what a study is made of: the window of a mass with the truth that toys are drawn from |
| `toys` | toys of a window, and what their fits say |
| `coverage` | how often limits are above the signal that is there; exactly for a count |
| `families` | backgrounds of other families than the one that is fitted, as truths |
| `orders` | families and orders of the background compared: tests of one order more, information criteria |
| `stability` | the fit of the data with other windows, bins, orders |
| `verdicts` | a number beside its criterion: passed, failed, or more toys are needed |
| `studies` | the studies by name: which toys they need, and what they conclude |

Toys are made in blocks, each from a seed of its own: anywhere, at any time, in any order.
"""
