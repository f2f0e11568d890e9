"""An ONNX graph in NumPy notation: each operation on a tensor adds nodes."""

from typing import Any

import numpy as np
import numpy.typing as npt

OPSET = 20  # the first whose DFT takes any axis; needs onnxruntime 1.17 or later
IR_VERSION = 9  # of the ONNX release that introduced this opset
DOUBLE, INT64 = 11, 7  # ONNX's codes of the data types

_END = int(np.iinfo(np.int64).max)  # of an axis of any length


class Graph:
    """Nodes and constants, in the order in which they were added.

    Attributes
    ----------
    nodes : list of (str, list of str, list of str, dict)
        Operator, names of its inputs and of its outputs, and its attributes.
    constants : dict
        Name and array by content: equal arrays are stored once.
    """

    def __init__(self) -> None:
        self.nodes: list[tuple[str, list[str], list[str], dict[str, Any]]] = []
        self.constants: dict[tuple[Any, ...], tuple[str, npt.NDArray[Any]]] = {}

    def op(self, kind: str, *inputs: Any, n_outputs: int = 1, **attributes: Any) -> "Tensor":
        """Add a node and return its first output. Inputs that are None are left out."""
        names = ["" if value is None else self._name(value) for value in inputs]
        name = f"{kind.lower()}_{len(self.nodes)}"
        outputs = [name, *(f"{name}_{number}" for number in range(1, n_outputs))]
        self.nodes.append((kind, names, outputs, attributes))
        return Tensor(self, name)

    def vector(self, numbers: "list[Tensor | int]") -> "Tensor | list[int]":
        """Join whole numbers, into a constant if all of them are known."""
        known = [number for number in numbers if isinstance(number, int)]
        if len(known) == len(numbers):
            return known
        parts = [[n] if isinstance(n, int) else n.op("Reshape", [1]) for n in numbers]
        return self.op("Concat", *parts, axis=0)

    def _name(self, value: Any) -> str:
        if isinstance(value, Tensor):
            return value.name
        array = np.asarray(value)
        array = array.astype(np.int64 if array.dtype.kind == "i" else np.float64)
        key = (array.dtype.str, array.shape, array.tobytes())
        return self.constants.setdefault(key, (f"constant_{len(self.constants)}", array))[0]


class Tensor:
    """A tensor of a graph. Whole numbers combined with it become int64, all others double."""

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph = graph
        self.name = name

    def op(self, kind: str, *others: Any, **attributes: Any) -> "Tensor":
        """Apply an ONNX operator, with this as its first input."""
        return self.graph.op(kind, self, *others, **attributes)

    def __add__(self, other: Any) -> "Tensor":
        return self.op("Add", other)

    def __sub__(self, other: Any) -> "Tensor":
        return self.op("Sub", other)

    def __rsub__(self, other: Any) -> "Tensor":
        return self.graph.op("Sub", other, self)

    def __mul__(self, other: Any) -> "Tensor":
        return self.op("Mul", other)

    def __truediv__(self, other: Any) -> "Tensor":
        return self.op("Div", other)

    def __floordiv__(self, other: int) -> "Tensor":
        return self.op("Div", other)  # for whole numbers that are not negative

    def __matmul__(self, other: Any) -> "Tensor":
        return self.op("MatMul", other)

    def __getitem__(self, key: tuple[slice, ...]) -> "Tensor":
        cuts = [(axis, part) for axis, part in enumerate(key) if part != slice(None)]
        starts = self.graph.vector([part.start or 0 for _, part in cuts])
        ends = self.graph.vector([_END if part.stop is None else part.stop for _, part in cuts])
        return self.op("Slice", starts, ends, [axis for axis, _ in cuts])

    def take(self, positions: Any, axis: int = 0) -> "Tensor":
        """Pick positions along an axis; a single position removes the axis."""
        return self.op("Gather", positions, axis=axis)

    def reshape(self, *shape: "Tensor | int") -> "Tensor":
        """Change the shape; -1 stands for what is left."""
        return self.op("Reshape", self.graph.vector([*shape]))

    def transpose(self, *axes: int) -> "Tensor":
        """Reorder the axes."""
        return self.op("Transpose", perm=axes)

    def mean(self, *axes: int, keepdims: bool = False) -> "Tensor":
        """Average over axes, or over all of them."""
        return self.op("ReduceMean", list(axes) or None, keepdims=int(keepdims))

    def sum(self, *axes: int) -> "Tensor":
        """Sum over axes, or over all of them."""
        return self.op("ReduceSum", list(axes) or None, keepdims=0)

    def double(self) -> "Tensor":
        """Cast to double."""
        return self.op("Cast", to=DOUBLE)

    def whole(self) -> "Tensor":
        """Cast to int64, towards zero."""
        return self.op("Cast", to=INT64)


def join(tensors: list[Tensor], axis: int) -> Tensor:
    """Join tensors along an axis."""
    return tensors[0].op("Concat", *tensors[1:], axis=axis)


def side(tensor: Tensor, axis: int) -> Tensor:
    """Length of an axis, a whole number."""
    return tensor.op("Shape", start=axis, end=axis + 1).op("Squeeze")
