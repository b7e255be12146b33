"""Seeds and production numbers."""

import numpy as np

from bumphunt.montecarlo.conditions import production_number, random_generator


def test_streams_and_parameters_are_independent():
    keys = [("mumu", {}, "sample", 0), ("mumu", {}, "data", 0), ("tautau", {}, "sample", 0), ("mumu", {}, "sample", 1)]
    keys += [("zprime", {"mass": m, "coupling": 0.1}, "sample", 0) for m in (1.0, 1.0000001)]
    first = [random_generator(1, process=p, parameters=q, stream=s, chunk=c).random() for p, q, s, c in keys]
    assert len(set(first)) == len(keys)
    swapped = random_generator(1, process="zprime", parameters={"coupling": 0.1, "mass": 1.0}, stream="sample", chunk=0)
    assert swapped.random() == first[4]  # the order of the parameters says nothing


def test_samples_have_production_numbers_of_their_own():
    numbers = {production_number("zprime", {"mass": m, "coupling": 0.1}) for m in np.linspace(0.1, 9, 90)}
    assert len(numbers) == 90
    assert all(0 <= n < 2**31 for n in numbers)
