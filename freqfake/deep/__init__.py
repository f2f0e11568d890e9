"""Deep detectors: DLDFD, Meso4 and MesoInception4. Needs ``pip install "freqfake[deep]"``."""

import lazy_loader

from .._optional import extra

with extra("deep", "torch"):
    import torch as _torch  # noqa: F401  # fails at once where torch is missing

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
