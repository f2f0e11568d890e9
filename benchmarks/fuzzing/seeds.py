"""Small seed files of every format, and a simple way to damage them."""

import io
import struct
import tempfile
import warnings
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from freqfake.pictures.limits import FORMATS

SIDE = 64  # pixels: the minimum for the rich features
VIDEOS = {  # ending, codec
    "MP4, H.264": (".mp4", "libx264"),
    "MP4, MPEG-4": (".mp4", "mpeg4"),
    "MKV, H.264": (".mkv", "libx264"),
    "WebM, VP9": (".webm", "libvpx-vp9"),
    "WebM, VP8": (".webm", "libvpx"),
    "AVI, MPEG-4": (".avi", "mpeg4"),
    "AVI, Motion JPEG": (".avi", "mjpeg"),
    "TS, MPEG-2": (".ts", "mpeg2video"),
    "MXF, MPEG-2": (".mxf", "mpeg2video"),
    "OGV, Theora": (".ogv", "libtheora"),
    "FLV": (".flv", "flv"),
    "WMV": (".wmv", "wmv2"),
}
# First bytes of formats that Pillow reads but cannot write, and freqfake does not read.
_BEGINNINGS = {
    "CUR": b"\0\0\2\0\1\0\x10\x10\0\0\1\0\1\0\x68\0\0\0\x16\0\0\0",
    "BUFR": b"BUFR\0\0\0\4",
    "DCX": struct.pack("<II", 0x3ADE68B1, 12) + bytes(4),
    "FITS": b"SIMPLE  =                    T".ljust(80) + b"END".ljust(2800),
    "FLI": struct.pack("<IHHHHHH", 128, 0xAF11, 1, 8, 8, 8, 3) + bytes(112),
    "FTEX": b"FTEX" + struct.pack("<IIIIII", 1, 8, 8, 1, 1, 0),
    "GBR": struct.pack(">IIIII", 28, 2, 8, 8, 4) + b"GIMP" + bytes(8),
    "GRIB": b"GRIB\0\0\0\1",
    "HDF5": b"\x89HDF\r\n\x1a\n",
    "ICNS": b"icns\0\0\0\x18ic07\0\0\0\x10\x89PNG\r\n\x1a\n",
    "IMT": b"width 8\nheight 8\n\x0c",
    "IPTC": b"\x1c\2\0\0\2\0\0\x1c\x03\x14\0\1\1\x1c\x08\x0a\0\4%!PS",
    "MCIDAS": bytes(4) + b"\0\0\0\4" + bytes(248),
    "MPEG": b"\0\0\1\xb3\4\0\x40\x13",
    "PCD": bytes(2048) + b"PCD_IPI" + bytes(2000),
    "PIXAR": b"\200\350\0\0" + bytes(1020),
    "PSD": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 8, 8, 8, 3) + bytes(12),
    "SUN": struct.pack(">IIIIIIII", 0x59A66A95, 8, 8, 8, 64, 1, 0, 0) + bytes(64),
    "WMF": b"\xd7\xcd\xc6\x9a\0\0\0\0\0\0\x40\0\x40\0\x48\0" + bytes(6) + b"\1\0\t\0" + bytes(14),
    "XPM": b'/* XPM */\nstatic char *a[] = {\n"1 1 1 1",\n". c #000000",\n"."\n};',
    "XVTHUMB": b"P7 332\n#END_OF_COMMENTS\n8 8 255\n" + bytes(64),
}


@cache
def picture_seeds() -> dict[str, list[bytes]]:
    """Files of every format that this Pillow supports, by its name for the format."""
    Image.init()
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (SIDE, SIDE, 3)) // 4 + 96
    rgb = Image.fromarray(noise.astype(np.uint8))
    seeds = {name: _written(name, rgb) for name in Image.ID}
    seeds["JPEG"] += _jpegs(rgb)
    seeds["PNG"] += _pngs(rgb)
    seeds["TIFF"] += [*_tiffs(rgb), _tiled_tiff()]
    seeds["PPM"] += _plain_and_deep(noise)
    seeds["BMP"] += [_run_length_bmp()]
    seeds["HEIF"] = _heifs(rgb)
    seeds["QOI"] += [b"qoif" + struct.pack(">IIBB", SIDE, SIDE, 3, 0) + b"\xfd" * 67 + bytes(8)]
    for name, begin in _BEGINNINGS.items():
        seeds.setdefault(name, []).append(begin)
    small = {name: [f for f in files if 0 < len(f) < 50_000] for name, files in seeds.items()}
    return {name: files for name, files in small.items() if files}


def video_seeds(kind: str) -> list[bytes]:
    """Make a video of a few small frames; none if this PyAV cannot write it."""
    import av

    ending, codec = VIDEOS[kind]
    if codec not in av.codecs_available:
        return []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"a{ending}")
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height = SIDE, SIDE
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            for number in range(6):
                grey = np.full((SIDE, SIDE, 3), 40 * number, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
            container.mux(stream.encode(None))
        return [path.read_bytes()]


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Change a file in one to eight places, mostly near its beginning, where the sizes are."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 9))):
        end = min(len(changed), 200) if rng.random() < 0.6 else len(changed)
        place = int(rng.integers(end + 1))
        kind = rng.integers(6)
        if kind == 0:
            changed[place : place + 4] = rng.bytes(4)
        elif kind == 1:
            changed[place : place + 4] = rng.choice([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"])
        elif kind == 2:
            changed[place:place] = rng.bytes(int(rng.integers(1, 40)))
        elif kind == 3:
            del changed[place : place + int(rng.integers(1, 40))]
        elif kind == 4:
            changed[place:place] = changed[place // 2 : place // 2 + 100]
        elif rng.random() < 0.3:
            del changed[place:]
    return with_right_checks(bytes(changed)) if rng.random() < 0.5 else bytes(changed)


def with_right_checks(data: bytes) -> bytes:
    """Correct the checksums of the chunks of a PNG."""
    head = b"\x89PNG\r\n\x1a\n"
    if not data.startswith(head):
        return data
    parts, place = [head], len(head)
    while place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4])
        check = zlib.crc32(data[place + 4 : end])
        parts += [data[place:end], struct.pack(">I", check)]
        place = end + 4
    return b"".join(parts)


def _written(name: str, rgb: Image.Image) -> list[bytes]:
    """Write a picture in a format, in every mode that it takes, and as an animation."""
    if name not in Image.SAVE or name in _BEGINNINGS:
        return []
    grey = rgb.convert("L")
    modes = [rgb, grey, rgb.convert("P"), rgb.convert("RGBA"), rgb.convert("1")]
    modes += [rgb.convert("CMYK"), Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)]
    if name not in FORMATS:  # one is enough
        return next(([file] for picture in modes if (file := _saved(picture, name))), [])
    files = [_saved(picture, name) for picture in modes]
    if name in Image.SAVE_ALL:
        files.append(_saved(rgb, name, save_all=True, append_images=[grey.convert("RGB")]))
    return files


def _saved(picture: Image.Image, name: str, **options: Any) -> bytes:
    file = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some of these formats are deprecated
            picture.save(file, name, **options)
    except (OSError, ValueError, KeyError, AttributeError):  # mode not supported, or no handler
        return b""
    return file.getvalue()


def _metadata() -> dict[str, Any]:
    exif = Image.Exif()
    exif[0x010F], exif[0x8769], exif[0x8825] = "maker", {0x9003: "2020"}, {1: "N", 2: (1.0, 2.0, 3)}
    return {"exif": exif, "icc_profile": bytes(200)}


def _jpegs(rgb: Image.Image) -> list[bytes]:
    kinds: list[dict[str, Any]] = [{"progressive": True}, {"subsampling": 0}, {"comment": b"made"}]
    files = [_saved(rgb, "JPEG", **kind) for kind in [*kinds, _metadata()]]
    return [*files, _saved(rgb, "MPO", save_all=True, append_images=[rgb])]


def _pngs(rgb: Image.Image) -> list[bytes]:
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_text("prompt", "a face")
    texts.add_text("parameters", "steps: 20", zip=True)
    texts.add_itxt("XML:com.adobe.xmp", "<x/>", zip=True)
    return [_saved(rgb, "PNG", pnginfo=texts, **_metadata())]


def _tiffs(rgb: Image.Image) -> list[bytes]:
    ways = ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    files = [_saved(rgb, "TIFF", compression=way) for way in ways]
    files.append(_saved(rgb.convert("1"), "TIFF", compression="group4"))
    return [*files, _saved(rgb, "TIFF", big_tiff=True), _saved(rgb, "TIFF", **_metadata())]


def _tiled_tiff() -> bytes:
    tile = zlib.compress(bytes(SIDE * SIDE))
    tags = {256: SIDE, 257: SIDE, 258: 8, 259: 8, 262: 1, 277: 1, 322: SIDE, 323: SIDE}
    tags |= {324: 8 + 2 + 12 * 10 + 4, 325: len(tile)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4) + tile


def _plain_and_deep(noise: np.ndarray) -> list[bytes]:
    size = b"%d %d\n" % (SIDE, SIDE)
    plain = b"P3\n" + size + b"255\n" + b" ".join(b"%d" % value for value in noise.ravel())
    deep = b"P6\n" + size + b"1023\n" + noise.astype(">u2").tobytes()
    floats = b"Pf\n" + size + b"-1.0\n" + (noise[..., 0] / 255).astype("<f4").tobytes()
    return [plain, deep, floats]


def _heifs(rgb: Image.Image) -> list[bytes]:
    """Write HEIC files; none without the extra `heic`."""
    try:
        import pillow_heif
    except ModuleNotFoundError:
        return []
    deep = Image.fromarray(np.asarray(rgb.convert("L")).astype(np.uint16) * 257)
    kinds = [[rgb], [rgb.convert("L")], [rgb.convert("RGBA")], [deep], [rgb, rgb.rotate(90)]]
    files = []
    for pictures, options in [*((kind, {}) for kind in kinds), ([rgb], _metadata())]:
        made = pillow_heif.HeifFile()
        for picture in pictures:
            made.add_from_pillow(picture)
        file = io.BytesIO()
        made.save(file, **{name: _as_bytes(value) for name, value in options.items()})
        files.append(file.getvalue())
    return files


def _as_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else bytes(value.tobytes())


def _run_length_bmp() -> bytes:
    rows = (bytes([SIDE, row]) + b"\0\0" for row in range(SIDE))
    data = b"".join(rows) + b"\0\1"
    header = struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 8, 1, len(data), 0, 0, 256, 0)
    palette = bytes(value for grey in range(256) for value in (grey, grey, grey, 0))
    start = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + header + palette + data
