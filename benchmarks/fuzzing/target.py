"""One process of the fuzzing: atheris damages files of one kind, and each is read and scored.

Started by :mod:`benchmarks.fuzzing.fuzz`.
"""

import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .seeds import with_right_checks

MAX_SECONDS = 10.0  # of processor time, for one file
MAX_MEBIBYTES = 2048
_STUCK = 60  # seconds of wall time: the machine may be busy
_FORBIDDEN = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork",
              "socket.", "os.mkdir", "os.remove", "os.rename", "os.symlink", "os.link")  # fmt: skip
_DTYPES = ("uint8", "uint16", "float16", "float32", "float64", "int64", "bool", "complex64",
           "object", "S4", "M8[s]", "longdouble")  # fmt: skip


class Watch:
    """Count and measure reads, and abort on what a file must not cause.

    Parameters
    ----------
    read : callable
        Reads and scores a file.
    path : Path
        Where each file is written; reading must write nothing else.
    """

    def __init__(self, read: Callable[[Path], None], path: Path, keep: Path, result: Path) -> None:
        self.read, self.path, self.keep, self.result = read, path, keep, result
        self.limit = sys.maxsize
        self.told = {"files": 0, "read": 0, "slowest": 0.0, "memory": 0.0}
        self.watching = self.begun = False
        sys.addaudithook(self._hook)

    def begin(self, limit: int) -> None:
        """Count from here on, and write the result after `limit` files."""
        self.limit, self.begun = limit, True
        self.told = {"files": 0, "read": 0, "slowest": 0.0, "memory": 0.0}

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.watching:
            return
        mode = arguments[1] if event == "open" and isinstance(arguments[1], str) else ""
        if set(mode) & set("wax+") or event.startswith(_FORBIDDEN):
            self.watching = False
            print(f"reading a file caused {event}{arguments}", flush=True)
            os.abort()

    def one(self, data: bytes) -> None:
        """Read a file; any error other than freqfake's own ends the process."""
        from freqfake.exceptions import FreqFakeError

        self.told["files"] += 1
        if self.told["files"] % 2:  # else nearly every PNG is refused for its checksums
            data = with_right_checks(data)
        self.path.write_bytes(data)
        begin = time.process_time()
        self.watching = self.begun
        try:
            self.read(self.path)
            self.told["read"] += 1
        except FreqFakeError:
            pass
        finally:
            self.watching = False
        self._measure(time.process_time() - begin)
        if self.begun and self.told["files"] % 50 == 0:
            (self.keep / f"{os.getpid()}_{self.told['files']}").write_bytes(data or b"-")
        if self.told["files"] >= self.limit:
            self.result.write_text(json.dumps(self.told))
            os._exit(0)

    def _measure(self, seconds: float) -> None:
        memory = _peak_memory()
        self.told["slowest"] = max(self.told["slowest"], seconds)
        self.told["memory"] = max(self.told["memory"], memory)
        if seconds > MAX_SECONDS or memory > MAX_MEBIBYTES:
            raise RuntimeError(f"{seconds:.1f} s, {memory:.0f} MiB")


def _peak_memory() -> float:
    """Peak memory in MiB so far; `resource` would include that of the parent process."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


def _picture_reader() -> Callable[[Path], None]:
    from freqfake import asynchrony_features, load_detector, read_image
    from freqfake.pictures.provenance import read_provenance

    detector = load_detector()

    def read(path: Path) -> None:
        read_provenance(path)
        [row] = detector.iter_scores([str(path)])
        if bool(row["error"]) != (row["verdict"] is None or row["verdict"] == ""):
            raise RuntimeError(f"neither a verdict nor an error: {row}")
        pixels, _ = read_image(path)
        if pixels.size <= 1 << 20:
            _finite(asynchrony_features(pixels))

    return read


def _video_reader() -> Callable[[Path], None]:
    from freqfake.crops.video import read_frames

    def read(path: Path) -> None:
        for choice in ({"count": 2}, {"per_scene": 1}, {"rate": 5}):
            for frame in read_frames(path, **choice):
                assert frame.pixels.ndim == 3

    return read


def _array_reader() -> Callable[[Path], None]:
    """Take a data type, a shape and numbers from the bytes, which may be anything."""
    import numpy as np

    from freqfake import asynchrony_features, load_detector
    from freqfake.features.rich import rich_features

    detector = load_detector()

    def read(path: Path) -> None:
        data = path.read_bytes()
        head, body = (data[:6] + bytes(6))[:6], data[6:] or b"\0"
        dtype = np.dtype(_DTYPES[head[0] % len(_DTYPES)])
        shape = tuple(head[2 : 2 + head[1] % 5])
        n_bytes = int(np.prod(shape)) * dtype.itemsize
        if n_bytes > 1 << 22:
            return
        if dtype.hasobject:
            array = np.full(shape, None)
        else:
            numbers = (body * (n_bytes // len(body) + 1))[:n_bytes]
            array = np.frombuffer(numbers, dtype).reshape(shape)
        [_] = detector.iter_scores([array])
        _finite(asynchrony_features(array))
        _finite(rich_features(array))

    return read


def _finite(values: Any) -> None:
    import numpy as np

    if not np.isfinite(values).all():
        raise RuntimeError(f"not finite: {values}")


def main() -> None:
    """Run ``python -m benchmarks.fuzzing.target KIND COUNT SEED CORPUS KEEP RESULT``."""
    import atheris

    kind, count, seed, corpus, keep, result = sys.argv[1:]
    readers = {"picture": _picture_reader, "video": _video_reader, "array": _array_reader}
    with atheris.instrument_imports(include=["PIL", "freqfake"]):
        from PIL import Image

        Image.init()
        read = readers[kind]()
    watch = Watch(read, Path(result).with_suffix(".input"), Path(keep), Path(result))
    for path in Path(corpus).iterdir():
        watch.one(path.read_bytes())  # so that late imports are done
    watch.begin(int(count))
    options = [f"-seed={seed}", f"-timeout={_STUCK}", f"-rss_limit_mb={MAX_MEBIBYTES}"]
    options += ["-max_len=20000", "-verbosity=0", f"-artifact_prefix={result}_"]
    atheris.Setup([sys.argv[0], *options, corpus], watch.one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
