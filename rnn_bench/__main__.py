"""`python -m rnn_bench ...`: the command `sweep`."""

import sys
from functools import partial

from rnn_bench.command_line import run_command

main = partial(run_command, "sweep")

if __name__ == "__main__":
    sys.exit(main())
