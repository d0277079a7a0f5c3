"""Pressure and power as they follow from CPU usage.

Pressure: N, the number of runnable vCPUs of a node with C cores, is nearly normal with mean mu = sum d and variance
sigma^2 = sum d (1 - d), where d in [0, 1] is the demand of each vCPU. The vCPUs without a core are W = E[(N - C)+] =
(mu - C) Phi(z) + sigma phi(z), z = (mu - C) / sigma, and the node's PSI is W / C, at most 1: the kernel's "some"
under perfect balancing. The waiting falls on the runnable vCPUs alike, so one of them waits with probability q = W /
mu, and a pod of v vCPUs of demand d each has at least one waiting with probability 1 - (1 - d q)^v.

Power: P(u) = idle + (busy - idle) (2u - u^1.4) at utilisation u, after Fan, Weber and Barroso, "Power Provisioning
for a Warehouse-sized Computer" (ISCA 2007), where the exponent is fitted to measured servers. A pod has its share, by
CPU, of what exceeds idle.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erf, exp, pi, sqrt
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from serflab.traces.draws import Floats

# Of the order of a two-socket server in the middle of the 2010s: 120 W idle, 248 W busy with 16 cores.
IDLE_WATTS_PER_CORE: Final = 7.5
DYNAMIC_WATTS_PER_CORE: Final = 8.0


@dataclass(frozen=True, slots=True)
class Derived:
    """What follows from the pods' CPU; pod arrays have the shape `(pods, points)`, node arrays `(points,)`.

    PSI in percent, power in W; `node_power` is without the idle power.
    """

    pod_psi: Floats
    pod_power: Floats
    node_psi: Floats
    node_power: Floats


def derive(cpu: Floats, cores: float) -> Derived:
    """Return pressure and power of pods that use `cpu` (cores, shape `(pods, points)`) of a node with `cores` cores.

    A pod has as many vCPUs as its peak needs.
    """
    vcpus = np.maximum(1.0, np.ceil(cpu.max(axis=1, keepdims=True)))
    demand = cpu / vcpus
    mean = cpu.sum(axis=0)
    waiting = _waiting(mean, (cpu * (1.0 - demand)).sum(axis=0), cores)
    each = np.minimum(1.0, np.divide(waiting, mean, out=np.zeros_like(mean), where=mean > 0))
    power = dynamic_power(mean / cores, cores)
    share = np.divide(cpu, mean, out=np.zeros_like(cpu), where=mean > 0)
    return Derived(
        pod_psi=100.0 * (1.0 - (1.0 - demand * each) ** vcpus),
        pod_power=share * power,
        node_psi=100.0 * np.minimum(1.0, waiting / cores),
        node_power=power,
    )


def dynamic_power(utilisation: Floats, cores: float) -> Floats:
    """Return what a node of `cores` cores draws above idle, in W, at a utilisation in [0, 1] (more counts as 1)."""
    u = np.clip(utilisation, 0.0, 1.0)
    return np.asarray(DYNAMIC_WATTS_PER_CORE * cores * (2.0 * u - u**1.4), dtype=np.float64)


def _waiting(mean: Floats, variance: Floats, cores: float) -> Floats:
    """Return E[(N - cores)+] for N normal with `mean` and `variance`, element by element."""

    def one(mu: float, sigma: float) -> float:
        excess = mu - cores
        if sigma == 0.0:
            return max(0.0, excess)
        z = excess / sigma
        cumulated = 0.5 * (1.0 + erf(z / sqrt(2.0)))
        density = exp(-z * z / 2.0) / sqrt(2.0 * pi)
        return max(0.0, excess * cumulated + sigma * density)

    deviations = np.sqrt(np.maximum(0.0, variance))
    return np.array([one(float(mu), float(sigma)) for mu, sigma in zip(mean, deviations, strict=True)])
