"""`python -m rnn_bench.report ...`: the command `report`."""

import sys
from functools import partial

from rnn_bench.command_line import run_command

main = partial(run_command, "report", program="python -m rnn_bench.report")

if __name__ == "__main__":
    sys.exit(main())
