"""Break a sample of the operators, numbers and conditions of a package, to see what tests notice.

Needs ``pip install cosmic-ray`` and a system that can fork. Sources are changed in place and put
back: run it in a clone of its own, ``PYTHONPATH=. python .ci/mutants.py evidence --number 30``.
"""

import argparse
import contextlib
import multiprocessing
import os
import random
import re
import shlex
import signal
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import pytest
from cosmic_ray.commands.init import init
from cosmic_ray.mutating import mutate_code, use_mutation
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import MutationSpec

ROOMS = {  # sources, and tests that notice much in a short time, fast ones first
    "evidence": (
        "freqfake/evidence/*.py",
        "freqfake/evidence tests/evidence/test_calibration.py tests/detector/test_cards.py "
        "tests/evidence/test_audit.py -k 'not (command or published)'",
    ),
    "tables": (
        "freqfake/batch/[trc][aue][bnl]*s.py",
        "freqfake/batch tests/batch/test_tables.py tests/batch/test_runs.py "
        "-k 'not (second_run or ctrl_c)'",
    ),
    "model_files": (
        "freqfake/model_files/*.py",
        "tests/model_files/test_values.py tests/model_files/test_state.py "
        "tests/model_files/test_model_files.py "
        "-k 'not (any_wrong or bombs or program or commands_refuse_a)'",
    ),
    "pictures": (
        "freqfake/pictures/*.py",
        "freqfake/pictures tests/pictures/test_arrays.py tests/pictures/test_provenance.py "
        "tests/pictures/test_reading.py tests/pictures/test_finding.py "
        "tests/pictures/test_hostile.py "
        "-k 'not (megapixels or bomb or damaged or junk or outputs or deep or permission)'",
    ),
    "detector": (
        "freqfake/detector/*.py",
        "freqfake/detector tests/detector/test_cards.py tests/detector/test_detector.py "
        "tests/detector/test_training.py tests/detector/test_by_delivery.py",
    ),
}
# `|` is mostly in annotations; `is` instead of `==` hardly differs.
LEFT_OUT = re.compile("BinaryOperator_BitOr_|_(Not)?Eq_Is")


def sample(pattern: str, number: int, chance: random.Random) -> list[MutationSpec]:
    """Choose places in the sources, each with one of the ways to break it."""
    places = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder, use_db(f"{folder}/mutants.sqlite") as found:
        init(sorted(Path().glob(pattern)), found, {})
        for item in found.work_items:
            (mutant,) = item.mutations
            if not LEFT_OUT.search(mutant.operator_name):
                places[str(mutant.module_path), mutant.start_pos].append(mutant)
    mutants: list[MutationSpec] = []
    for place in chance.sample(sorted(places), len(places)):
        ways = sorted(places[place], key=lambda way: (way.operator_name, way.occurrence))
        mutant = chance.choice(ways)
        if len(mutants) < number and compiles(mutant):
            mutants.append(mutant)
    return mutants


def compiles(mutant: MutationSpec) -> bool:
    """Whether the changed source is Python."""
    source, operator = mutant.module_path.read_text(), get_operator(mutant.operator_name)()
    with contextlib.suppress(SyntaxError):
        return bool(compile(mutate_code(source, operator, mutant.occurrence), "", "exec"))
    return False


def import_others(tests: list[str]) -> None:
    """Import everything that the tests do, and forget what may be changed."""
    pytest.main([*tests, "--collect-only", "-qq"])
    for name, module in [*sys.modules.items()]:
        if name != "__main__" and str(Path.cwd()) in str(getattr(module, "__file__", "")):
            del sys.modules[name]


def outcome(tests: list[str], seconds: float) -> str:
    """Run tests in a process that has imported what others made."""
    process = multiprocessing.get_context("fork").Process(target=run, args=(tests,))
    process.start()
    process.join(seconds)
    if process.is_alive():
        os.killpg(process.pid, signal.SIGKILL)
        return "too slow"
    return "survived" if process.exitcode == 0 else "killed"


def run(tests: list[str]) -> None:
    """Run tests without output, in a group of processes that can be ended together."""
    os.setsid()
    with Path(os.devnull).open("w") as nowhere:
        for stream in (1, 2):
            os.dup2(nowhere.fileno(), stream)
    sys.exit(pytest.main(tests))


def main() -> None:
    """Print the outcome of each change, and how many were killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("room", choices=ROOMS)
    parser.add_argument("--number", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=300, help="for the tests of one mutant")
    options = parser.parse_args()
    pattern, words = ROOMS[options.room]
    tests = ["-qx", "-p", "no:cacheprovider", *shlex.split(words)]
    mutants = sample(pattern, options.number, random.Random(options.seed))
    sys.dont_write_bytecode = True
    import_others(tests)
    if outcome(tests, 10 * options.seconds) != "survived":
        sys.exit("tests fail without a change")
    outcomes = []
    for mutant in mutants:
        operator = get_operator(mutant.operator_name)()
        with use_mutation(mutant.module_path, operator, mutant.occurrence):
            outcomes.append(outcome(tests, options.seconds))
        print(outcomes[-1], mutant.module_path, *mutant.start_pos, mutant.operator_name, flush=True)
    alive = outcomes.count("survived")
    print(f"{options.room}: {len(mutants) - alive} of {len(mutants)} killed, seed {options.seed}")


if __name__ == "__main__":
    main()
