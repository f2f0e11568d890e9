"""Detectors as ONNX files, for pipelines in other languages. They need the extra ``onnx``.

The file holds everything from decoded pixels to score, likelihood ratio and distance. To use it
takes onnxruntime, but not this package. See :doc:`/onnx`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
