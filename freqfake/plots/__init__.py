"""Figures. They need matplotlib: ``python -m pip install "freqfake[plots]"``.

Each function draws into the axes it is given, or into new ones, and returns them. The colours can
be told apart with every kind of colour vision, and nothing is shown by colour alone.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
