"""Endings of file names that say picture or video, and why some of these files are not read."""

from pathlib import Path

from .._files import PathLike

READ_ENDINGS = frozenset(
    {".apng", ".avif", ".avifs", ".bmp", ".bw", ".dib", ".gif", ".heic", ".heics", ".heif",
     ".heifs", ".hif", ".icb", ".j2c", ".j2k", ".jfif", ".jif", ".jp2", ".jpc", ".jpe", ".jpeg",
     ".jpf", ".jpg", ".jpx", ".mpo", ".pbm", ".pcx", ".pfm", ".pgm", ".png", ".pnm", ".ppm",
     ".qoi", ".rgb", ".rgba", ".sgi", ".tga", ".tif", ".tiff", ".vda", ".vst", ".webp"}
)  # fmt: skip
RAW_ENDINGS = frozenset(
    {".3fr", ".arw", ".bay", ".cap", ".cr2", ".cr3", ".crw", ".dcr", ".dcs", ".dng", ".erf",
     ".fff", ".gpr", ".iiq", ".k25", ".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf",
     ".pef", ".ptx", ".raf", ".raw", ".rw2", ".rwl", ".rwz", ".sr2", ".srf", ".srw", ".x3f"}
)  # fmt: skip
OTHER_ENDINGS = frozenset(
    {".ai", ".blp", ".bpg", ".bufr", ".cdr", ".clip", ".cur", ".dcm", ".dcx", ".dds", ".djvu",
     ".emf", ".eps", ".exr", ".fit", ".fits", ".flc", ".flif", ".fli", ".ftc", ".ftu", ".gbr",
     ".grib", ".h5", ".hdf", ".hdp", ".hdr", ".icns", ".ico", ".iim", ".im", ".insp", ".jng",
     ".jls", ".jps", ".jxl", ".jxr", ".jxs", ".kra", ".ktx", ".ktx2", ".lep", ".mng", ".msp",
     ".ora", ".palm", ".pam", ".pcd", ".pdf", ".pict", ".ps", ".psb", ".psd", ".pxr", ".ras",
     ".svg", ".svgz", ".wdp", ".webp2", ".wmf", ".wp2", ".xbm", ".xcf", ".xpm"}
)  # fmt: skip
VIDEO_ENDINGS = frozenset(
    {".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".m2ts", ".m2v", ".m4v",
     ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogm", ".ogv", ".qt", ".rm",
     ".rmvb", ".ts", ".vob", ".webm", ".wmv"}
)  # fmt: skip
OTHER_VIDEO_ENDINGS = frozenset({".amv", ".av1", ".braw", ".h264", ".h265", ".hevc", ".insv",
                                 ".ivf", ".lrv", ".mjpeg", ".mk3d", ".mpe", ".mpv", ".nut", ".r3d",
                                 ".y4m"})  # fmt: skip
RAW = "raw files of cameras are not read; develop the picture and save it as TIFF or PNG"
ENDINGS = READ_ENDINGS | RAW_ENDINGS | OTHER_ENDINGS | VIDEO_ENDINGS | OTHER_VIDEO_ENDINGS


def ending(path: PathLike) -> str:
    """Return the ending of a file name in lower case, such as ".png"; "" if there is none."""
    return Path(path).suffix.lower()


def why_not_read(path: PathLike) -> str:
    """Say why a file of this name is not a picture that is read, and what to do about it.

    For a file whose content is not that of a format that is read. The name only explains.

    Examples
    --------
    >>> from freqfake.pictures.endings import why_not_read
    >>> why_not_read("IMG_0001.NEF")
    'raw files of cameras are not read; develop the picture and save it as TIFF or PNG'
    >>> why_not_read("notes.txt")
    'not a picture, or its format is not supported'
    """
    name = ending(path)
    if name in RAW_ENDINGS:
        return RAW
    if name in VIDEO_ENDINGS:
        return "a video, not a picture; save its frames with `freqfake deep frames`"
    if name in OTHER_VIDEO_ENDINGS:
        return "a video in a format that is not read; convert it to MP4"
    if name in OTHER_ENDINGS:
        return f"{name[1:].upper()} files are not read; convert the picture to PNG"
    return "not a picture, or its format is not supported"
