"""Maps of hypotheses of two masses."""

import numpy as np

from workflows.figures.maps import hypothesis_map
from workflows.figures.style import save

X = np.array([1.0, 2.0, 4.0, 1.0, 3.0])
Y = np.array([5.0, 5.0, 5.0, 7.0, 7.0])


def test_fields_meet_half_way_and_those_without_value_are_white(tmp_path):
    values = np.array([1e-3, 1e-2, np.nan, 1e-1, 0.0])
    figure = hypothesis_map(X, Y, values, quantity="limit", xlabel="x", ylabel="y", label="test")
    (fields,) = figure.axes[0].collections
    corners = [path.get_extents().extents.tolist() for path in fields.get_paths()]
    assert corners == [[0.5, 4.0, 1.5, 6.0], [1.5, 4.0, 3.0, 6.0], [0.0, 6.0, 2.0, 8.0]]
    assert fields.get_array().tolist() == [1e-3, 1e-2, 1e-1]
    save(figure, tmp_path, "map")
    assert (tmp_path / "map.pdf").stat().st_size > 1000


def test_one_hypothesis_and_the_smallest_p_values_have_colours():
    figure = hypothesis_map(
        X[:1], Y[:1], np.array([1e-30]), quantity="p", xlabel="x", ylabel="y", label="", p_value=True
    )
    (fields,) = figure.axes[0].collections
    assert fields.get_array().tolist() == [1e-7]
    assert fields.norm.vmin < fields.norm.vmax
