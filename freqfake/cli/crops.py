"""The commands ``freqfake deep faces`` and ``freqfake deep frames``.

They do not need torch.
"""

import argparse
import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..batch.tables import Row, open_table
from .common import (
    OK,
    SOME_UNREADABLE,
    add_command,
    add_max_pixels,
    add_paths,
    show_bar,
    status_of,
)
from .terminal import STYLES, write_table

_FACES = """
    freqfake deep faces group.jpg video.mp4 --out faces/
    # the largest face, in one frame per second
    freqfake deep faces video.mp4 --rate 1 --largest --out faces/
"""
_FRAMES = """
    freqfake deep frames video.mp4 --out frames/
    # 50 frames per scene
    freqfake deep frames videos/ --scenes 50 --out frames/
"""


def add_crops(parts: Any) -> None:
    """Add the commands ``faces`` and ``frames``."""
    text = "extract the faces from pictures and videos"
    faces = add_command(parts, "faces", _faces, text, examples=_FACES)
    add_paths(faces)
    add_margin(faces)
    text = "only the largest face of each picture or frame"
    faces.add_argument("--largest", action="store_true", help=text)
    _add_cut(faces)
    frames = add_command(parts, "frames", _frames, "extract frames from videos", examples=_FRAMES)
    add_paths(frames)
    _add_cut(frames)


def add_margin(command: Any, default: float | None = 0.3) -> None:
    """Add ``--margin``, whose default may be left to the command."""
    text = "margin around a face, as a fraction of its size (default: 0.3)"
    command.add_argument("--margin", type=float, default=default, metavar="PART", help=text)


def _add_cut(command: argparse.ArgumentParser) -> None:
    add_max_pixels(command)
    which = command.add_argument_group("which frames").add_mutually_exclusive_group()
    text = "frames per video, evenly spread (default: 20)"
    which.add_argument("--count", type=int, metavar="N", help=text)
    which.add_argument("--rate", type=float, metavar="RATE", help="frames per second")
    text = "frames per scene, such as 50; a scene ends where the camera or the light changes"
    which.add_argument("--scenes", type=int, metavar="N", help=text)
    which.add_argument("--every", action="store_true", help="every frame")
    output = command.add_argument_group("output")
    text = "folder for the PNG files; a table of them goes to stdout"
    output.add_argument("--out", metavar="FOLDER", required=True, help=text)


def _faces(args: argparse.Namespace) -> int:
    from ..batch.saving import CROP_COLUMNS, save_faces

    save = functools.partial(save_faces, margin=args.margin, largest=args.largest)
    return _write_cut(save, CROP_COLUMNS, args)


def _frames(args: argparse.Namespace) -> int:
    from ..batch.saving import FRAME_COLUMNS, save_frames

    return _write_cut(save_frames, FRAME_COLUMNS, args)


def _write_cut(
    save: Callable[..., Iterator[list[Row]]], columns: Sequence[str], args: argparse.Namespace
) -> int:
    """Save pictures, and write a table of them to stdout, or their number to a terminal."""
    count = args.count
    if count is None and args.rate is None and args.scenes is None and not args.every:
        count = 20
    done = save(
        args.paths,
        args.out,
        count=count,
        rate=args.rate,
        per_scene=args.scenes,
        max_pixels=args.max_pixels,
        n_jobs=args.jobs,
        progress=show_bar(args.paths, rows_to_stdout=True),
    )
    if sys.stdout.isatty():
        return _show(done)
    with open_table(None, columns) as table:
        for rows in done:
            table.write(*rows)
    return status_of(table)


def _show(done: Iterator[list[Row]]) -> int:
    """Show on a terminal the number of pictures, or the error, of each input."""
    lines = []
    for rows in filter(None, done):
        error = next((row["error"] for row in rows if row["error"]), "")
        lines.append((rows[0]["path"], str(sum(bool(row.get("file")) for row in rows)), error))
    styles = [STYLES["error"] if error else "" for *_, error in lines]
    write_table({"input": "left", "pictures": "right", "error": "left"}, lines, styles)
    return SOME_UNREADABLE if any(error for *_, error in lines) else OK
