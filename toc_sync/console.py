"""The console: one line per event, for people and for whatever collects logs. Never a key, never a body."""

from __future__ import annotations

import logging

from toc_sync.secrecy import Blanker

_blanker = Blanker()
_usual_record = logging.getLogRecordFactory()
_traceback = logging.Formatter()


def log_to_console() -> None:
    """Writes this project's log lines to the console, once."""
    log = logging.getLogger("toc_sync")
    if not log.handlers:
        console = logging.StreamHandler()
        console.setFormatter(logging.Formatter("%(asctime)s %(levelname)s toc_sync %(message)s"))
        log.addHandler(console)
        log.setLevel(logging.INFO)
        log.propagate = False


def keep_out_of_the_log(blanker: Blanker) -> None:
    """From now on blanks secrets in every log line of this process, whoever writes it, tracebacks included."""
    global _blanker  # noqa: PLW0603  the log belongs to the whole process
    _blanker = blanker
    logging.setLogRecordFactory(_record)


def blanked(text: str) -> str:
    """Returns a sentence without secrets, as the log would show it."""
    return _blanker.text(text)


def _record(*args: object, **more: object) -> logging.LogRecord:
    record = _usual_record(*args, **more)
    if record.exc_info and record.exc_info[0] is not None:
        record.exc_text = _blanker.text(_traceback.formatException(record.exc_info))
    try:
        message = record.getMessage()
    except (TypeError, ValueError):
        return record  # a wrong call, which the handler reports
    if _blanker.finds(message):
        _blank(record, message)
    return record


def _blank(record: logging.LogRecord, message: str) -> None:
    if isinstance(record.args, tuple):  # some formatters take it apart
        record.msg, record.args = _blanker.text(str(record.msg)), tuple(map(_blanker.value, record.args))
    if _blanker.finds(record.getMessage()):
        record.msg, record.args = _blanker.text(message), ()
