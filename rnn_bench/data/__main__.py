"""`python -m rnn_bench.data COMMAND ...`: the commands on corpora."""

import sys
from functools import partial

from rnn_bench import command_line

COMMANDS = ("fetch", "prepare", "audit")
main = partial(command_line.main, program="python -m rnn_bench.data", commands=COMMANDS)

if __name__ == "__main__":
    sys.exit(main())
