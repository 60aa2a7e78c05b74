"""Labels texts with a recorded run's model: on the command line and over HTTP."""

MAX_BODY_BYTES = 32 * 2**20  # of a request over HTTP, unless the command names another limit
