"""Measure the seconds of a run's stages by sampling its main thread's stack.

The stage follows from the files on the stack, for rnn_bench has a folder for each stage. So nothing
in the run is changed or timed.
"""

import sys
import threading
import time
from types import FrameType

import psutil

INTERVAL = 0.002  # seconds between two samples
SWITCH_INTERVAL = 0.0005  # that the run may keep the interpreter while a sample is due

STAGES = (
    "start and end",
    "reading",
    "batches",
    "forward",
    "backward",
    "optimizer",
    "evaluation",
    "recording",
    "rest of the loop",
)
# The first of these on the stack, from the outside, decides; the longest match of a file counts.
PLACES = {
    "importlib": "start and end",
    "rnn_bench/models/initial.py": "start and end",
    "rnn_bench/models/kernels/choice.py": "start and end",  # compiles it the first time
    "rnn_bench/data/": "reading",
    "rnn_bench/data/batches.py": "batches",
    "rnn_bench/tracking/": "recording",
    "rnn_bench/training/checkpoint.py": "recording",
    "rnn_bench/training/prediction.py": "evaluation",
    "rnn_bench/evaluation/": "evaluation",
    "rnn_bench/models/": "forward",
    "torch/nn/": "forward",
    "torch/nn/utils/": "optimizer",  # clipping
    "torch/optim/": "optimizer",
    "torch/_tensor.py": "backward",
    "torch/autograd/": "backward",
}
LOOP = "rnn_bench/training/epochs.py"


class Sampler(threading.Thread):
    """Samples the stack of the thread that makes it, until `ended`."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._thread, self._end = threading.get_ident(), threading.Event()
        self.seconds = dict.fromkeys(STAGES, 0.0)
        # What the process did before, it spent on starting.
        self.seconds[STAGES[0]] = time.time() - psutil.Process().create_time()
        sys.setswitchinterval(SWITCH_INTERVAL)
        self.start()

    def run(self) -> None:
        before = time.perf_counter()
        while not self._end.wait(INTERVAL):
            stage = stage_of(sys._current_frames()[self._thread])
            now = time.perf_counter()
            self.seconds[stage] += now - before
            before = now

    def ended(self) -> dict[str, float]:
        """Stop sampling, and return the seconds of each stage."""
        self._end.set()
        self.join()
        return self.seconds


def stage_of(frame: FrameType | None) -> str:
    """Return the stage of a stack, which is given by its innermost frame."""
    files: list[str] = []
    while frame is not None:
        files.append(frame.f_code.co_filename)
        frame = frame.f_back
    for file in reversed(files):
        matches = [place for place in PLACES if place in file]
        if matches:
            return PLACES[max(matches, key=len)]
    return "rest of the loop" if any(LOOP in file for file in files) else "start and end"
