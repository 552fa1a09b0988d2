"""What holds for the whole suite."""

import signal

# Started in the background of a script, a shell has its children ignore Ctrl-C, and they would hand that on to every
# process that a test starts and means to interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
