"""Measure rnn_bench's speed, and how well its intervals hold: each part alone, or all of them.

python -m benchmarks [PART ...] [--quick] [--device cuda] ...
"""

import argparse
import dataclasses
import importlib
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.findings import write, write_page
from benchmarks.machine import machine, versions
from benchmarks.settings import QUICK, Settings
from benchmarks.workplace import ContenderFailed, Workplace
from rnn_bench.config.errors import UsageError
from rnn_bench.training.device import find_device

# `target` takes the runs of `single`, which are made once.
PARTS = {
    "steps": "tokens a second of whole steps on full rows, by readout and direction",
    "single": "one run of each cell beside the naive loop and Keras",
    "target": "seconds to the validation accuracy that the naive loop ends with",
    "sweep": "six runs, packed, beside the naive loop six times",
    "packing": "runs an hour by the number at once; on a GPU with and without MPS, graphs, kernel",
    "recurrence": "time of a step by kernel, size of the state, length; on a GPU 1 to 30 at once",
    "profile": "where a run's time goes, and its share of the floor",
    "scaling": "cost by articles, length, size of the state, runs, recorded runs",
    "data": "seconds and memory of reading and encoding files of up to a million rows",
    "calibration": "how well the report's intervals and verdicts hold, on simulated results",
}
WITHOUT_ARTICLES = {"recurrence", "calibration"}
RESULTS = Path(__file__).with_name("results")
SUCCESS, FAILED, UNUSABLE, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit status."""
    given = list(sys.argv[1:] if argv is None else argv)
    args = parser().parse_args(given)
    wrong = [part for part in args.parts if part not in PARTS]
    if wrong:
        print(f"{wrong[0]} is not a part. Parts: {', '.join(PARTS)}.", file=sys.stderr)
        return UNUSABLE
    chosen = {
        name: value
        for name, value in vars(args).items()
        if value is not None and name in {field.name for field in dataclasses.fields(Settings)}
    }
    settings = dataclasses.replace(QUICK if args.quick else Settings(), **chosen)
    try:
        if settings.device == "cuda":
            find_device("cuda")
        make_folder(args.out)
        with tempfile.TemporaryDirectory() as folder:
            place = Workplace(Path(folder), settings)
            parts = args.parts or [*PARTS]
            if not WITHOUT_ARTICLES.issuperset(parts):
                place.prepare()
            for part in parts:
                measure(part, place, shlex.join(["python", "-m", "benchmarks", *given]), args.out)
        print(write_page([*PARTS], args.out))
    except UsageError as error:
        print(error, file=sys.stderr)
        return UNUSABLE
    except ContenderFailed as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    return SUCCESS


def measure(part: str, place: Workplace, command: str, folder: Path) -> None:
    """Measure a part, and write its findings into the folder."""
    began = time.monotonic()
    findings = importlib.import_module(f"benchmarks.{part}").measure(place)
    settings = {**dataclasses.asdict(place.settings), "corpus": place.corpus}
    circumstances = {
        "part": part,
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "command": command,
        "machine": machine(),
        "versions": versions(),
        "settings": {**settings, "threads": place.threads},
        "seconds": time.monotonic() - began,
    }
    write(findings, part, circumstances, folder)
    print(f"{part}, {circumstances['seconds']:.0f} s", *findings.headline, sep="\n  ", flush=True)


def make_folder(folder: Path) -> None:
    """Make the folder of the results.

    Raises:
        UsageError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {folder} cannot be used: {error.strerror}.") from error


def parser() -> argparse.ArgumentParser:
    parts = "\n".join(f"  {name:<12}{meaning}" for name, meaning in PARTS.items())
    described = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=(
            f"Measure the speed of rnn_bench, and how well its intervals hold. Parts, by default "
            f"all:\n{parts}"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    usual = Settings()
    add = described.add_argument
    add("parts", nargs="*", metavar="PART")
    add("--quick", action="store_true", help="few articles, one repeat: minutes, and less certain")
    add("--corpus", choices=["auto", "isot", "kaggle", "demo"], help="auto: isot, else demo")
    add("--articles", type=positive, metavar="N", help=f"of the training file ({usual.articles})")
    add("--length", type=positive, metavar="N", help=f"first words kept ({usual.length})")
    add("--epochs", type=positive, metavar="N", help=f"of a run ({usual.epochs})")
    add("--repeats", type=positive, metavar="N", help=f"medians are over them ({usual.repeats})")
    add("--threads", type=positive, metavar="N", help="of a single run (all cores)")
    add("--device", choices=["cpu", "cuda"], help="(cpu)")
    add("--out", type=Path, default=RESULTS, help="folder of the results (benchmarks/results)")
    return described


def positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} must be a whole number of at least 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
