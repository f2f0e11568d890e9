"""Frames with a face, and videos of them, for the tests of reports."""

import numpy as np
from PIL import Image

WIDTH, HEIGHT, RATE = 320, 240, 10
MIXED = ("real", "fake", None, "real", "fake", "fake", None, "fake")  # frames of mixed.mp4

_SIDE, _TOP, _LEFT = 224, 8, 48  # where the picture of the face lies in a frame


def face_of(path) -> np.ndarray:
    """Read a picture of a face, and reduce it so that it fits into a frame."""
    with Image.open(path) as picture:
        reduced = picture.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.asarray(reduced, float)


def make_frame(face, side, seed=0) -> np.ndarray:
    """Make a frame: with noise on the face ("real"), with a grid ("fake"), or without a face."""
    frame = np.tile(np.linspace(70, 130, WIDTH)[:, np.newaxis], (HEIGHT, 1, 3))
    if side is not None:
        place = frame[_TOP : _TOP + _SIDE, _LEFT : _LEFT + _SIDE]
        place[:] = (0.9 + 0.002 * seed) * face
        if side == "real":
            place += np.random.default_rng(seed).normal(0, 6, (_SIDE, _SIDE, 1))
        else:
            place[::2, ::2] += 40
    return np.uint8(np.clip(frame, 0, 255))


def read_video(path) -> list[np.ndarray]:
    """Decode all frames."""
    import av

    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def write_video(path, frames) -> None:
    """Write H.264 of high quality, each frame by itself."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "10", "g": "1"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv444p"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
