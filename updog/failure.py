"""How an error ends a command: one line, a hint, an exit code, and never a traceback unasked.

Every error of ours brings its own exit code (formats 5.3, D12); a foreign one is our mistake.
"""

from __future__ import annotations

import os
import sys

from partitions.colour import RED, YELLOW, paint
from partitions.errors import EX_IOERR, EX_NOPERM, PartitionError
from updog import logs
from updog.closedpipe import give_out_the_rest, let_go_of_stdout
from updog.errors import InternalError, UpdogError
from updog.verbs import in_our_words


def told(error: Exception) -> int:
    """Say what went wrong on stderr.

    Returns:
        The exit code.
    """
    from updog.redact import redactor  # noqa: PLC0415 - start-up: only after a failure

    hide = redactor(os.environ)
    if logs.debugging():
        import traceback  # noqa: PLC0415 - start-up: only for details

        sys.stderr.write(hide("".join(traceback.format_exception(error))))
    if isinstance(error, BrokenPipeError):
        let_go_of_stdout()
        return EX_IOERR
    if isinstance(error, OSError):
        give_out_the_rest()
    code, hint = _exit_code(error), hide(getattr(error, "hint", ""))
    _say(hide(_message(error)), hint, code)
    return code


def _say(message: str, hint: str, code: int) -> None:
    if logs.structured():
        from updog import events  # noqa: PLC0415 - start-up: only after a failure

        events.tell(events.FAILED, why=message, hint=hint, exit_code=code)
        return
    sys.stderr.write(f"{_line_start()}{paint('updog:', RED, sys.stderr)} {message}\n")
    if hint:
        sys.stderr.write(f"{paint('hint:', YELLOW, sys.stderr)} {hint}\n")


def _line_start() -> str:
    """What makes room at a terminal, where a progress line may have stopped."""
    from updog.progress import CLEAR  # noqa: PLC0415 - start-up: only after a failure

    return CLEAR if sys.stderr.isatty() else ""


def _message(error: Exception) -> str:
    if isinstance(error, UpdogError | PartitionError):
        return in_our_words(error)
    if isinstance(error, OSError):
        # What has no name is the output: all that we keep is written by functions that name it.
        return f"{error.filename or 'the output'}: {error.strerror or error}."
    return f"internal error: {type(error).__name__}: {error}. Please report it."


def _exit_code(error: Exception) -> int:
    if isinstance(error, UpdogError | PartitionError):
        return error.exit_code
    if isinstance(error, PermissionError):
        return EX_NOPERM
    return EX_IOERR if isinstance(error, OSError) else InternalError.exit_code
