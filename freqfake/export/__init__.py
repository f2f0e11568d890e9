"""Detectors as ONNX files, for pipelines in other languages. They need the extra ``onnx``.

From decoded pixels to score, likelihood ratio and distance, all in the file: what reads it needs
onnxruntime, and nothing of this package. See :doc:`/onnx`.
"""

from .model import export_onnx

__all__ = ["export_onnx"]
