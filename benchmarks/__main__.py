"""Command line of the benchmarks: ``python -m benchmarks RUN ...``."""

import argparse
import os
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

try:
    import joblib
    import pyarrow  # noqa: F401  # pandas needs it for Parquet
    from threadpoolctl import threadpool_limits

    from freqfake.exceptions import FreqFakeError

    from . import (
        algorithm1,
        attacks,
        comparison,
        deep,
        delivery,
        gathering,
        history,
        paper,
        pictures,
        scaling,
        timing,
        tiny_ladeda,
    )
    from .fuzzing import fuzz
    from .harness import prepare
    from .harness.config import Config, ConfigError
    from .harness.report import ROOT, Report
    from .harness.sources import Sources
    from .harness.store import Store
except ModuleNotFoundError as error:
    sys.exit(f'the benchmarks need {error.name}: python -m pip install ".[bench]"')

RUNS: dict[str, Callable[[Any, Report], None]] = {
    "gather": gathering.gather,
    "prepare": prepare.prepare,
    "table2": paper.table2,
    "table3": paper.table3,
    "table4": paper.table4,
    "peers": comparison.peers,
    "tiny-ladeda": tiny_ladeda.tiny_ladeda,
    "training-size": comparison.training_size,
    "delivery": delivery.delivery,
    "picture": pictures.picture,
    "null": comparison.null,
    "history": history.history,
    "attacks": attacks.attacks,
    "harm": algorithm1.harm,
    "parts": comparison.parts,
    "deep": deep.deep,
    "timing": timing.timing,
    "deep-timing": deep.deep_timing,
    "scaling": scaling.scaling,
    "fuzz": fuzz.fuzz,
}
_ALONE = ("deep", "timing", "deep-timing", "scaling", "fuzz")  # need an idle machine
ALL = [name for name in RUNS if name not in ("gather", *_ALONE)]
_DATA = os.environ.get("FREQFAKE_DATA", ROOT.parent / "shared" / "data")


def _parser() -> argparse.ArgumentParser:
    lines = [f"  {name:<14} {(run.__doc__ or '').splitlines()[0]}" for name, run in RUNS.items()]
    alone = " and ".join(_ALONE)
    rest = f"All of these but gather, and but {alone}, which need an idle machine."
    lines.append(f"  {'all':<14} {rest}")
    epilog = "\n".join(["runs:", *lines]) + textwrap.dedent("""

        These make the embedded models and the figures of their cards:
          python -m benchmarks.default_model --help
          python -m benchmarks.embedded_model --help
          python -m benchmarks.networks --help

        This makes reenacted faces, and measures detectors on them:
          python -m benchmarks reenact --help""")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Make every figure in docs/benchmarks.md and the pages that it links to.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    here = Path(__file__).parent
    parser.add_argument("runs", nargs="+", metavar="RUN", choices=[*RUNS, "all"])
    parser.add_argument("--config", type=Path, default=here / "config.toml", help="file of sets")
    parser.add_argument(
        "--data",
        type=Path,
        action="append",
        help="folder that holds the folders of the configuration; may be repeated",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=ROOT / ".bench_cache",
        help="folder for features, results and prepared pictures, which are reused",
    )
    parser.add_argument(
        "--sources", type=Path, default=here / "sources.toml", help="file of sources, for gather"
    )
    parser.add_argument(
        "--clones",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="folder that holds clones of the sources, for gather; may be repeated",
    )
    parser.add_argument(
        "--sets", nargs="+", default=[], metavar="NAME", help="use only these sets or sources"
    )
    parser.add_argument("--limit", type=int, help="largest number of pictures of a class")
    parser.add_argument("--n-jobs", type=int, default=-1, help="processes; default: all cores")
    parser.add_argument("--write", action="store_true", help="write the results into docs/")
    return parser


def _run(
    names: list[str], args: argparse.Namespace, roots: list[Path], store: Store, report: Report
) -> None:
    for name in names:
        only = {"only": args.sets, "limit": args.limit}
        if name == "gather":
            made = Sources(args.sources, args.clones, args.work, n_jobs=args.n_jobs, **only)
        else:  # new for each run: `prepare` makes folders
            made = Config(args.config, roots, store, **only)
        RUNS[name](made, report)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if arguments[:1] == ["reenact"]:
            _reenact(arguments[1:])
        else:
            _measure(_parser().parse_args(arguments))
    except (ConfigError, FreqFakeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command continues from here", file=sys.stderr)
        return 130
    return 0


def _measure(args: argparse.Namespace) -> None:
    roots = [*(args.data or [Path(_DATA)]), args.work]
    report = Report(args.work / "results", ROOT / "docs" if args.write else None)
    store = Store(args.work / "features", args.n_jobs)
    names = [name for run in args.runs for name in (ALL if run == "all" else [run])]
    # One thread per process: the processes already use all cores.
    with threadpool_limits(1), joblib.parallel_config("loky", inner_max_num_threads=1):
        _run(names, args, roots, store, report)


def _reenact(arguments: list[str]) -> None:
    try:
        from .reenactment import cli

        args = cli.parser_of_steps().parse_args(arguments)
        args.run(args)
    except ModuleNotFoundError as error:
        sys.exit(f'reenact needs {error.name}: python -m pip install ".[reenact]"')


if __name__ == "__main__":
    sys.exit(main())
