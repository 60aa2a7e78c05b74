"""NVIDIA's Multi-Process Service (MPS), which lets processes that share a GPU compute on it at the
same time. Without it they take turns."""

import logging
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra.core.utils import env_override

from rnn_bench.sweep.local.devices import Device

log = logging.getLogger("rnn_bench")

WITHOUT_MPS = "Runs of a GPU take turns, without MPS"
CONTROL = "nvidia-cuda-mps-control"
ANSWER_TIMEOUT = 10.0  # seconds that the control program has to answer
PIPE, LOG = "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"
LONGEST_FOLDER = 60  # characters; the path of a socket in it has at most 108
# Starts the daemon and says whether it started, waits until this process closes the pipe or dies,
# and ends the daemon. Clients have 10 seconds to end before it; orphaned runs take 5.
KEEPER = """
"$1" -d </dev/null >"$2/said" 2>&1 && echo started || { head -n 1 "$2/said"; rm -rf "$2"; exit; }
cat >/dev/null
echo quit -t 10 | "$1" >/dev/null 2>&1
rm -rf "$2"
"""


@contextmanager
def computing_at_once(mode: str, devices: Sequence[Device]) -> Iterator[None]:
    """If `mode` is auto, let the processes that are started in the block compute on their GPU at
    the same time, where MPS can be started. It ends with the block, or with this process. A daemon
    that runs already is left as it is, and used."""
    # All of them: who finds the daemon sees its GPUs alone, also where a GPU has one run at a time.
    gpus = [device.gpu for device in devices if device.gpu]
    shared = any(device.gpu and (device.slots > 1 or device.search) for device in devices)
    if mode == "off" or not shared:
        yield
        return
    program = shutil.which(CONTROL)
    if _finds_daemon(program):
        log.info("Runs of a GPU compute at the same time, by the MPS daemon that runs already.")
        yield
        return
    if "microsoft" in platform.release().lower():
        reason = "it does not exist on WSL"
    elif not all(gpu.uuid.startswith("GPU-") and gpu.free for gpu in gpus):
        reason = "a GPU is split into instances (MIG)"
    elif program is None:
        reason = f"there is no {CONTROL}"
    else:
        folder = _new_folder()
        named = {PIPE: folder / "pipe", LOG: folder / "log"}
        variables = {name: str(path) for name, path in named.items()}
        visible = {"CUDA_VISIBLE_DEVICES": ",".join(gpu.uuid for gpu in gpus)}
        for path in named.values():
            path.mkdir()
        keeper = subprocess.Popen(
            ["sh", "-c", KEEPER, "sh", program, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **variables, **visible},
            text=True,
            start_new_session=True,  # a Ctrl-C is not for it
        )
        with keeper:  # whose end closes the pipe, and waits for it
            assert keeper.stdout
            reason = keeper.stdout.readline().strip()
            if reason == "started":
                log.info("Runs of a GPU compute at the same time, by MPS.")
                with env_override(variables):
                    yield
                return
        reason = f"{CONTROL} says: {reason}" if reason else f"{CONTROL} failed"
    log.warning("%s: %s.", WITHOUT_MPS, reason.rstrip("."))
    yield


def _finds_daemon(program: str | None) -> bool:
    """Return whether the program finds a daemon where processes of CUDA look for one. Without the
    program, as in a container, a daemon is believed to run if its folder is named and there."""
    if program is None:
        named = os.environ.get(PIPE, "")
        return named != "" and Path(named, "control").exists()
    try:
        asked = subprocess.run(
            [program],
            input="get_server_list\n",
            text=True,
            capture_output=True,
            timeout=ANSWER_TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


def _new_folder() -> Path:
    usual = tempfile.gettempdir()
    return Path(
        tempfile.mkdtemp(prefix="mps-", dir=usual if len(usual) < LONGEST_FOLDER else "/tmp")
    )
