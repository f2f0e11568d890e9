"""The command line on a terminal of known size, and completion in shells."""

import argparse
import contextlib
import os
import re
import select
import shlex
import shutil
import struct
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import pytest
from helpers import run

pytest.importorskip("termios", reason="not on Windows")
import fcntl
import pty
import termios

from freqfake import FEATURE_NAMES, load_detector
from freqfake.cli import main, make_parser
from freqfake.cli.terminal import ScreenTable, write_table

FREQFAKE = [sys.executable, "-m", "freqfake"]
WITHOUT_EXTRAS = """
import sys
sys.modules |= dict.fromkeys(("rich_argparse", "shtab"))
from freqfake.cli import main
sys.exit(main(sys.argv[1:]))
"""
ODD = "\x1b[31ma\n[red]b :smile:\u202e.webp"
ODD_AS_SHOWN = r"\x1b[31ma\n[red]b :smile:\u202e.webp"


def environment(**changes):
    unset = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE")
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    return {**kept, "TERM": "xterm", "LC_ALL": "C.UTF-8", **changes}


@contextlib.contextmanager
def terminal(command, *, columns=80, cwd=None, **changes):
    """Start a process on its own terminal; yield the process and the terminal's other end."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        list(map(str, command)), stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd,
        env=environment(**changes), start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read(end, *, until=None, seconds=60):
    """Read text from a terminal, up to its end or until some text appears."""
    data, limit = b"", time.monotonic() + seconds
    while (until is None or until not in data.decode(errors="replace")) and (
        (left := limit - time.monotonic()) > 0
    ):
        if select.select([end], [], [], left)[0]:
            try:
                part = os.read(end, 1 << 16)
            except OSError:  # the process has ended
                break
            if not part:
                break
            data += part
    return data.decode().replace("\r\n", "\n")


def show(*arguments, program=FREQFAKE, **options):
    """Run a command line on a terminal."""
    with terminal([*program, *arguments], **options) as (process, end):
        text = read(end)
        status = process.wait(60)
    assert "Traceback" not in text
    return status, text


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def width(line):
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)


def commands(parser):
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from commands(command)


@pytest.fixture(scope="module")
def pictures(samples, tmp_path_factory):
    """A picture called fake, with an odd name, an inconclusive one, and a text file."""
    folder = tmp_path_factory.mktemp("shown")
    shutil.copy(samples / "fake" / "mobilestylegan_201.webp", folder / ODD)
    shutil.copy(samples / "real" / "chelsea.png", folder / "日本.png")
    (folder / "text.jpg").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def scores(pictures):
    return show("score", ".", cwd=pictures)


@pytest.fixture(scope="module")
def piped(pictures):
    """Output to a pipe, then to stderr."""
    done = run("score", "日本.png", "missing.png", cwd=pictures)
    return done.stdout + done.stderr


@pytest.mark.parametrize("parser", [*commands(make_parser())], ids=lambda parser: parser.prog)
def test_every_example_is_a_valid_command_line(parser):
    lines = parser.format_help().split("\nexamples:\n")[1].split("\n\n")[0]
    examples = [shlex.split(line, comments=True) for line in lines.replace("\\\n", " ").split("\n")]
    examples = [words for words in examples if words and words[0] != "eval"]
    assert examples
    assert max(map(len, lines.split("\n"))) <= 80
    for words in examples:
        if ">" in words:
            words = words[: words.index(">")]
        assert words[0] == "freqfake"
        if words[-1] == "--help":
            assert words[-2] in " ".join(command.prog for command in commands(parser))
        else:
            assert make_parser().parse_args(words[1:]).run


def test_help_is_plain_in_a_pipe_and_coloured_on_a_terminal():
    pytest.importorskip("rich_argparse", reason="coloured help needs the extra cli")
    status, shown = show("score", "--help")
    assert status == 0
    assert "\x1b[36m--max-fpr" in shown
    assert "\x1b[1mexamples:" in shown
    piped = run("score", "--help").stdout
    assert "\x1b" not in piped
    assert plain(shown) == piped
    for changes in ({"NO_COLOR": "1"}, {"TERM": "dumb"}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}):
        assert show("score", "--help", **changes)[1] == piped
    forced = subprocess.run([*FREQFAKE, "score", "--help"], capture_output=True, text=True,
                            env=environment(FORCE_COLOR="1", TERM="dumb"), check=True)  # fmt: skip
    assert forced.stdout == shown


def test_help_fits_a_narrow_terminal():
    text = plain(show("audit", "--help", columns=40)[1]).split("\nexamples:\n")[0]
    lines = text.partition("\n\n")[2].split("\n")  # argparse does not wrap parts of the usage
    assert max(map(len, lines)) <= 40
    assert lines[:2] == ["Check whether the files alone separate", "real from fake."]


def test_scores_are_a_table(scores):
    status, text = scores
    assert status == 1
    lines = plain(text).split("\n")
    assert lines[0].split() == ["verdict", "llr", "p_fake", "picture"]
    assert lines[1] == 80 * "─"
    assert max(map(width, lines)) == 80
    by_name = {line.split(maxsplit=3)[3].strip(): line.split()[:3]
               for line in lines if line.startswith(("fake", "inconclusive", "error"))}  # fmt: skip
    assert by_name == {
        ODD_AS_SHOWN: ["fake", "2.6", ">0.99"],
        "日本.png": ["inconclusive", "0.3", "0.68"],
        "text.jpg": ["error", "-", "-"],
    }
    below = {line.strip() for line in lines if line.startswith(29 * " ")}
    assert below >= {
        "moderately strong support (about 350 to 1)",
        "too close to call (about 2.1 to 1 for fake)",
        "cannot read text.jpg: not a picture, or its format",
    }
    assert lines[-4:-2] == ["", "3 pictures: 1 fake, 1 inconclusive, 1 error"]
    assert lines[-2].startswith("Reasons are shortened; --format csv")
    assert "see the column" not in text  # a terminal does not show that column


def test_a_wide_terminal_shows_a_line_for_each_picture(pictures):
    _, text = show("score", ".", cwd=pictures, columns=120, NO_COLOR="1")
    header, rule, *lines = text.split("\n")
    assert header.split() == ["verdict", "llr", "p_fake", "picture", "reason"]
    assert rule == 120 * "─"
    reasons = {line.split(maxsplit=4)[-1].strip() for line in lines if "日本" in line}
    assert reasons == {"too close to call (about 2.1 to 1 for fake)"}
    assert f"{ODD_AS_SHOWN}  moderately strong support (about 350 to 1)" in text


def test_a_long_path_breaks_after_a_slash(samples, tmp_path):
    folder = Path("a folder of the year 2025", "and in it the holidays")
    (tmp_path / folder).mkdir(parents=True)
    shutil.copy(samples / "real" / "chelsea.png", tmp_path / folder / "chelsea.png")
    _, text = show("score", folder, cwd=tmp_path, NO_COLOR="1")
    lines = [line[29:].strip() for line in text.split("\n")]
    assert lines[2:4] == [f"{folder}/", "chelsea.png"]


def test_a_file_gets_a_bar_and_a_closing_line(samples, tmp_path):
    names = [tmp_path / f"{number:02}.png" for number in range(24)]
    for name in names:
        shutil.copy(samples / "real" / "chelsea.png", name)
    words = ("score", "--out", "s.csv", "--resume")
    status, text = show(*words, *names[:22], cwd=tmp_path)
    assert status == 0
    assert "22/22" in text
    assert text.endswith("\nwrote s.csv: 22 pictures: 22 inconclusive\n")
    _, text = show(*words, *names, cwd=tmp_path)
    assert text == "wrote s.csv: 2 pictures: 2 inconclusive; 22 more were there before\n"


def test_verdicts_have_colours_and_names_have_none(scores):
    _, text = scores
    for style, word in (("1;31", "fake"), ("33", "inconclusive"), ("1;31", "error")):
        assert f"\x1b[{style}m{word}" in text
    assert not re.sub(r"\x1b\[[0-9;]*m", "", text).count("\x1b")
    assert "\x1b[31ma" not in text
    assert "\u202e" not in text


def test_narrow_terminals_show_the_numbers_below_the_name(pictures):
    status, text = show("score", ".", cwd=pictures, columns=40, NO_COLOR="1")
    lines = text.split("\n")
    assert status == 1
    assert max(map(width, lines)) <= 40
    assert lines[0].rstrip() == ODD_AS_SHOWN
    assert lines[1].rstrip() == "  fake  llr\xa02.6  p_fake\xa0>0.99"
    assert "\x1b" not in text


def test_a_requested_format_is_used(pictures, piped):
    shown = show("score", "日本.png", "missing.png", "--format", "csv", cwd=pictures)
    assert shown == (1, piped)
    assert piped.startswith("path,score,llr,p_fake,verdict,reason,error\n日本.png,0.4")


def test_features_are_a_table_even_on_a_dumb_terminal(pictures):
    status, text = show("features", "日本.png", "text.jpg", cwd=pictures, TERM="dumb")
    header, rule, first, *_ = text.split("\n")
    assert status == 1
    assert header.split() == [*FEATURE_NAMES, "picture"]
    assert rule == 80 * "─"
    assert first.split()[:2] == ["0.0462", "0.0528"]
    assert "error: cannot read" in text
    assert "\x1b" not in text
    assert text.endswith("\n2 pictures: 1 error\n")


def test_metrics_are_a_table(picture_folders):
    sides = {side: picture_folders / side for side in ("real", "fake")}
    words = [word for side, folder in sides.items() for word in (f"--{side}", folder)]
    lines = plain(show("evaluate", "--model", "lewoo", *words)[1]).split("\n")
    start = next(number for number, line in enumerate(lines) if "───" in line)
    assert lines[start - 1].split() == ["measure", "value"]
    figures = load_detector("lewoo").evaluate(**sides)
    expected = {n: str(v) if isinstance(v, int) else f"{v:.3f}" for n, v in figures.items()}
    assert dict(line.split() for line in lines[start + 1 :] if line.strip()) == expected


def test_an_audit_is_a_table_with_a_verdict(picture_folders, tmp_path):
    shutil.copytree(picture_folders, tmp_path, dirs_exist_ok=True)
    shutil.copy(tmp_path / "real" / "00.png", tmp_path / "real" / ODD)
    for path in (tmp_path / "fake").iterdir():
        with path.open("ab") as file:
            file.write(bytes(5000))
    status, text = show("audit", "--real", "real", "--fake", "fake", cwd=tmp_path)
    assert status == 1
    assert text.startswith("21 real and 20 fake files, 1 picture size\n")
    assert re.search(r"\x1b\[33mbytes per pixel[^\n]*1\.000", text)
    assert re.search(r"all together +1\.000", plain(text))
    assert f"  real/{ODD_AS_SHOWN} = real/00.png\n" in text
    assert "\x1b[1;31mfailed: \x1b[0mthe files alone separate" in text


def test_rows_are_shown_as_soon_as_they_are_ready(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "reconfigure", lambda **_: None, raising=False)
    row = {
        "score": 1.0,
        "llr": -0.04,
        "p_fake": 0.999,
        "verdict": "real",
        "reason": "",
        "error": "",
    }
    with ScreenTable(["path", *row]) as table:
        table.write({"path": "first.png", **row})
        assert "first.png" in capsys.readouterr().out
        table.write({"path": "second.png", **row, "face": 0, "left": 1, "top": 2, "right": 30,
                     "bottom": 40})  # fmt: skip
        shown = capsys.readouterr().out
        assert shown.split() == ["real", "0.0", ">0.99", "second.png", "face", "0:", "(1,", "2)",
                                 "to", "(30,", "40)"]  # fmt: skip
        assert "first" not in shown
    assert capsys.readouterr().out == "\n2 pictures, 1 face: 2 real\n"


def test_cut_faces_are_counted_on_a_terminal(samples, tmp_path):
    pytest.importorskip("onnxruntime", reason="finding faces needs the extra faces")
    (tmp_path / "text.jpg").write_text("no picture")
    paths = (samples / "real" / "astronaut.png", samples / "real" / "chelsea.png", "text.jpg")
    command = ("deep", "faces", *paths, "--out", tmp_path / "crops")
    status, text = show(*command, cwd=tmp_path, columns=150)
    counts = {Path(words[0]).name: words[1] for line in plain(text).splitlines()
              if len(words := line.split()) > 1}  # fmt: skip
    assert (counts["astronaut.png"], counts["chelsea.png"], counts["text.jpg"]) == ("1", "0", "0")
    assert "not a picture" in text
    assert status == 1
    piped = run(*command, cwd=tmp_path)
    assert piped.stdout.startswith("path,frame,time,face")


def test_a_mistyped_file_gets_a_hint(pictures, tmp_path):
    name = next(iter(pictures.iterdir())).name
    shutil.copy(pictures / name, tmp_path / "portrait.webp")
    done = run("score", "portriat.webp", "far/portrait.webp", "zebra.png", cwd=tmp_path)
    assert "no such file: portriat.webp; did you mean portrait.webp?" in done.stderr
    assert done.stderr.count("did you mean") == 1
    assert done.stdout.count("no such file") == 3  # one row each, as always
    assert done.returncode == 1


def test_cells_of_a_table_are_not_markup(capsys):
    write_table({"fact": "left", "AUC": "right"}, [("[red]a\x1b[31m :smile:", "0.5")])
    assert r"[red]a\x1b[31m :smile:" in capsys.readouterr().out


def test_messages_are_coloured_and_escaped(tmp_path):
    status, text = show("score", "x.png", "--model", "\x1b[31mno\nbody", cwd=tmp_path)
    assert status == 2
    assert text.startswith("freqfake: \x1b[1;31merror:\x1b[0m no such model: \\x1b[31mno\\nbody")
    status, text = show("score", "--\x1b[31m", "x.png")
    assert status == 2
    assert "freqfake score: \x1b[1;31merror:\x1b[0m unrecognized arguments: --\\x1b[31m" in text


def test_rows_of_csv_are_escaped(pictures):
    words = ["score", ODD, "\x9b31m", "--format", "csv"]
    status, text = show(*words, cwd=pictures, NO_COLOR="1")
    header, *rows, last = text.splitlines()
    assert status == 1
    assert [header, last[:8]] == ["path,score,llr,p_fake,verdict,reason,error", "freqfake"]
    assert [row.split(",")[0] for row in rows] == [f'"{ODD_AS_SHOWN}"', '"\\x9b31m"']
    assert all(character.isprintable() for character in text.replace("\n", ""))


def test_an_audit_is_escaped(picture_folders, tmp_path):
    shutil.copytree(picture_folders, tmp_path, dirs_exist_ok=True)
    shutil.copy(tmp_path / "real" / "00.png", tmp_path / "real" / ODD)
    (tmp_path / "real" / f"{ODD}.jpg").write_text("no picture")
    _, text = show("audit", "--real", "real", "--fake", "fake", cwd=tmp_path, NO_COLOR="1")
    assert f"  real/{ODD_AS_SHOWN} = real/00.png\n" in text
    assert f"left out: cannot read real/{ODD_AS_SHOWN}.jpg" in text
    assert all(character.isprintable() for character in text.replace("\n", ""))


def test_the_traceback_of_a_bug_is_escaped():
    code = "import sys; from freqfake import cli\nfrom freqfake.cli import commands\n"
    code += "def fail(argv): raise RuntimeError('\\x1b[31mred')\n"
    code += "commands._run = fail; sys.exit(cli.main([]))"
    with terminal([sys.executable, "-c", code]) as (process, end):
        text = read(end)
        status = process.wait(60)
    assert status == 3
    assert text.startswith("Traceback")
    assert text.endswith("RuntimeError: \\x1b[31mred\n")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["scor", "x"], "did you mean score?"),
        (["deep", "scroe"], "did you mean score?"),
        (["score", "--modle", "faces", "x"], "did you mean --model instead of --modle?"),
        (["score", "x", "--ouput=f.csv"], "did you mean --out instead of --ouput?"),
        (["train", "--rael", "x", "--fake", "y"], "did you mean --real instead of --rael?"),
        (["--verison"], "did you mean --version instead of --verison?"),
        (["score", "x", "--format", "jsnl"], "did you mean jsonl?"),
        (["score", "x", "--model", "face"], "did you mean faces?"),
        (
            ["adapt", "x", "--out", "y.safetensors", "--model", "./mein.safetensors"],
            "did you mean mine.safetensors?",
        ),
        (["nonsense"], None),
        (["score", "x", "--nonsense"], None),
        (["score", "x", "--model", "mine.safetensors"], None),
        (
            ["score", "--form", "jsonl", "--modell=x", "x", "--nonsense", "y"],
            "did you mean --model instead of --modell?",
        ),
    ],
)
def test_hints_for_mistyped_words(arguments, hint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.safetensors").write_text("not a model")
    try:
        status = main(arguments)
    except SystemExit as end:
        status = end.code
    last = capsys.readouterr().err.splitlines()[-1]
    assert status == 2
    assert "error: " in last
    assert last.endswith(f"; {hint}") if hint else "did you mean" not in last


def test_a_plain_install_has_the_same_tables(pictures, scores):
    program = [sys.executable, "-c", WITHOUT_EXTRAS]
    assert show("score", ".", program=program, cwd=pictures) == scores
    helped = show("--help", program=program, FORCE_COLOR="1")
    assert helped == (0, run("--help").stdout)
    status, text = show("completion", "bash", program=program, NO_COLOR="1")
    assert status == 2
    assert text == (
        'freqfake: error: shtab is not installed: python -m pip install "freqfake[cli]"\n'
    )


def test_rich_is_not_imported_without_a_terminal(tmp_path):
    code = "import sys; from freqfake.cli import main\ntry: main(sys.argv[1:])\n"
    code += "finally: print([m for m in sys.modules if m.split('.')[0] in ('rich', 'shtab')])"
    # Not `score`: scikit-learn imports rich if it is installed.
    rows = ["features", "missing.png"]
    for arguments in (["--version"], ["score", "--help"], rows, [*rows, "--out", "f.csv"]):
        done = subprocess.run([sys.executable, "-c", code, *arguments], text=True, check=True,
                              capture_output=True, env=environment(), cwd=tmp_path)  # fmt: skip
        assert done.stdout.endswith("[]\n")


SHELLS = {
    "bash": (["bash", "--norc", "-i"], "source completion"),
    "zsh": (["zsh", "-f", "-i"], "fpath=($PWD $fpath); autoload -Uz compinit; compinit -D -u"),
}
TYPED = {
    "freqfake sc\t": "<score>",
    "freqfake score --mo\t": "<score><--model>",
    "freqfake score fac\t": "<score><face.png>",
    "freqfake score --model fac\t": "<score><--model><face.png>",
    "freqfake score --format js\t": "<score><--format><jsonl>",
    "freqfake deep tr\t": "<deep><train>",
    "freqfake deep frames x --out fol\t": "<deep><frames><x><--out><folder",
}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_tab_key_completes(shell, tmp_path):
    command, install = SHELLS[shell]
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    pytest.importorskip("shtab", reason="completion needs the extra cli")
    (tmp_path / "face.png").touch()
    (tmp_path / "folder").mkdir()
    done = run("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / {"bash": "completion", "zsh": "_freqfake"}[shell]).write_text(done.stdout)
    prepare = f"{install}; freqfake() {{ printf '<%s>' \"$@\"; echo '<end>'; }}; echo rea'dy'\n"
    with terminal(command, columns=200, cwd=tmp_path, HOME=str(tmp_path), TERM="dumb") as (_, end):
        os.write(end, prepare.encode())
        assert "ready" in read(end, until="ready")
        for line, called in TYPED.items():
            os.write(end, f"{line}\n".encode())
            assert called in read(end, until="<end>", seconds=20)


def test_tcsh_gets_a_script():
    pytest.importorskip("shtab", reason="completion needs the extra cli")
    done = run("completion", "tcsh")
    assert done.returncode == 0
    assert "complete freqfake" in done.stdout
    assert "'p/1/(features score" in done.stdout
