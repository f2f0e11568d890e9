"""Reports on pictures, as pages for the browser. They need the extra ``report``.

A page is one file that loads nothing: the verdict and what it means, the evidence, the spectra,
what the file claims, and what the method cannot tell.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
