"""Hadrons from a virtual photon: the ratio R, and the form factor of the charged pion.

R(s) = sigma(e+e- -> hadrons) / sigma_0(e+e- -> mu+ mu-), sigma_0 = 4 pi alpha^2 / 3s, is smooth here: broad structures
stand in it, omega, phi, J/psi, psi(2S) and the Upsilons do not. Do not use it at those, where mass scans have vetoes.

References
----------
P. A. Zyla et al. (Particle Data Group), PTEP 2020, 083C01, "Plots of cross sections and related quantities": R data.
G. J. Gounaris, J. J. Sakurai, Phys. Rev. Lett. 21 (1968) 244: the form factor.
R. R. Akhmetshin et al. (CMD-2), Phys. Lett. B 527 (2002) 161 (hep-ex/0112031): mass and width of the rho in it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

from bumphunt.constants import M_PION

__all__ = ["HIGHEST_MASS", "pion_form_factor", "r_ratio"]

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

# sqrt(s) [GeV], R. The values of a monotone cubic interpolation that was fitted to the PDG's compilation, without the
# data within 12 MeV of the omega, 35 of the phi, 50 of the J/psi, 20 of the psi(2S) and 50 of each Upsilon.
_TABLE = (
    (0.34, 0.075), (0.38, 0.152), (0.42, 0.240), (0.46, 0.349), (0.50, 0.476), (0.54, 0.713), (0.58, 1.029),
    (0.62, 1.658), (0.65, 2.401), (0.68, 3.618), (0.70, 4.842), (0.72, 6.265), (0.74, 7.864), (0.755, 8.702),
    (0.77, 9.491), (0.797, 7.035), (0.81, 5.627), (0.83, 4.258), (0.86, 2.809), (0.90, 1.772), (0.94, 1.228),
    (0.97, 1.027), (1.00, 0.990), (1.06, 1.061), (1.10, 0.882), (1.18, 0.899), (1.25, 1.035), (1.32, 1.234),
    (1.40, 1.596), (1.45, 1.875), (1.50, 2.088), (1.57, 2.264), (1.64, 2.534), (1.70, 2.458), (1.78, 2.240),
    (1.87, 2.029), (2.0, 2.170), (2.2, 2.293), (2.6, 2.303), (3.0, 2.202), (3.6, 2.222), (3.73, 2.230),
    (3.77, 3.609), (3.81, 2.446), (3.87, 2.593), (3.95, 3.001), (4.0, 3.439), (4.04, 4.606), (4.08, 4.010),
    (4.16, 4.199), (4.22, 3.428), (4.27, 2.953), (4.35, 3.465), (4.42, 4.010), (4.48, 3.603), (4.6, 3.376),
    (5.0, 3.492), (6.0, 3.409), (7.0, 3.461), (8.0, 3.661), (9.0, 3.509), (9.8, 3.494), (10.54, 3.575),
)  # fmt: skip

HIGHEST_MASS = 11.0
"""Mass up to which R is known here [GeV]; it is constant from 10.54 GeV."""

M_RHO, WIDTH_RHO = 0.77609, 0.14446
"""Mass and width of the rho [GeV] (CMD-2)."""
M_RHO_PRIME, WIDTH_RHO_PRIME = 1.465, 0.400
"""Mass and width of the rho(1450) [GeV] (PDG)."""
BETA_RHO = -0.09
"""Weight of the rho(1450), chosen here: R of two pions is then within 7 % of R below 0.73 GeV and from 0.8 to 0.94."""

_interpolator = PchipInterpolator(*np.array(((2 * M_PION, 0.0), *_TABLE, (HIGHEST_MASS, _TABLE[-1][1]))).T)


def r_ratio(mass: ArrayLike) -> Array:
    """Return R at sqrt(s) = `mass`, same shape; 0 below two pions, NaN above `HIGHEST_MASS`.

    Parameters
    ----------
    mass
        Masses of the virtual photon [GeV].

    References
    ----------
    PDG, as cited at the top; the table follows the data to 2 % (rms) below 2 GeV and 4 % above, 8 % at the psi states.

    Examples
    --------
    >>> r_ratio([0.2, 2.0, 9.0])
    array([0.   , 2.17 , 3.509])
    """
    m = np.asarray(mass, dtype=np.float64)
    inside = np.clip(m, 2 * M_PION, HIGHEST_MASS)
    return np.where(m > HIGHEST_MASS, np.nan, _interpolator(inside))


def _gounaris_sakurai(s: Array, mass: float, width: float) -> Complex:
    """Return the amplitude of one rho state, 1 at s = 0 (Gounaris, Sakurai); s [GeV^2] above 4 m_pi^2."""
    m2, pi2 = mass**2, M_PION**2

    def h(s: Array) -> tuple[Array, Array]:
        k = np.sqrt(s / 4 - pi2)
        return 2 / np.pi * k / np.sqrt(s) * np.log((np.sqrt(s) + 2 * k) / (2 * M_PION)), k

    (h_s, k), (h_m, k_m) = h(s), h(np.asarray(m2))
    slope = h_m * (1 / (8 * k_m**2) - 1 / (2 * m2)) + 1 / (2 * np.pi * m2)  # dh/ds at s = m^2
    f = width * m2 / k_m**3 * (k**2 * (h_s - h_m) + (m2 - s) * k_m**2 * slope)
    d = (
        3 / np.pi * pi2 / k_m**2 * np.log((mass + 2 * k_m) / (2 * M_PION))
        + mass / (2 * np.pi * k_m)
        - pi2 * mass / (np.pi * k_m**3)
    )
    running = width * (k / k_m) ** 3 * mass / np.sqrt(s)
    return np.asarray((m2 + d * mass * width) / (m2 - s + f - 1j * mass * running))


def pion_form_factor(s: ArrayLike) -> Complex:
    """Return F(s) of the charged pion, shape of `s`: rho and rho(1450), without the omega; 0 below 4 m_pi^2.

    R of two pions is (1 - 4 m_pi^2 / s)^(3/2) |F|^2 / 4. Above about 1 GeV take its order of magnitude only.

    Parameters
    ----------
    s
        Squared masses of the virtual photon [GeV^2].

    References
    ----------
    Gounaris, Sakurai, and CMD-2, as cited at the top.
    """
    s = np.asarray(s, dtype=np.float64)
    open_ = s > 4 * M_PION**2 * (1 + 1e-12)
    safe = np.where(open_, s, 1.0)
    rho = _gounaris_sakurai(safe, M_RHO, WIDTH_RHO)
    prime = _gounaris_sakurai(safe, M_RHO_PRIME, WIDTH_RHO_PRIME)
    return np.where(open_, (rho + BETA_RHO * prime) / (1 + BETA_RHO), 0.0)
