"""The command line, ``adain COMMAND ...`` or ``python -m adain_core COMMAND ...``.

Each command is a file in this folder.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from ..errors import AdaINError, reason
from ..versions import check_versions

# Modules of this folder by the command they add.
COMMANDS = {
    "stylize": "stylize",
    "video": "video",
    "import": "import_weights",
    "train": "train",
    "evaluate": "evaluate",
    "batch": "batch",
    "style": "style",
    "grid": "grid",
}
USER_MISTAKE = 2
INTERRUPTED, PIPE_CLOSED = 130, 141  # as shells tell of SIGINT and SIGPIPE
_NO_MEMORY = "expected more of it for this work; smaller images, fewer workers or a smaller batch need less"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command, whose status it returns. A mistake of the user's: one line on stderr and exit status 2."""
    try:
        check_versions()
    except AdaINError as error:
        print(f"error: {error}", file=sys.stderr)
        return USER_MISTAKE
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of files may have what the terminal's encoding has not
            stream.reconfigure(errors="backslashreplace")
    # What Pillow says of large pictures and broken metadata: the errors and warnings here say it in one line.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    started_as = "adain" if Path(sys.argv[0]).stem == "adain" else "python -m adain_core"
    parser = argparse.ArgumentParser(
        prog=started_as, description="Arbitrary style transfer with adaptive instance normalization."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        # Only the command asked for is imported: training needs a second more and 170 MB.
        wanted = [COMMANDS[name] for name in arguments[:1] if name in COMMANDS] or COMMANDS.values()
        for name in wanted:
            import_module(f".{name}", __package__).add_parser(commands)
        options = parser.parse_args(arguments)
        status = options.run(options) or 0
        print(end="", flush=True)  # so that a closed pipe is an error here and not at the end of the process
        return status
    except AdaINError as error:
        print(f"error: {error}", file=sys.stderr)
        return USER_MISTAKE
    except BrokenPipeError:  # whoever read the output, such as head, has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except OSError as error:  # such as a disk that is full by now
        print(f"error: {error}", file=sys.stderr)
        return USER_MISTAKE
    except Exception as error:
        from ..memory import is_out_of_memory  # with PyTorch, which is there by now

        if not is_out_of_memory(error):
            raise
        print(f"error: memory: {_NO_MEMORY} ({reason(error)})", file=sys.stderr)
        return USER_MISTAKE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
