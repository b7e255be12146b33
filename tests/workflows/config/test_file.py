"""The YAML: what is right loads, what is wrong is one line with file, line, key and value."""

from __future__ import annotations

from pathlib import Path

import pytest

from bumphunt.cuts import classifier
from bumphunt.cuts.tensor import veto_axis
from bumphunt.errors import ConfigError
from selections.searches.zprime import tau_veto
from workflows.config.file import load

GOOD = """\
channel: zprime-invisible
data:
  luminosity: 0.276
  simulate: {}
samples:
  mumu: {simulate: {events: 1000}}
signal:
  simulate: {events: 1000, masses: [0.5, 1, 2, 3, 8]}
search: {low: 0.5, high: 8.0}
"""


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "analysis.yaml"
        path.write_text(text)
        return path

    return write


def message(path: Path) -> str:
    with pytest.raises(ConfigError) as error:
        load(path)
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith(str(path))
    return text


def test_good_file_loads_with_defaults(write):
    analysis = load(write(GOOD))
    assert analysis.about.luminosity == 0.276
    assert analysis.scan.limits.cl == 0.90
    assert analysis.scan.method.half_width == 10.0
    assert analysis.about.pseudo
    assert not analysis.about.blinded
    assert analysis.about.sqrt_s == pytest.approx(10.5796, abs=1e-4)


def test_observables_without_bounds_take_those_of_the_search(write):
    variables = (
        "{tau_excess: , pt_pair: {low: 0, high: 2, steps: 3}, cos_recoil: below, p_lmin: [above, below],"
        " m_pair: {low: 3, high: 9, side: below}}"
    )
    (region,) = load(write(GOOD.replace("search:", f"optimise: {{variables: {variables}}}\nsearch:"))).regions
    own = {(axis.name, axis.side): axis for axis in tau_veto.CANDIDATES}
    assert region.signal.veto == (
        own["tau_excess", "above"],
        veto_axis("pt_pair", 0.0, 2.0, n=3),
        own["cos_recoil", "below"],
        own["p_lmin", "above"],
        own["p_lmin", "below"],
        veto_axis("m_pair", 3.0, 9.0, side="below"),
    )


def test_shipped_examples_load():
    examples = sorted((Path(__file__).parents[3] / "examples").glob("*.yaml"))
    assert examples
    for path in examples:
        assert load(path).regions


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "  luminosity: 0.276",
            "  luminosty: 0.276",
            [":3:", "unknown key 'data.luminosty'", "did you mean 'luminosity'"],
        ),
        ("  luminosity: 0.276", "  luminosity: -0.276", [":3:", "data.luminosity = -0.276", "greater than 0"]),
        ("  luminosity: 0.276", "  luminosity: much", [":3:", "data.luminosity = 'much'", "valid number"]),
        ("  luminosity: 0.276", "  luminosity: .nan", [":3:", "data.luminosity = nan", "greater than 0"]),
        ("{events: 1000}}", "{events: 1000.5}}", [":6:", "samples.mumu.simulate.events = 1000.5", "integer"]),
        (
            "{events: 1000}}",
            "{evnts: 1000}}",
            [":6:", "unknown key 'samples.mumu.simulate.evnts'", "did you mean 'events'"],
        ),
        ("  mumu: {simulate", "  mumuu: {simulate", ["samples.mumuu.simulate.process", "did you mean 'mumu'"]),
        ("high: 8.0", "high: 10.4", ["search.high = 10.4", "kinematic limit", "10.36"]),
        ("3, 8]", "3, 11]", ["signal masses = 11.0", "kinematic limit"]),
        ("high: 8.0", "high: 0.3", [":9:", "search", "high = 0.3 GeV must be above low = 0.5"]),
        ("high: 8.0", "high: 8.5", ["search", "reach beyond the simulated signal"]),
        ("[0.5, 1, 2, 3, 8]", "[0.5, 2, 1, 3, 8]", [":7:", "signal", "ascending"]),
        ("channel: zprime-invisible\n", "", ["key 'channel' is missing"]),
        ("search:", "channel: x\nsearch:", [":9:", "'channel' stands here and in line 1"]),
        ("data:", "data: [", ["is no YAML"]),
        ("data:", "beams: bele2\ndata:", ["beams = 'bele2'", "did you mean 'belle2'"]),
        ("  simulate: {}", "  pseudo: false", ["give one of 'files', 'histogram', 'simulate' and 'asimov'"]),
        ("{simulate: {events: 1000}}", "{files: [a.root]}", [":6:", "'luminosity' or both"]),
        ("channel: zprime-invisible", "channel: zprime-invisibel", [":1:", "did you mean 'zprime-invisible'"]),
        ("  luminosity: 0.276", "  luminosity: yes", [":3:", "data.luminosity", "True is no number"]),
        ("channel: zprime-invisible", "channel: !foo x", ["is no YAML", "!foo"]),
        ("channel: zprime-invisible", "channel: zprime-invisible\nseed: 2020-99-99", ["is no YAML"]),
        ("channel: zprime-invisible", "channel: zprime-invisible\n? [a, b]\n: c", [":2:", "a key must be a word"]),
        ("channel: zprime-invisible", "channel: zprime-invisible\npath: foo", ["unknown key 'path'"]),
        ("  mumu: {", "  data: {", ["'data'", "two samples"]),
        ("  mumu: {simulate: {", "  zprime_3: {simulate: {process: mumu, ", ["'zprime_3'", "two samples"]),
        (
            "{simulate: {events: 1000}}",
            "{simulate: {events: 1000}, luminosity: 3}",
            [":6:", "'simulate' sets the norm"],
        ),
        ("{events: 1000}}", "{events: 1000, process: zprime}}", ["samples.mumu.simulate.process = 'zprime'"]),
        ("search:", "spectrum: {low: -4, high: 60, bins: 3200}\nsearch:", ["spectrum: -4 to 60 GeV^2", "65.000"]),
        ("search:", "spectrum: {low: -4, high: .inf, bins: 10}\nsearch:", ["spectrum.high", "finite"]),
        ("search:", "systematics: {veto: {eficiency: 0.1}}\nsearch:", ["unknown key", "did you mean 'efficiency'"]),
        ("search:", "systematics: {veto: {efficiency: [0.1, -1]}}\nsearch:", ["'veto' must be above -1.0", "got -1.0"]),
        ("search:", "systematics: {veto: {efficiency: [0.1, 0.1, 0.1]}}\nsearch:", ["systematics.veto.efficiency"]),
        ("search:", "systematics: {veto: {}}\nsearch:", ["source 'veto' moves nothing"]),
        (
            "search:",
            "systematics: {veto: {background: {mumuu: 0.1}}}\nsearch:",
            ["source 'veto' moves the sample 'mumuu'; there are mumu"],
        ),
        ("search:", "systematics: {veto: {efficiency: -1}}\nsearch:", ["'veto' must be above -1.0", "got -1.0"]),
        ("search:", "systematics: {norm_mumu: {efficiency: 0.1}}\nsearch:", ["'norm_mumu' is taken"]),
        (
            "search:",
            "systematics: {fake: {spurious_signal: 0.2}}\nfit: {method: counting}\nsearch:",
            ["systematics.fake: a count cannot use a spurious_signal"],
        ),
        (
            "search:",
            "fit: {method: counting, limit: toys}\nsearch:",
            [":9:", "limit: toys is an approximation", "'clsb'"],
        ),
        ("search:", "fit: {method: counting, significance: toys}\nsearch:", [":9:", "p0 of a count is exact"]),
        ("search:", "fit: {significance: exact}\nsearch:", [":9:", "significance"]),
        (
            "search:",
            "fit: {limit: feldman-cousins}\nsearch:",
            [":9:", "feldman-cousins is for one count", "want method: counting"],
        ),
        (
            "search:",
            "fit: {method: counting, limit: feldman-cousins, slices: {observable: recoil_theta, edges: [0, 1, 2]}}"
            "\nsearch:",
            [":9:", "feldman-cousins is for one count", "without slices"],
        ),
        (
            "search:",
            "fit: {method: counting, background: {order: 2}}\nsearch:",
            [":9:", "counts take their backgrounds from the samples"],
        ),
        ("search:", "regions: [mumu, muu]\nsearch:", ["regions: region 'muu' is not known", "mean 'mumu'"]),
        ("search: {", "search: {exclude: [[2.0, 1.0]], ", [":9:", "the interval from 2.0 to 1.0 GeV is empty"]),
        (
            "search:",
            "fit: {slices: {observable: recoil_thet, edges: [0, 1, 2]}}\nsearch:",
            ["fit.slices.observable", "did you mean 'recoil_theta'"],
        ),
        (
            "search:",
            "fit: {slices: {observable: recoil_theta, edges: [0, 2, 1]}}\nsearch:",
            ["edges [0.0, 2.0, 1.0] of recoil_theta must be ascending"],
        ),
        (
            "search:",
            "optimise: {variables: {pt_par: {low: 0, high: 1}}}\nsearch:",
            ["optimise.variables.pt_par", "did you mean 'pt_pair'"],
        ),
        (
            "search:",
            "optimise: {variables: {recoil_theta: null}}\nsearch:",
            ["optimise.variables.recoil_theta = null", "tau_excess (above)", "cos_recoil (below)"],
        ),
        (
            "search:",
            "optimise: {variables: {pt_pair: below}}\nsearch:",
            [":9:", "optimise.variables.pt_pair = below: the search has bounds for", "pt_pair (above)"],
        ),
        (
            "search:",
            "optimise: {variables: {p_lmin: }}\nsearch:",
            ["optimise.variables.p_lmin = null", "either side; say above or below"],
        ),
        (
            "search:",
            "optimise: {variables: {p_lmin: [above, {low: 0, high: 1}]}}\nsearch:",
            [":9:", "optimise.variables.p_lmin: bounds above, above; give one for a side"],
        ),
        ("search:", "optimise: {variables: {p_lmin: []}}\nsearch:", ["p_lmin: bounds on no side; give one for a side"]),
        (
            "search:",
            "optimise: {variables: {pt_pair: over}}\nsearch:",
            [":9:", "optimise.variables.pt_pair = 'over'", "'above' or 'below'"],
        ),
        (
            "search:",
            "optimise: {variables: {pt_pair: {low: 1, steps: 3}}}\nsearch:",
            [":9:", "optimise.variables.pt_pair: 'low' is given: give both 'low' and 'high', or neither"],
        ),
        (
            "search:",
            "optimise: {variables: {pt_pair: {low: 2, high: 1}}}\nsearch:",
            [":9:", "optimise.variables.pt_pair: high = 1.0 must be above low = 2.0"],
        ),
        ("search:", "optimise: {figure_of_merit: asimov}\nsearch:", ["optimise.figure_of_merit", "mean-limit"]),
        ("search:", "optimise: {cuts: wiggly}\nsearch:", ["optimise.cuts", "monotone"]),
        ("search:", "factors: {k: {value: 0}}\nsearch:", ["factors.k.value = 0", "greater than 0"]),
        ("search:", "factors: {k: {value: 2, samples: [mu]}}\nsearch:", ["factors.k.samples: sample 'mu'", "'mumu'"]),
        (
            "search:",
            "factors: {k: {value: 2}}\ncorrections: {k: {file: k.json}}\nsearch:",
            ["the name 'k' stands under corrections too"],
        ),
        (
            "search:",
            "factors: {k: {value: 2}}\nsystematics: {k: {efficiency: 0.1}}\nsearch:",
            ["systematics: the name 'k' is taken"],
        ),
        (
            "search:",
            "regions: [mumu, emu]\ncontrol: {k: {region: emu, samples: [tau]}}\nsearch:",
            ["control.k.samples", "'tau'"],
        ),
        (
            "search:",
            "control: {k: {region: mumu, samples: [mumu]}}\nsearch:",
            ["control.k.region = 'mumu': a peak is searched there", "mumugamma, emu"],
        ),
        (
            "simulate: {}",
            "luminosity_uncertainty: 0.01\n  simulate: {}\nfactors: {luminosity: {value: 2}}",
            ["factors: the name 'luminosity' is taken"],
        ),
        ("search:", "factors: {norm_mumu: {value: 2}}\nsearch:", ["factors: the name 'norm_mumu' is taken"]),
        (
            "search:",
            "regions: [mumu, mumugamma]\nfactors: {k: {value: 2, regions: [mumu]}}\nsearch:",
            ["factors: 'mumu' has 2 in region 'mumu' and 1 in 'mumugamma'", "draw from the expectation"],
        ),
        ("search:", "control: {k: {region: x, samples: [mumu]}}\nsearch:", ["control.k.region = 'x'", "see 'regions'"]),
        (
            "search:",
            "control: {k: {region: mumu, samples: [mumu], edges: [0, 1]}}\nsearch:",
            ["'observable' and 'edges'"],
        ),
        ("zprime-invisible", "darkphoton-invisible", ["babar, belle2 are those of different experiments; name one"]),
        (
            "search:",
            "model: nothing\nsearch:",
            ["model: 'nothing' is not known", "or 'file.py:FUNCTION'"],
        ),
        (
            "simulate: {}",
            "simulate: {inject: [{mass: 9, coupling: 1, process: zpirme}]}",
            ["data.simulate.inject[0].process = 'zpirme'", "did you mean 'zprime'"],
        ),
        (
            "simulate: {}",
            "simulate: {draw_from: expectation, inject: [{mass: 2.5, coupling: 1}]}",
            ["data.simulate.inject[0]: zprime of 2.5 GeV is not among the simulated signals", "draw from events"],
        ),
        ("events: 1000, masses", "process: mumu, events: 1000, masses", ["signal.simulate.process = 'mumu'"]),
        (
            "search:",
            "fit: {background: {order: 1}, templates: [tau]}\nsearch:",
            ["fit.templates: sample 'tau'", "mumu"],
        ),
        ("search:", "fit: {band: 2}\nsearch:", ["fit.band: no spectrum of 'zprime-invisible' has a second axis"]),
        ("search:", "fit: {method: smooth, background: {order: 99}}\nsearch:", ["fit.background", "got 99"]),
        (
            "search:",
            "fit: {method: smooth, background: {family: spline}}\nsearch:",
            ["fit.background.family", "spline"],
        ),
    ],
)
def test_wrong_file_says_where_and_what(write, old, new, expected):
    assert old in GOOD
    text = message(write(GOOD.replace(old, new)))
    for part in expected:
        assert part in text


def test_expectation_injects_the_simulated_signal_only(write):
    """Another decay length would need other events; that of the simulated signal is no contradiction."""
    text = GOOD.replace("zprime-invisible", "darkphoton-invisible\nregions: [babar]").replace("mumu:", "diphoton:")
    inject = "simulate: {draw_from: expectation, inject: [{mass: 2, coupling: 0.001, parameters: {lifetime: %s}}]}"
    assert load(write(text.replace("simulate: {}", inject % "0.0"))).spectra.drawn
    wrong = message(write(text.replace("simulate: {}", inject % "5.0")))
    assert "data.simulate.inject[0].parameters.lifetime = 5.0" in wrong
    assert "draw from events" in wrong


def test_feldman_cousins_limit_of_several_regions_is_refused(write):
    text = GOOD.replace("zprime-invisible", "darkphoton-dilepton")
    text = text.replace("search:", "fit: {method: counting, limit: feldman-cousins}\nsearch:")
    assert "ee, mumu are fitted together; name one, such as regions: [ee]" in message(write(text))


def test_region_that_sees_no_mass_of_the_search_is_named(write):
    text = GOOD.replace("zprime-invisible", "darkphoton-dilepton").replace(
        "low: 0.5, high: 8.0", "low: 0.02, high: 0.2"
    )
    wrong = message(write(text.replace("[0.5, 1, 2, 3, 8]", "[0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]")))
    assert "no mass from 0.02 to 0.2 GeV is among those of region 'mumu', 0.3 to 0.6 GeV" in wrong


def test_missing_file_is_named(tmp_path):
    assert "no such file" in message(tmp_path / "nowhere.yaml")


def test_empty_file_is_no_mapping(write):
    assert "must be a mapping" in message(write(""))


def test_real_data_are_blinded_unless_asked(write):
    real = GOOD.replace("simulate: {}", "files: [data.root]").replace(
        "  mumu: {simulate: {events: 1000}}", "  mumu: {files: [mumu.root], luminosity: 10}"
    )
    assert load(write(real)).about.blinded
    assert not load(write(real + "unblind: true\n")).about.blinded
    assert not load(write(real.replace("files: [data.root]", "files: [data.root]\n  pseudo: true"))).about.blinded


def test_cross_section_and_generated_give_the_luminosity(write):
    text = GOOD.replace("simulate: {}", "files: [d.root]").replace(
        "{simulate: {events: 1000}}", "{files: [m.root], cross_section: 1.148e6, generated: 2.296e6}"
    )
    assert load(write(text)).sections.samples["mumu"].mc_luminosity == pytest.approx(2.0)


def test_classifier_needs_features_and_its_package(write, monkeypatch):
    text = GOOD.replace("search:", "optimise: {classifier: true}\nsearch:")
    without = message(write(text.replace("zprime-invisible", "zprime-lfv")))
    assert "optimise.classifier: the search 'zprime-lfv' names no features to learn from" in without
    monkeypatch.setattr(classifier, "MODULE", "no_such_package")
    assert "optimise.classifier: the classifier needs scikit-learn" in message(write(text))
