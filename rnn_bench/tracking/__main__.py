"""`python -m rnn_bench.tracking COMMAND ...`: the commands on MLflow's record."""

import sys
from functools import partial

from rnn_bench import command_line

COMMANDS = ("sync", "copy")
main = partial(command_line.main, program="python -m rnn_bench.tracking", commands=COMMANDS)

if __name__ == "__main__":
    sys.exit(main())
