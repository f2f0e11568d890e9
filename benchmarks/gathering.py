"""Pictures from public repositories: copied or cut out, described, freed of duplicates."""

import hashlib
import io
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

from freqfake.crops.faces import crop_face, find_faces
from freqfake.exceptions import MissingExtraError
from freqfake.pictures.arrays import check_shape, to_pil
from freqfake.pictures.reading import read_bytes

from .harness.clones import Clone, NotHereError, Package, find_files
from .harness.duplicates import difference_hash, judge
from .harness.report import Report
from .harness.sources import SIDES, Source, Sources, Wanted, pick, sha256

SQUARE = 512  # pixels per side, of the squares cut out of large scenes
_BLOCK = 8  # pixels, the side of a JPEG block
_FRAME = 2  # pixels around each tile of a grid
_FOUND, _LEFT_OUT = "found.csv", "left_out"
_AGAIN = ("missing", "kept apart")  # a clone may have been completed, a rule changed
_COLUMNS = (
    "source", "side", "file", "sha256", "repository", "commit", "path", "cut", "person", "width",
    "height", "format", "coding", "dhash", "licence", "why_not",
)  # fmt: skip

Row = dict[str, str]


def gather(sources: Sources, report: Report) -> None:
    """Collect pictures from clones of the repositories in sources.toml.

    Parameters
    ----------
    sources : Sources
    report : Report

    Notes
    -----
    Writes ``gathered/pictures.csv``, one row a picture. Of pictures that are cut out of a file,
    stored as PNG, ``format`` and ``coding`` are those of the file, and ``cut`` says what was taken;
    ``dhash`` is that of the picture, for squares that of the whole scene. Pictures that are not
    ``kept`` have the reason in ``why_not``; duplicates lie in the folder ``left_out``.
    """
    out = sources.work / "gathered"
    rows: list[Row] = []
    for source in sources.read():
        if not sources.only or source.name in sources.only:
            try:
                _gather_one(source, sources, out)
            except NotHereError as error:
                print(f"{source.name} left out: {error}", file=sys.stderr)
            except MissingExtraError as error:
                print(f"{source.name} left out: faces are cut out: {error}", file=sys.stderr)
        rows += _read(out / source.name / _FOUND)
    pictures = judge(_table(rows))
    pictures["file"] = _places(pictures)
    _put_in_place(out, pictures)
    out.mkdir(parents=True, exist_ok=True)
    pictures.to_csv(out / "pictures.csv", index=False)
    report.table("gathered", _summary(pictures))


def _gather_one(source: Source, sources: Sources, out: Path) -> None:
    """Bring the folder and the table of a source up to date."""
    table = out / source.name / _FOUND
    known = _read(table)
    try:
        files = find_files(source, sources.clones)
    except NotHereError:
        if not known:
            raise
        return  # gathered before
    listing = files.files()
    wanted = pick(source, listing, _labels(source, files, listing), sources.limit)
    by_path = defaultdict(list)
    for row in known:
        by_path[row["path"]].append(row)
    todo = [file for file in wanted if not _is_done(by_path[file.path], source, file, table.parent)]
    for rows in _made(source, files, todo, table.parent, sources.n_jobs):
        by_path[rows[0]["path"]] = rows
    table.parent.mkdir(parents=True, exist_ok=True)
    _table([row for file in wanted for row in by_path[file.path]]).to_csv(table, index=False)


def _labels(source: Source, files: Clone | Package, listing: dict[str, str]) -> bytes:
    """Read the table of labels of a source that has one."""
    path = source.labels.get("file")
    if path is None:
        return b""
    data = next(files.read([listing[path]])) if path in listing else None
    if data is None:
        raise NotHereError(f"no {path} in its clone")
    return data


def _read(table: Path) -> list[Row]:
    if not table.is_file():
        return []
    rows: list[Row] = pd.read_csv(table, dtype=str, keep_default_na=False).to_dict("records")
    return rows


def _table(rows: list[Row]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=_COLUMNS, dtype=object)


def _is_done(rows: list[Row], source: Source, file: Wanted, folder: Path) -> bool:
    """Whether the rows of a file are as wanted, and their pictures are there."""
    if file.why_not or not rows or rows[0]["why_not"].startswith(_AGAIN):
        return False
    wanted = _row(source, file)
    fixed = ("repository", "commit", "cut", "side", "person", "licence")
    same = all(row[name] == wanted[name] for row in rows for name in fixed)
    places = (folder, folder / _LEFT_OUT)
    names = [row["file"] for row in rows if row["file"]]
    return same and all(any((place / name).is_file() for place in places) for name in names)


def _made(
    source: Source, files: Clone | Package, todo: list[Wanted], folder: Path, n_jobs: int
) -> Iterator[list[Row]]:
    """Write the pictures of the files, and give their rows."""
    apart = [file for file in todo if file.why_not]
    yield from ([_row(source, file, why_not=file.why_not)] for file in apart)
    todo = [file for file in todo if not file.why_not]
    if not todo:
        return
    contents = files.read(file.blob for file in todo)
    jobs = (
        delayed(_write)(source, file, data, folder)
        for file, data in zip(todo, contents, strict=True)
    )
    done = Parallel(n_jobs, return_as="generator")(jobs)
    yield from tqdm(done, desc=source.name, total=len(todo), unit="file")


def _write(source: Source, file: Wanted, data: bytes | None, folder: Path) -> list[Row]:
    """Write the pictures that one file gives, and describe each."""
    if data is None:
        return [_row(source, file, why_not="missing: not in the clone")]
    try:
        pixels, facts = read_bytes(data)
        if max(facts.width, facts.height) < source.least:
            return [_row(source, file, why_not=f"small: {facts.width} x {facts.height}")]
        pieces = _cut_out(source, file.path, pixels) if source.cut else [pixels]
        # The squares of a scene are known by the scene: a piece of sky looks like any other.
        hashes = [difference_hash(pixels if source.crops else piece) for piece in pieces]
    except MissingExtraError:
        raise
    except Exception as error:  # a broken file can make a decoder raise any error
        reason = str(error) or type(error).__name__
        return [_row(source, file, why_not=f"unreadable: {reason}")]
    suffix = PurePosixPath(file.path).suffix.lower() or f".{facts.format.lower()}"
    rows = []
    for piece, dhash in zip(pieces, hashes, strict=True):
        content, ending = (_png(piece), ".png") if source.cut else (data, suffix)
        sha = hashlib.sha256(content).hexdigest()
        target = Path(file.side, sha[:16] + ending)
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        (folder / target).write_bytes(content)
        height, width = map(str, piece.shape[:2])
        about = {"file": target.as_posix(), "sha256": sha, "dhash": dhash}
        about |= {"width": width, "height": height}
        rows.append(_row(source, file, format=facts.format, coding=facts.coding, **about))
    return rows or [_row(source, file, why_not=f"empty: no {source.cut}")]


def _row(source: Source, file: Wanted, /, **about: str) -> Row:
    return {
        **dict.fromkeys(_COLUMNS, ""),
        "source": source.name,
        "side": file.side,
        "repository": source.repository or source.package,
        "commit": source.commit,
        "path": file.path,
        "cut": source.cut,
        "person": file.person,
        "licence": source.licence,
        **about,
    }


def _cut_out(source: Source, path: str, pixels: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """Cut out the largest face, random squares, the tiles of a grid, or a box."""
    pixels = check_shape(pixels)
    if source.box:
        left, top, right, bottom = source.box
        return [pixels[top:bottom, left:right]]
    if source.faces:
        return [crop_face(pixels, face) for face in find_faces(pixels)[:1]]
    if source.crops:
        return list(_squares(pixels, source.crops, int(sha256(path)[:8], 16)))
    side, step = source.tiles, source.tiles + _FRAME
    starts = [range(_FRAME, length - side + 1, step) for length in pixels.shape[:2]]
    return [pixels[top : top + side, left : left + side] for top in starts[0] for left in starts[1]]


def _squares(pixels: npt.NDArray[Any], n: int, seed: int) -> Iterator[npt.NDArray[Any]]:
    """Cut squares at random places that keep the grid of JPEG blocks."""
    rng = np.random.default_rng(seed)
    side = min(SQUARE, *pixels.shape[:2])
    for _ in range(n):
        top, left = (
            _BLOCK * int(rng.integers((length - side) // _BLOCK + 1)) for length in pixels.shape[:2]
        )
        yield pixels[top : top + side, left : left + side]


def _png(pixels: npt.NDArray[Any]) -> bytes:
    file = io.BytesIO()
    to_pil(pixels).save(file, "PNG")
    return file.getvalue()


def _places(rows: pd.DataFrame) -> list[str]:
    """Where the files belong, below the folder of all sources."""
    kept = set((rows["source"] + "/" + rows["file"])[rows["kept"]])
    places = []
    for source, file in zip(rows["source"], rows["file"], strict=True):
        # The file of a duplicate may be the one that is kept for another row.
        place = f"{source}/{file}"
        places.append(place if place in kept else f"{source}/{_LEFT_OUT}/{file}")
    return [place if file else "" for place, file in zip(places, rows["file"], strict=True)]


def _put_in_place(out: Path, rows: pd.DataFrame) -> None:
    """Move each picture to its place; delete those that no row names any more."""
    places = {
        tuple(Path(file).parts[i] for i in (0, -2, -1)): file for file in rows["file"] if file
    }
    for source in rows["source"].unique():
        for path in [*(out / source).glob("*/*"), *(out / source / _LEFT_OUT).glob("*/*")]:
            if not path.is_file():
                continue
            place = places.get((source, *path.parts[-2:]))
            if place is None:
                path.unlink()
            elif path != out / place:
                (out / place).parent.mkdir(parents=True, exist_ok=True)
                path.replace(out / place)


def _summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Count the pictures of each source, and those left out by reason."""
    found = []
    for name, of_source in rows.groupby("source", sort=False):
        sides = of_source["side"][of_source["kept"]].value_counts()
        reasons = (
            of_source["why_not"].str.partition(":")[0].value_counts().drop("", errors="ignore")
        )
        why = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        counts = {side: sides.get(side, 0) for side in SIDES}
        found.append({"source": name, **counts, "left out": why or "-"})
    return pd.DataFrame(found, columns=["source", *SIDES, "left out"])
