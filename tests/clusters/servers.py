"""Real servers on the loopback interface, each in a folder of its own, stopped when left."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals
from typing import Any

PROJECT = Path(__file__).parents[2]
PATIENCE = 120  # seconds, for what takes a few on a machine that does nothing else


def free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@contextmanager
def running(
    command: Sequence[str | Path],
    log: Path,
    environment: Mapping[str, str],
    stop: Signals = SIGTERM,
    **options: Any,
) -> Iterator[subprocess.Popen[bytes]]:
    """A server in the foreground. It is told to stop, and killed where it does not."""
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, **options
        )
    try:
        yield server
    finally:
        server.send_signal(stop)
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def wait_until(ready: Callable[[], bool], log: Path, *servers: subprocess.Popen[bytes]) -> None:
    """Raises:
    RuntimeError: a server has ended, or is not ready in time; with what it wrote.
    """
    until = time.monotonic() + PATIENCE
    while not ready():
        if any(server.poll() is not None for server in servers) or time.monotonic() > until:
            raise RuntimeError(log.read_text(errors="replace")[-3000:])
        time.sleep(0.1)


def postgres_programs() -> Path | None:
    """The folder of PostgreSQL's server programs, which Debian keeps off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).resolve().parent if on_path else None


@contextmanager
def postgres(programs: Path, folder: Path) -> Iterator[str]:
    """A PostgreSQL with an empty database; gives MLflow's address of it. The server refuses to
    be root, so root starts it as Debian's user postgres."""
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        user = {"user": "postgres", "group": "postgres", "extra_groups": []}
        shutil.chown(folder, "postgres", "postgres")
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(folder)}
    data = str(folder / "data")
    initdb = [programs / "initdb", "-D", data, "-U", "mlflow", "-A", "trust", "--no-sync"]
    subprocess.run(
        [*initdb, "-E", "UTF8"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=folder,
        env=environment,
        **user,
    )
    (port,) = free_ports(1)
    here = ["-h", "127.0.0.1", "-p", str(port)]
    server = [programs / "postgres", "-D", data, "-p", str(port), "-k", str(folder)]
    server += ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    log = folder / "log"
    with running(server, log, environment, stop=SIGINT, cwd=folder, **user) as process:
        ready = [programs / "pg_isready", *here, "-q"]
        wait_until(lambda: subprocess.run(ready).returncode == 0, log, process)
        subprocess.run([programs / "createdb", *here, "-U", "mlflow", "mlflow"], check=True)
        yield f"postgresql+psycopg://mlflow@127.0.0.1:{port}/mlflow"


@contextmanager
def mlflow_server(database: str, folder: Path) -> Iterator[str]:
    """An MLflow server that keeps artifacts too; gives its address."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1", "--backend-store-uri", database]
    command += ["--serve-artifacts", "--artifacts-destination", str(folder / "artifacts")]
    quiet = {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # its helpers outlive the server
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    address, log = f"http://127.0.0.1:{port}", folder / "log"
    with running(command, log, {**os.environ, **quiet}) as process:
        wait_until(lambda: answers(f"{address}/health"), log, process)
        yield address


def answers(address: str) -> bool:
    try:
        return bool(urllib.request.urlopen(address, timeout=5).status == 200)
    except OSError:
        return False


S3_ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testingsecret",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@contextmanager
def s3(folder: Path) -> Iterator[str]:
    """An S3 store that keeps its objects as files in `folder/objects`, with an empty bucket
    `team`; gives its address."""
    program = shutil.which("rclone") or Path(sys.executable).with_name("rclone")
    (port,) = free_ports(1)
    (folder / "objects" / "team").mkdir(parents=True)
    account = f"{S3_ACCOUNT['AWS_ACCESS_KEY_ID']},{S3_ACCOUNT['AWS_SECRET_ACCESS_KEY']}"
    command = [program, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", account]
    environment = {**os.environ, "RCLONE_CONFIG": "/dev/null"}
    log = folder / "log"
    with running([*command, folder / "objects"], log, environment) as process:
        wait_until(lambda: _listens(port), log, process)
        yield f"http://127.0.0.1:{port}"


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def make_tracking_server(settings: Mapping[str, str], folder: Path) -> Iterator[str]:
    """`make tracking-server` with these variables; gives the address that it prints."""
    (port,) = free_ports(1)
    log = folder / "log"
    environment = {**os.environ, **settings}
    with running(
        ["make", "tracking-server", f"PORT={port}"],
        log,
        environment,
        cwd=PROJECT,
        start_new_session=True,
    ) as process:
        try:
            wait_until(lambda: answers(f"http://127.0.0.1:{port}/health"), log, process)
            yield log.read_text().split("export MLFLOW_TRACKING_URI=")[1].split()[0]
        finally:
            os.killpg(process.pid, SIGTERM)  # make's children too


@contextmanager
def model_server(model: str, tracking: str, folder: Path) -> Iterator[str]:
    """The command `serve`; gives its address."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "rnn_bench.serving", "serve", model, "--port", str(port)]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": tracking}
    address, log = f"http://127.0.0.1:{port}", folder / "log"
    with running(command, log, environment, start_new_session=True) as process:
        try:
            wait_until(lambda: answers(f"{address}/ping"), log, process)
            yield address
        finally:
            os.killpg(process.pid, SIGTERM)


SLURM = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
AuthType=auth/none
CredType=cred/none
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
SchedulerParameters=batch_sched_delay=0,sched_interval=1
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
KillWait=2
GresTypes=gpu
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=2000 Gres=gpu:2
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=2000 Gres=gpu:2
PartitionName=gpu Nodes=ALL Default=NO MaxTime=INFINITE State=UP
"""
# Without Slurm's accounting database sacct knows nothing; squeue still does.
SACCT = """\
#!/bin/bash
ids=(); while [ $# -gt 0 ]; do [ "$1" = -j ] && { ids+=("$2"); shift; }; shift; done
echo "JobID|State|NodeList"
exec squeue -h -r -t all -j "$(IFS=,; echo "${ids[*]}")" -o '%i|%T|%N'
"""


@contextmanager
def slurm(folder: Path) -> Iterator[dict[str, str]]:
    """A Slurm of two nodes with two pretended GPUs each and one partition, gpu; gives the
    environment in which its commands find it."""
    for name in ("state", "spool.n1", "spool.n2", "bin"):
        (folder / name).mkdir()
    for name in ("gpu0", "gpu1"):
        (folder / name).symlink_to("/dev/null")
    host = os.uname().nodename.partition(".")[0]
    text = SLURM.format(host=host, ports=free_ports(3), folder=folder)
    (folder / "slurm.conf").write_text(text)
    gpus = f"AutoDetect=off\nNodeName=n[1-2] Name=gpu File={folder}/gpu[0-1]\n"
    (folder / "gres.conf").write_text(gpus)
    sacct = folder / "bin" / "sacct"
    sacct.write_text(SACCT)
    sacct.chmod(0o755)
    path = f"{folder / 'bin'}:{os.environ['PATH']}:/usr/sbin"
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf"), "PATH": path}

    def idle() -> bool:
        sinfo = ["sinfo", "-h", "-t", "idle", "-o", "%D"]
        found = subprocess.run(sinfo, env=environment, capture_output=True, text=True)
        return found.stdout.strip() == "2"

    log = folder / "slurmctld.log"
    with (
        running(["slurmctld", "-D"], folder / "out", environment) as controller,
        running(["slurmd", "-D", "-N", "n1"], folder / "out.n1", environment) as first,
        running(["slurmd", "-D", "-N", "n2"], folder / "out.n2", environment) as second,
    ):
        wait_until(idle, log, controller, first, second)
        try:
            yield environment
        finally:  # jobs that a test left behind
            subprocess.run(["scancel", "--user=root"], env=environment)
