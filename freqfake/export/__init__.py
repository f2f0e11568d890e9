"""Detectors as ONNX files, for pipelines in other languages. They need the extra ``onnx``.

From decoded pixels to score, likelihood ratio and distance, all in the file: what reads it needs
onnxruntime, and nothing of this package. See :doc:`/onnx`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
