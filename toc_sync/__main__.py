"""The command line: `python -m toc_sync …`. Results go to the standard output, the log and errors to the other."""

from toc_sync.cli import program
from toc_sync.console import log_to_console

if __name__ == "__main__":
    log_to_console()
    program(prog_name="python -m toc_sync")
