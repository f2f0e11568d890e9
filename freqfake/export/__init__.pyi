from .model import export_onnx as export_onnx
