"""What a person sees while a run trains."""

import os
import pty
import re
import subprocess
import sys
import termios
import threading
from pathlib import Path

from tests.conftest import SMALL, Command, changed


def shown_on_a_terminal(*arguments: str, rows: int = 40, columns: int = 100) -> str:
    screen, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (rows, columns))
    shown = bytearray()

    def read() -> None:
        while True:
            try:
                shown.extend(os.read(screen, 4096))
            except OSError:  # the other end is closed
                return

    reader = threading.Thread(target=read)
    reader.start()
    command = [sys.executable, "-m", "rnn_bench", *arguments]
    environment = {**os.environ, "TERM": "xterm-256color"}
    subprocess.run(command, stdout=terminal, stderr=terminal, env=environment, check=True)
    os.close(terminal)
    reader.join()
    os.close(screen)
    return shown.decode()


def test_a_person_sees_a_bar_over_batches_and_a_line_an_epoch(workplace: Path) -> None:
    shown = shown_on_a_terminal(
        *changed(SMALL, "protocol.epochs=3", "dataset.articles=3200"), "seed=7"
    )
    assert re.search(r"\d+/40", shown)
    for epoch in (1, 2, 3):
        assert f"epoch  {epoch}/3  train loss" in shown
    assert "tokens/s" in shown.rpartition("/40")[2], "the table comes when the bar is gone"


def test_a_file_gets_plain_lines(rnn_bench: Command) -> None:
    answer = rnn_bench(*SMALL)
    assert "\x1b" not in answer.out
    lines = [line for line in answer.out.splitlines() if "epoch " in line and "train loss" in line]
    assert len(lines) == 2
    assert answer.err == ""
