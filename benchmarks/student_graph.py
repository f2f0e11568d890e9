"""The graph of the student, without its weights, as onnxruntime takes it.

    python -m benchmarks.student_graph

writes ``student.onnx`` of the package. It changes with the design of the network only.
"""

from itertools import pairwise
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from freqfake.features import student
from freqfake.features.student import CLIP, N_FEATURES, SIZE

OUT = Path(student.__file__).parent / "student_files" / "student.onnx"
WIDTHS = (24, 32, 40, 56, 80)
_OPSET = 17  # read by onnxruntime 1.12 and later


def make_graph(widths: tuple[int, ...] = WIDTHS) -> onnx.ModelProto:
    """Make the graph from pixels of 0 to 255 to the features of each face."""
    nodes: list[onnx.NodeProto] = []
    shapes: dict[str, tuple[int, ...]] = {}

    def add(kind: str, inputs: list[str], name: str, **attributes: object) -> str:
        nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def convolved(x: str, name: str, n_in: int, n_out: int, side: int, stride: int = 1) -> str:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (n_out, n_in, side, side), (n_out,)
        margin = [side // 2] * 4 if name != "fixed" else [0] * 4
        inputs = [x, f"{name}.weight", f"{name}.bias"]
        return add("Conv", inputs, name, strides=[stride] * 2, pads=margin)

    padded = add("Pad", ["pixels", "margins"], "padded", mode="edge")
    x = convolved(padded, "fixed", 3, 27, 5)
    x = add("Clip", [x, "low", "high"], "clipped")
    x = add("Relu", [convolved(x, "stem.0", 27, widths[0], 3, 2)], "stem")
    for number, (before, after) in enumerate(pairwise(widths)):
        block, stride = f"blocks.{number}", 2 if number else 1
        y = add("Relu", [convolved(x, f"{block}.convolutions.0", before, after, 3, stride)], block)
        y = convolved(y, f"{block}.convolutions.3", after, after, 3)
        direct = x
        if stride > 1:
            pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
            direct = add("AveragePool", [x], f"{block}.pooled", **pool)
        direct = convolved(direct, f"{block}.direct.1", before, after, 1)
        x = add("Relu", [add("Add", [y, direct], f"{block}.sum")], f"{block}.out")
    add("ReduceMean", [x], "features", axes=[2, 3], keepdims=0)
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", N_FEATURES])
    constants = [
        helper.make_tensor("margins", TensorProto.INT64, [8], [0, 0, 2, 2, 0, 0, 2, 2]),
        helper.make_tensor("low", TensorProto.FLOAT, [], [-CLIP]),
        helper.make_tensor("high", TensorProto.FLOAT, [], [CLIP]),
        *(_named(name, shape) for name, shape in shapes.items()),
    ]
    graph = helper.make_graph(nodes, "student", [pixels], [features], constants)
    opset = [helper.make_opsetid("", _OPSET)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)


def _named(name: str, shape: tuple[int, ...]) -> onnx.TensorProto:
    """Declare a tensor whose numbers are given when the graph is loaded."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="student.safetensors")
    return tensor


if __name__ == "__main__":
    OUT.write_bytes(make_graph().SerializeToString(deterministic=True))
    print(f"wrote {OUT.name}: {OUT.stat().st_size} bytes")
