"""Shared by all tests."""
import signal

# A shell starts background jobs with Ctrl-C ignored; the tests of interrupted runs need Python's own handler.
signal.signal(signal.SIGINT, signal.default_int_handler)
