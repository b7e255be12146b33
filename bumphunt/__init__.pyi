"""What type checkers and editors are told of the front door; see ``__init__.py``."""

from bumphunt.errors import BumphuntError as BumphuntError
from bumphunt.errors import FitError as FitError
from bumphunt.errors import InputError as InputError
from bumphunt.inference.bayesian import bayesian_counting_limit as bayesian_counting_limit
from bumphunt.inference.bayesian import bayesian_limit as bayesian_limit
from bumphunt.inference.counts.distribution import CountingModel as CountingModel
from bumphunt.inference.counts.distribution import counting_p0 as counting_p0
from bumphunt.inference.counts.feldman_cousins import feldman_cousins as feldman_cousins
from bumphunt.inference.counts.limit import counting_limit as counting_limit
from bumphunt.inference.counts.on_off import li_ma as li_ma
from bumphunt.inference.counts.on_off import z_bi as z_bi
from bumphunt.inference.credible import bayesian_counting_interval as bayesian_counting_interval
from bumphunt.inference.credible import bayesian_interval as bayesian_interval
from bumphunt.inference.fit import fit as fit
from bumphunt.inference.fit import limit as limit
from bumphunt.inference.fit import scan as scan
from bumphunt.inference.goodness import goodness_of_fit as goodness_of_fit
from bumphunt.inference.intervals import interval as interval
from bumphunt.inference.significance import hypotest as hypotest
from bumphunt.inference.significance import significance as significance
from bumphunt.inference.unbinned import fit_unbinned as fit_unbinned
from bumphunt.likelihood.narrow_bins import narrow_bins as narrow_bins
from bumphunt.models.background import BackgroundFunction as BackgroundFunction
from bumphunt.models.background import BackgroundModel as BackgroundModel
from bumphunt.models.peaks import breit_wigner as breit_wigner
from bumphunt.models.peaks import crystal_ball as crystal_ball
from bumphunt.models.peaks import crystal_ball_gaussian as crystal_ball_gaussian
from bumphunt.models.peaks import gaussian as gaussian
from bumphunt.models.peaks import two_sided_crystal_ball as two_sided_crystal_ball
from bumphunt.models.peaks import voigt as voigt
from bumphunt.models.region import Sample as Sample
from bumphunt.models.region import region as region
from bumphunt.models.systematics import ControlRegion as ControlRegion
from bumphunt.models.systematics import Free as Free
from bumphunt.models.systematics import Gaussian as Gaussian
from bumphunt.models.systematics import LogNormal as LogNormal
from bumphunt.models.systematics import PeakPosition as PeakPosition
from bumphunt.models.systematics import PeakWidth as PeakWidth
from bumphunt.models.systematics import PerBin as PerBin
from bumphunt.models.systematics import ShapeVariation as ShapeVariation
from bumphunt.models.systematics import SpuriousSignal as SpuriousSignal
from bumphunt.scanning.impacts import impacts as impacts
from bumphunt.search_wide.bump_hunt import bump_hunt as bump_hunt
from bumphunt.search_wide.significance import global_significance as global_significance

__version__: str
