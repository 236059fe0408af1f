"""The command line: `python -m toc_sync …`. Results go to the standard output, the log and errors to the other."""

from toc_sync import runtime
from toc_sync.cli import program

if __name__ == "__main__":
    runtime.log_to_console()
    program(prog_name="python -m toc_sync")
