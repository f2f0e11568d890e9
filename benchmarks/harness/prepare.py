"""Pictures that have to be made first: cut, generated, developed, rendered."""

import importlib.util
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from .config import Config
from .report import Report

_TILE = 128  # pixels per side, in StarGAN's grids
_LATENT, _PSI, _N_FOR_MEAN = 512, 0.7, 4096
_CROP = 1024  # pixels per side, of photographs and drawings
_RENDERED_WIDTH = 2048


def prepare(config: Config, report: Report) -> None:
    """Cut StarGAN's grids, generate faces, develop raw photographs, render drawings."""
    options = config.options.get("prepare", {})
    work = config.roots[-1]
    _each(options, "mobilestylegan", lambda n: _generate(n, work / "mobilestylegan"))
    for option, make in (
        ("stargan_grids", lambda folder: _cut_grids(folder, work / "stargan")),
        ("raws", lambda folder: _develop(folder, work)),
        ("drawings", lambda folder: _render(folder, work / "rendered")),
    ):
        _each(options, option, lambda name, make=make: make(_found(config, name)))


def _each(options: dict, name: str, make: Callable) -> None:
    """Do one step if it is configured; report a missing package or folder and continue."""
    if name not in options:
        return
    try:
        make(options[name])
    except ImportError as error:
        print(f"{name} left out: needs the package {error.name}", file=sys.stderr)
    except FileNotFoundError as error:
        print(f"{name} left out: no folder {error}", file=sys.stderr)


def _found(config: Config, name: str) -> Path:
    folder = config.folder(name)
    if folder is None:
        raise FileNotFoundError(name)
    return folder


def _cut_grids(grids: Path, out: Path) -> None:
    """Cut the real face of each grid row, and a generated one from the columns in turn."""
    for side in ("real", "fake"):
        (out / side).mkdir(parents=True, exist_ok=True)
    for path in tqdm(sorted(grids.glob("*-images.jpg")), desc="stargan", unit="grid"):
        grid_name = f"g{int(path.name.split('-')[0]):03d}"
        if (out / "real" / f"{grid_name}_r00_c0.png").exists():
            continue
        with Image.open(path) as opened:
            grid = opened.convert("RGB")
        columns = grid.width // _TILE
        for row in range(grid.height // _TILE):
            fake = row % (columns - 1) + 1
            for side, column in (("real", 0), ("fake", fake)):
                left, top = column * _TILE, row * _TILE
                tile = grid.crop((left, top, left + _TILE, top + _TILE))
                tile.save(out / side / f"{grid_name}_r{row:02d}_c{column}.png")


def _generate(count: int, out: Path) -> None:
    """Generate MobileStyleGAN faces, 1024 x 1024, with the weights of the package random_face."""
    wanted = [out / f"seed{seed:05d}.png" for seed in range(count)]
    missing = [(seed, path) for seed, path in enumerate(wanted) if not path.exists()]
    if not missing:
        return
    import openvino

    package = importlib.util.find_spec("random_face")
    if package is None:
        raise ModuleNotFoundError(name="random_face")
    weights = Path(package.submodule_search_locations[0]) / "data"
    core, exact = openvino.Core(), {"INFERENCE_PRECISION_HINT": "f32"}
    mapping = core.read_model(weights / "MappingNetwork.xml")
    synthesis = core.compile_model(core.read_model(weights / "SynthesisNetwork.xml"), "CPU", exact)
    output = next((o for o in synthesis.outputs if "img" in o.names), synthesis.outputs[0])

    def style(seed: int, n: int) -> np.ndarray:
        latent = np.random.RandomState(seed).randn(n, _LATENT).astype(np.float32)
        mapping.reshape({"var": list(latent.shape)})
        network = core.compile_model(mapping, "CPU", exact)
        return network({"var": latent})[network.output(0)]

    mean = style(0, _N_FOR_MEAN).mean(axis=0, keepdims=True)
    out.mkdir(parents=True, exist_ok=True)
    for seed, path in tqdm(missing, desc="mobilestylegan", unit="face"):
        face = synthesis({"style": mean + _PSI * (style(seed, 1) - mean)})[output][0]
        pixels = np.clip(np.rint((face + 1) * 127.5), 0, 255).astype(np.uint8)
        Image.fromarray(pixels.transpose(1, 2, 0)).save(path, compress_level=4)


def _develop(raws: Path, work: Path) -> None:
    """Develop raw photographs: at half size, four sensor cells per pixel, and at full size.

    At half size every pixel has its own red, green and blue cells: no colour is interpolated from
    neighbours, and there never was a JPEG.
    """
    import rawpy

    for path in sorted(p for p in raws.iterdir() if p.is_file()):
        for name, options in (("raw_half", {"half_size": True}), ("raw_full", {})):
            if _is_there(work / name, path):
                continue
            with rawpy.imread(str(path)) as raw:
                pixels = raw.postprocess(use_camera_wb=True, no_auto_bright=True, **options)
            _save_crops(Image.fromarray(pixels), work / name, path.stem)


def _render(drawings: Path, out: Path) -> None:
    """Render vector drawings."""
    import resvg_py

    for path in sorted(drawings.glob("*.svg")):
        if _is_there(out, path):
            continue
        data = bytes(resvg_py.svg_to_bytes(svg_path=str(path), width=_RENDERED_WIDTH))
        _save_crops(Image.open(io.BytesIO(data)).convert("RGB"), out, path.stem)


def _is_there(out: Path, source: Path) -> bool:
    """Whether crops of a picture exist; new ones would need their features computed again."""
    return (out / f"{source.stem}_c0.png").exists()


def _save_crops(image: Image.Image, out: Path, stem: str) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for number, square in enumerate(_squares(image)):
        square.save(out / f"{stem}_c{number}.png")


def _squares(image: Image.Image) -> Iterator[Image.Image]:
    """Cut as many squares as fit, centred."""
    counts = [side // _CROP for side in image.size]
    starts = [(side - count * _CROP) // 2 for side, count in zip(image.size, counts, strict=True)]
    for row in range(counts[1]):
        for column in range(counts[0]):
            left, top = starts[0] + column * _CROP, starts[1] + row * _CROP
            yield image.crop((left, top, left + _CROP, top + _CROP))
