"""Frames of videos made here by PyAV: which ones, of which scene, and with which pixels."""

import contextlib
import gc
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from helpers import linux, make_picture

pytest.importorskip("av", reason="videos need the extra video")
import av
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fuzzing.seeds import damaged, video_seeds
from freqfake.crops.decoding import video_facts
from freqfake.crops.video import is_video, read_frames, spread
from freqfake.exceptions import MissingExtraError, VideoReadError
from freqfake.pictures.endings import VIDEO_ENDINGS
from freqfake.pictures.finding import find_images
from freqfake.pictures.limits import MAX_PIXELS

STEP = 5  # grey levels from one frame to the next, which give its number
N_FRAMES = 40


def numbered(n=N_FRAMES, shape=(48, 64), noise=0):
    grain = np.random.default_rng(0).integers(-noise, noise + 1, (*shape, 3))
    return [np.uint8(30 + STEP * i + np.roll(grain, i, 1)) for i in range(n)]


def numbers(frames):
    return [round((frame.pixels.mean() - 30) / STEP) for frame in frames]


def write(path, pictures, codec="libx264", *, milliseconds=None, rotation=None, **options):
    """Write a video of 30 frames a second, or with the given time stamps."""
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV cannot write {codec}")
    if codec == "libx265":
        options["x265-params"] = "log-level=none"
    pixel_format = options.pop("pixel_format", "yuv420p")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixel_format
        if rotation is not None:
            stream.set_display_rotation(**rotation)
        if milliseconds is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for i, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if milliseconds is not None:
                frame.pts, frame.time_base = milliseconds[i], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_song(path, codec, cover=None):
    with av.open(str(path), "w", format="mp4" if codec == "aac" else "mp3") as container:
        stream = container.add_stream(codec, rate=44100)
        picture = container.add_stream("mjpeg") if cover else None
        if picture:
            picture.width, picture.height, picture.pix_fmt = 64, 48, "yuvj420p"
            picture.disposition = av.stream.Disposition.attached_pic
            frame = av.VideoFrame(64, 48, "yuvj420p")
            container.mux(picture.encode(frame) + picture.encode(None))
        silence = np.zeros((1, 1024), np.float32)
        for i in range(20):
            frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
            frame.rate, frame.pts = 44100, 1024 * i
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {"bf": "3"}),
        ("a.mov", "libx264", {"g": "5"}),
        ("a.ts", "libx264", {"bf": "2"}),
        ("a.avi", "libx264", {"bf": "3"}),  # AVI's time stamps do not give the order
        ("a.mkv", "libx265", {}),
        ("a.webm", "libvpx-vp9", {}),
        ("b.webm", "libvpx", {"auto-alt-ref": "1", "lag-in-frames": "16"}),
        ("b.mp4", "libsvtav1", {"svtav1-params": "enable-overlays=1"}),
        ("b.mkv", "ffv1", {}),
        ("b.avi", "mpeg4", {"bf": "2", "qmax": "2"}),
        ("a.mpg", "mpeg2video", {"bf": "2", "qmax": "2"}),
        ("a.wmv", "wmv2", {"qmax": "2"}),
        ("a.flv", "flv", {"qmax": "2"}),
    ],
)
def test_frames_of_every_codec(tmp_path, name, codec, options):
    path = write(tmp_path / name, numbered(), codec, **options)
    frames = list(read_frames(path))
    assert [frame.index for frame in frames] == numbers(frames) == list(range(N_FRAMES))
    np.testing.assert_allclose([f.time for f in frames], np.arange(N_FRAMES) / 30, atol=2e-3)
    assert {frame.scene for frame in frames} == {0}
    assert {(f.pixels.shape, f.pixels.dtype.str) for f in frames} == {((48, 64, 3), "|u1")}
    few = list(read_frames(path, count=4))
    assert [frame.index for frame in few] == numbers(few) == [5, 15, 25, 35]
    assert numbers(read_frames(path, count=1)) == [20]
    assert numbers(read_frames(path, count=N_FRAMES + 1)) == list(range(N_FRAMES))
    assert numbers(read_frames(path, rate=5)) == list(range(0, N_FRAMES, 6))


@pytest.mark.parametrize(
    ("name", "codec", "known"),
    [("a.mp4", "libx264", "h264"), ("a.mkv", "libx265", "hevc"), ("a.ts", "libx264", "h264")],
)
def test_facts_that_the_file_states(tmp_path, name, codec, known):
    found = video_facts(write(tmp_path / name, numbered(), codec))
    assert (found.codec, found.rate) == (known, 30)
    assert found.duration == pytest.approx(N_FRAMES / 30, abs=0.04)
    assert found.format


def test_facts_of_what_is_not_a_video(tmp_path):
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(VideoReadError, match="not a video"):
        video_facts(tmp_path / "a.mp4")
    with pytest.raises(VideoReadError, match="no such file"):
        video_facts(tmp_path / "none.mp4")


def test_rate_follows_the_time_stamps(tmp_path):
    """Ten frames in the first second, one in each of the next two, then ten again."""
    stamps = [*range(0, 1000, 100), 1500, 2500, *range(3000, 4000, 100)]
    path = write(tmp_path / "a.mkv", numbered(len(stamps)), milliseconds=stamps)
    for rate, times in {1: [0, 1.5, 2.5, 3], 2: [0, 0.5, 1.5, 2.5, 3, 3.5]}.items():
        frames = list(read_frames(path, rate=rate))
        np.testing.assert_allclose([frame.time for frame in frames], times, atol=1e-9)
        assert [stamps[n] / 1000 for n in numbers(frames)] == times
    assert len(list(read_frames(path, rate=1000))) == len(stamps)
    assert numbers(read_frames(path, rate=0.3)) == [0, stamps.index(3400)]  # past 1 / 0.3


def test_times_count_from_the_first_frame(tmp_path):
    path = write(tmp_path / "a.mkv", numbered(3), milliseconds=[5000, 5040, 5080])
    assert [frame.time for frame in read_frames(path)] == pytest.approx([0, 0.04, 0.08])


@given(st.integers(0, 3000), st.integers(1, 400))
def test_spread(n, count):
    chosen = spread(n, count)
    if n <= count:
        assert chosen == list(range(n))
        return
    assert len(set(chosen)) == count
    bounds = np.arange(count + 1) * n / count
    middles = (bounds[1:] + bounds[:-1]) / 2
    assert ((chosen <= middles) & (middles < np.array(chosen) + 1)).all()


@pytest.mark.parametrize("name", ["count", "rate", "per_scene"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_wrong_numbers_are_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be a positive number; got {value}"):
        read_frames("a.mp4", **{name: value})


def test_only_one_choice_is_allowed():
    with pytest.raises(ValueError, match="exclude each other"):
        read_frames("a.mp4", count=3, rate=2)


def scene(seed, n=30, *, step=1, light=0):
    """Move a picture by `step` columns a frame, with the noise of a camera."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 200, (12, 16, 3)).repeat(8, 0).repeat(8, 1)
    moved = (np.roll(coarse, i * step, 1) + rng.normal(light, 6, coarse.shape) for i in range(n))
    return [np.uint8(picture.clip(0, 255)) for picture in moved]


def beginnings(path):
    scenes = [frame.scene for frame in read_frames(path, per_scene=10_000)]
    assert scenes == sorted(scenes)
    return [scenes.index(number) for number in sorted(set(scenes))]


CHANGES = {
    "three camera angles": (scene(0) + scene(1) + scene(2), [0, 30, 60]),
    "light switched on": (scene(0, light=-20) + scene(0, light=20), [0, 30]),
    "static and noisy": (scene(0, 60, step=0), [0]),
    "slow pan": (scene(0, 60), [0]),
    "every other frame twice": ([p for p in scene(0, 40, step=5)[::2] for _ in "12"], [0]),
    "fade": ([p for i in range(60) for p in scene(0, 1, light=i - 30)], [0]),
    "flash": (scene(0) + scene(0, 2, light=90) + scene(0), [0, 30]),
    "cut into the first half second": (scene(0, 10) + scene(1, 50), [0]),
    "one frame": (scene(0, 1), [0]),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("crf", ["18", "40"])
def test_scenes(tmp_path, name, crf):
    pictures, expected = CHANGES[name]
    path = write(tmp_path / "a.mp4", pictures, crf=crf, g="12")
    assert beginnings(path) == expected


def test_frames_are_spread_over_each_scene(tmp_path):
    path = write(tmp_path / "a.mp4", scene(0) + scene(1, 20) + scene(2, 3))
    frames = list(read_frames(path, per_scene=4))
    assert [(f.index, f.scene) for f in frames] == [
        *((3, 0), (11, 0), (18, 0), (26, 0)),
        *((32, 1), (37, 1), (42, 1), (47, 1)),
        *((50, 2), (51, 2), (52, 2)),
    ]
    frames = list(read_frames(path, per_scene=25))
    assert [f.scene for f in frames] == [0] * 25 + [1] * 20 + [2] * 3


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_frames_are_turned_upright(tmp_path, degrees, mirrored):
    stored = np.zeros((48, 64, 3), np.uint8)
    stored[:24, :32], stored[:24, 32:], stored[24:, :32] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    rotation = {"degrees": degrees, "hflip": mirrored}
    path = write(tmp_path / "a.mp4", [stored] * 3, "libx264", crf="5", rotation=rotation)
    shown = np.rot90(stored, degrees // 90)  # both count counter-clockwise
    shown = shown[:, ::-1] if mirrored else shown
    for frame in read_frames(path):
        assert frame.pixels.shape == shown.shape
        assert np.abs(frame.pixels.astype(int) - shown).mean() < 8
        assert frame.pixels.flags.c_contiguous


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize(("matrix", "red", "blue"), [(1, 0.2126, 0.0722), (6, 0.299, 0.114)])
def test_colours_follow_the_matrix_of_the_video(tmp_path, matrix, red, blue, full_range):
    """Luma and chroma of a colour by ITU-R BT.709 and BT.601, coded directly."""
    r, g, b = np.array([200, 60, 40]) / 255
    luma = red * r + (1 - red - blue) * g + blue * b
    chroma = np.array([(b - luma) / (2 - 2 * blue), (r - luma) / (2 - 2 * red)])
    offset, scale, chroma_scale = (0, 255, 255) if full_range else (16, 219, 224)
    planes = np.empty((72, 64), np.uint8)
    planes[:48] = round(offset + scale * luma)
    planes[48:60], planes[60:] = np.rint(128 + chroma_scale * chroma)
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        for tagged in (stream.codec_context, frame):
            tagged.colorspace, tagged.color_range = matrix, 1 + full_range
        container.mux(stream.encode(frame) + stream.encode(None))
    (frame,) = read_frames(tmp_path / "a.mp4")
    assert np.abs(frame.pixels - np.array([200.0, 60, 40])).max() <= 1.5


@pytest.mark.parametrize("shape", [(48, 64), (47, 63), (1, 1)])
@pytest.mark.parametrize(
    "pixel_format",
    ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuva420p", "gray", "gray10le", "bgr0"],
)
def test_every_layout_of_pixels(tmp_path, shape, pixel_format):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    picture = np.stack([rows * 4, columns * 3, 200 - rows * 2 - columns], -1).astype(np.uint8)
    path = write(tmp_path / "a.mkv", [picture], "ffv1", pixel_format=pixel_format)
    (frame,) = read_frames(path)
    if pixel_format.startswith("gray"):
        picture = (picture @ [0.299, 0.587, 0.114])[..., np.newaxis]
    assert frame.pixels.shape == (*shape, 3)
    assert np.abs(frame.pixels - np.asarray(picture, float)).max() <= 4


def test_compression_keeps_colours_and_reading_twice_gives_the_same(tmp_path):
    pictures = [np.roll(make_picture(0, asynchrony=0.3), i, 1) for i in range(12)]
    fine, coarse = (write(tmp_path / f"{q}.mp4", pictures, crf=q) for q in ("1", "40"))
    once, twice, other = (list(read_frames(p, count=5)) for p in (fine, fine, coarse))
    for a, b, c in zip(once, twice, other, strict=True):
        assert (a.index, a.time) == (b.index, b.time) == (c.index, c.time)
        np.testing.assert_array_equal(a.pixels, b.pixels)
        assert (a.pixels != c.pixels).any()
        np.testing.assert_allclose(a.pixels.mean((0, 1)), c.pixels.mean((0, 1)), atol=3)


@pytest.mark.parametrize(
    ("name", "codec", "options", "share"),
    [
        ("a.mp4", "libx264", {}, 1),
        ("b.mp4", "libx264", {}, 0.5),  # which the decoder patches up
        ("a.mkv", "libx265", {}, 1),
        ("a.webm", "libvpx-vp9", {}, 1),
        ("a.avi", "mpeg4", {"qmax": "5"}, 1),
    ],
)
def test_a_damaged_packet_costs_few_frames(tmp_path, capfd, name, codec, options, share):
    path = write(tmp_path / name, numbered(noise=8), codec, g="8", **options)
    capfd.readouterr()  # what encoders print
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][12]
        end = packet.pos + packet.size
        damaged = slice(end - int(share * (packet.size - 8)), end)
    data = bytearray(path.read_bytes())
    data[damaged] = np.random.default_rng(0).bytes(damaged.stop - damaged.start)
    path.write_bytes(data)
    frames = list(read_frames(path))
    assert N_FRAMES - 8 <= len(frames) < N_FRAMES
    assert numbers(frames)[:8] == list(range(8))
    assert set(numbers(frames)) >= {*range(8), *range(17, N_FRAMES - 2)}
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert len(list(read_frames(path, count=10))) == 10
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["a.mkv", "a.ts", "a.webm"])
def test_a_truncated_file_gives_the_frames_before_the_cut(tmp_path, name):
    codec = "libvpx-vp9" if name == "a.webm" else "libx264"
    path = write(tmp_path / name, numbered(noise=8), codec)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    frames = list(read_frames(path))
    assert N_FRAMES / 4 < len(frames) < N_FRAMES * 3 / 4
    assert numbers(frames)[:-2] == list(range(len(frames) - 2))
    assert len(list(read_frames(path, count=5))) == 5
    assert beginnings(path) == [0]


def broken_files(folder):
    """Write files that give no frame."""
    video = write(folder / "whole.mp4", numbered(noise=8)).read_bytes()
    (folder / "cut.mp4").write_bytes(video[: len(video) // 2])  # the index is at the end
    start = video.index(b"mdat") + 4
    end = start - 8 + int.from_bytes(video[start - 8 : start - 4], "big")
    (folder / "unknown.mp4").write_bytes(video.replace(b"avc1", b"zzzz"))
    (folder / "rubbish.mp4").write_bytes(video[:start] + bytes(end - start) + video[end:])
    fragments = {"movflags": "frag_keyframe+empty_moov"}
    with av.open(str(folder / "header.mp4"), "w", container_options=fragments) as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    (folder / "empty.mp4").touch()
    (folder / "folder.mp4").mkdir()
    for name in ("text.mp4", "text.txt"):
        (folder / name).write_text("no video\n" * 99)
    (folder / "binary.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    (folder / "list.mp4").write_text("ffconcat version 1.0\nfile whole.mp4\n")
    (folder / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nwhole.mp4\n#EXT-X-ENDLIST\n")
    write(folder / "still.png", numbered(1), "png", pixel_format="rgb24")
    write_song(folder / "song.m4a", "aac")
    write_song(folder / "song.mp4", "aac")
    write_song(folder / "song.mp3", "libmp3lame", cover=True)
    write_song(folder / "cover.m4a", "aac", cover=True)


BROKEN = {
    **dict.fromkeys(["cut.mp4", "text.mp4", "text.txt", "binary.mp4"], "not a video, cut short or"),
    **dict.fromkeys(["list.mp4", "list.m3u8", "still.png"], "not a video, cut short or"),
    **dict.fromkeys(["song.m4a", "song.mp4", "song.mp3", "cover.m4a"], "has no moving picture"),
    **dict.fromkeys(["rubbish.mp4", "header.mp4"], "no frame can be decoded"),
    "unknown.mp4": "its codec is not supported",
    "empty.mp4": "the file is empty",
    "folder.mp4": "no videos in this folder",
    "missing.mp4": "no such file",
    "http://example.org/a.mp4": "an address, not a file; download it first",
}


def test_files_without_a_frame_say_why(tmp_path, capfd, monkeypatch):
    broken_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    capfd.readouterr()
    for name, reason in BROKEN.items():
        for choice in ({}, {"count": 3}, {"rate": 1}, {"per_scene": 3}):
            frames = read_frames(name, **choice)
            with pytest.raises(VideoReadError, match=reason) as caught:
                next(frames)
            assert name in str(caught.value)
    assert capfd.readouterr() == ("", "")
    assert isinstance(caught.value, OSError)


def test_large_frames_are_refused(tmp_path):
    path = write(tmp_path / "a.mp4", numbered(2))
    with pytest.raises(VideoReadError, match=r"a\.mp4: 0\.0 megapixels .* \(--max-pixels\)"):
        next(read_frames(path, max_pixels=3 * 48 * 64 - 1))
    assert len(list(read_frames(path, max_pixels=3 * 48 * 64))) == 2
    broken_files(tmp_path)
    with pytest.raises(VideoReadError, match="--max-pixels"):  # before anything is decoded
        next(read_frames(tmp_path / "rubbish.mp4", max_pixels=3 * 48 * 64 - 1))
    assert MAX_PIXELS > 3 * 8192 * 4320


def test_frames_that_become_too_large_are_refused(tmp_path):
    """Two videos one after the other, which a transport stream allows."""
    small = write(tmp_path / "a.ts", numbered(20)).read_bytes()
    large = write(tmp_path / "b.ts", numbered(20, (96, 128))).read_bytes()
    (tmp_path / "both.ts").write_bytes(small + large)
    assert {f.pixels.shape[:2] for f in read_frames(tmp_path / "both.ts")} == {(48, 64), (96, 128)}
    times = [frame.time for frame in read_frames(tmp_path / "both.ts")]
    assert min(np.diff(times)) > 0  # though the stamps start again
    with pytest.raises(VideoReadError, match="--max-pixels"):
        list(read_frames(tmp_path / "both.ts", max_pixels=3 * 48 * 64))


def test_endless_videos_are_refused(tmp_path, monkeypatch):
    path = write(tmp_path / "a.mp4", numbered(20))
    for name, value, reason in (
        ("MAX_FRAMES", 9, "more than 9 frames"),
        ("_MAX_PACKETS", 9, "cut it into parts"),
        ("_MAX_LARGE_FRAMES", 5, "its 1. frames have too many pixels; cut it into parts"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(f"freqfake.crops.decoding.{name}", value)
            with pytest.raises(VideoReadError, match=reason):
                list(read_frames(path, max_pixels=3 * 48 * 64))
        assert len(list(read_frames(path, max_pixels=3 * 48 * 64))) == 20


@pytest.mark.parametrize("codec", ["cinepak", "qtrle"])
def test_only_known_decoders_are_used(tmp_path, codec):
    path = write(tmp_path / "a.mov", numbered(3), codec, pixel_format="rgb24")
    with pytest.raises(VideoReadError, match=f"the codec {codec} is not read, for safety"):
        next(read_frames(path))


@given(data=st.binary(max_size=400), begin=st.sampled_from(range(5)))
def test_any_bytes_give_frames_or_an_error(tmp_path_factory, data, begin):
    heads = (b"", b"\0\0\0\x18ftypmp42", b"\x1aE\xdf\xa3", b"RIFF\xff\xff\0\0AVI LIST", b"G@\0\x10")
    path = tmp_path_factory.getbasetemp() / "bytes"
    path.write_bytes(heads[begin] + data or b"-")
    with contextlib.suppress(VideoReadError):
        list(read_frames(path, count=2))


@pytest.mark.parametrize("kind", ["MP4, H.264", "WebM, VP9", "AVI, MPEG-4", "TS, MPEG-2"])
def test_damaged_videos_give_frames_or_an_error(tmp_path, kind):
    rng = np.random.default_rng(0)
    n_frames = 0
    for seed in video_seeds(kind):
        for _ in range(40):
            (tmp_path / "a").write_bytes(damaged(seed, rng) or b"-")
            with contextlib.suppress(VideoReadError):
                n_frames += len(list(read_frames(tmp_path / "a", per_scene=2)))
        assert n_frames > 0


def test_metadata_in_any_encoding(tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        container.metadata["title"] = "Muenchen"
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")) + stream.encode(None))
    data = (tmp_path / "a.mkv").read_bytes()
    (tmp_path / "a.mkv").write_bytes(data.replace(b"Muenchen", b"M\xfcnchen "))
    assert len(list(read_frames(tmp_path / "a.mkv"))) == 1


def test_a_reader_that_stops_early_leaves_no_file_open(tmp_path):
    path = write(tmp_path / "a.mp4", numbered())
    frames = read_frames(path, rate=10)
    next(frames)
    del frames
    gc.collect()  # a file left open would warn, which is an error here
    open_files = Path("/proc/self/fd")
    if open_files.exists():
        assert str(path) not in {str(fd.resolve()) for fd in open_files.iterdir()}


def test_names_of_videos(tmp_path):
    assert all(
        is_video(f"a{ending}") and is_video(f"A{ending.upper()}") for ending in VIDEO_ENDINGS
    )
    assert {".mp4", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mpg", ".3gp"} <= VIDEO_ENDINGS
    for name in ("a.png", "mp4", ".mp4", "a.mp4.txt", "a.mp3"):
        assert not is_video(Path(name)), name
    for name in ("b.MKV", "a.jpg", "c.txt"):
        (tmp_path / name).touch()
    found = [Path(path).name for path in find_images(tmp_path)]
    assert found == ["a.jpg", "b.MKV"]


def run(code):
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@linux
def test_a_long_video_is_not_held_in_memory(tmp_path):
    """600 frames of nearly a megabyte each; the first ones show what reading needs."""
    path = write(tmp_path / "a.mkv", [np.zeros((480, 640, 3), np.uint8)] * 600, "mpeg4")
    code = f"""
import gc, resource
from freqfake.crops.video import read_frames
gc.disable()  # memory must be freed without it
kilobytes = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for choice in ({{}}, {{"per_scene": 600}}):
    for frame in read_frames({str(path)!r}, **choice):
        if frame.index == 20 and not choice:
            before = kilobytes()
print(frame.index, kilobytes() - before)
"""
    index, grown = map(int, run(code).split())
    assert index == 599
    assert grown < 50_000


def test_pyav_is_required_only_when_needed():
    assert run("import sys, freqfake.crops.video; print('av' in sys.modules)") == "False\n"
    code = """
import sys
sys.modules["av"] = None
from freqfake.crops.video import is_video, read_frames
try:
    read_frames("a.mp4")
except ImportError as error:
    print(type(error).__name__, error)
"""
    expected = 'av is not installed: python -m pip install "freqfake[video]"'
    assert run(code) == f"{MissingExtraError.__name__} {expected}\n"
