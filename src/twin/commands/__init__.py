"""The command line: one file a command, collected by `__main__`."""
