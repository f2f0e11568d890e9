"""Reports on pictures and videos, as pages for the browser. They need the extra ``report``.

A page is one file that loads nothing. It shows the verdict and its meaning, the evidence, the
spectra, what the file claims, and the limits of the method.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
