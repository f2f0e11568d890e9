"""Pictures that are the same: dropped where they are equal, kept together where they are alike."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.neighbors import NearestNeighbors

from freqfake.pictures.arrays import check_shape, to_pil

ALIKE = 3  # bits of 64 in which the hashes of alike pictures differ at most


def difference_hash(pixels: npt.NDArray[Any]) -> str:
    """Hash what a picture shows: 64 bits, in hexadecimal.

    Each bit tells whether a point of an 8 x 9 grid is darker than the next one of its row. Resizing
    and compression change few bits.
    """
    grey = to_pil(check_shape(pixels)).convert("L").resize((9, 8), Image.Resampling.LANCZOS)
    bits = np.diff(np.asarray(grey, int), axis=1) > 0
    return np.packbits(bits).tobytes().hex()


def judge(rows: pd.DataFrame) -> pd.DataFrame:
    """Say which pictures are kept, and which of them belong together.

    Parameters
    ----------
    rows : DataFrame
        One row a picture, in the order in which they are preferred, with the columns ``source``,
        ``side``, ``sha256``, ``path``, ``person``, ``width``, ``height``, ``dhash`` and
        ``why_not``, which is empty for pictures that were read.

    Returns
    -------
    DataFrame
        With the columns ``kept`` and ``group``, and ``why_not`` filled in for duplicates. Of equal
        files the first is kept; none if they are labelled differently. Of alike pictures of one
        size, source and side the first is kept. Pictures that are alike or show one person have
        the same group, on whichever side and in whichever source. Numbers of groups start at 1;
        pictures that were not read have none.
    """
    rows = rows.reset_index(drop=True)
    rows["why_not"] = rows["why_not"].mask(_is_read(rows), _equal_files(rows))
    rows["why_not"] = rows["why_not"].mask(_is_read(rows), _equal_looks(rows))
    rows["kept"] = _is_read(rows)
    rows["group"] = _groups(rows)
    return rows


def _is_read(rows: pd.DataFrame) -> pd.Series:
    return rows["why_not"] == ""


def _equal_files(rows: pd.DataFrame) -> pd.Series:
    same = rows[_is_read(rows)].groupby("sha256", sort=False)
    first = same["path"].transform("first")
    of = "duplicate: the file " + same["source"].transform("first") + " " + first
    torn = same["side"].transform("nunique") > 1
    reasons = of.where(same.cumcount() > 0, "")
    reasons = reasons.mask(torn, "labels differ: the same file is real and fake")
    return reasons.reindex(rows.index, fill_value="")


def _equal_looks(rows: pd.DataFrame) -> pd.Series:
    columns = ["source", "side", "width", "height", "dhash"]
    same = rows[_is_read(rows)].groupby(columns, sort=False)
    first = same["path"].transform("first")
    other = first != rows["path"][first.index]  # not another piece of the same picture
    return ("duplicate: looks like " + first).where(other, "").reindex(rows.index, fill_value="")


def _groups(rows: pd.DataFrame) -> pd.Series:
    """Give the groups numbers: the parts of a graph of looks and persons joined by pictures."""
    read = rows[rows["dhash"] != ""]
    if read.empty:
        return pd.Series(pd.NA, rows.index, "Int64")
    looks, hashes = pd.factorize(read["dhash"])
    persons, names = pd.factorize(read["source"] + " " + read["person"])
    octets = np.array([list(bytes.fromhex(dhash)) for dhash in hashes], np.uint8)
    bits = np.unpackbits(octets, axis=1)
    points = bits.astype(np.float32)  # the squared distance of two is the number of other bits
    neighbours = NearestNeighbors(radius=np.sqrt(ALIKE + 0.5), algorithm="brute").fit(points)
    near = neighbours.radius_neighbors_graph().tocoo()
    starts = np.concatenate([near.row, looks])
    ends = np.concatenate([near.col, len(hashes) + persons])
    n_nodes = len(hashes) + len(names)
    graph = coo_array((np.ones(len(starts)), (starts, ends)), (n_nodes, n_nodes))
    parts = connected_components(graph, directed=False)[1][looks]
    numbers = pd.Series(pd.factorize(parts)[0] + 1, read.index, "Int64")
    return numbers.reindex(rows.index)
