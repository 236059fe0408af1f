"""The witness: a small file outside the database that knows which claims were sent, written before each request leaves.

A copy and a backup do not hold what happened after them; the witness does. It is kept in this user's state folder, and
for SQLite first of all beside the database file. Only its own files are touched; what its words mean is another room's.

Writing one takes no waiting for the disk. A killed process loses nothing of it. A power cut may lose the last second:
then the machine's start is another one, and the testimony counts as incomplete.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

from toc_sync.model import Mark, Unwitnessed
from toc_sync.recognition import Place, Seen, Testimony, differing, in_brief

SIZE = 4096
"""One page, always rewritten as a whole: a process that is killed leaves the old one or the new one."""

KEPT = 96
"""How many claims are remembered: more than can be between their commit and their request at once."""

HELD_AT_MOST_S = 1.0
LOOKED_EVERY_S = 0.0005
"""How long another program may hold a witness, which takes it a moment, and how often that is looked at."""

_CHECKSUM = 10
_IN_A_CONTAINER = (Path("/.dockerenv"), Path("/run/.containerenv"))
_CANNOT = "Nothing is sent: what is sent cannot be written down in {folder} ({why}). It goes on by itself when it can."
_GONE = "Nothing was sent: what was sent before is not written down in {folder} any more."
_ANOTHER = "Nothing was sent: another copy of this database sent from this machine a moment ago."


class Watch:
    """What one process writes down, and finds written, about the database it sends from. Safe for many threads."""

    def __init__(self, *, folder: Path | None, database_file: Path | None = None) -> None:
        self._folder = folder
        self._beside = database_file.with_name(f"{database_file.name}.witness") if database_file else None
        self.database_id: str | None = None
        """The database that was last recognised, by its own name."""
        self.verified: object = None
        """What was last examined as a whole and found in order."""
        self.keeper: str | None = None
        """The folder that keeps it, by a name that no other has."""
        self.obstacle: str | None = None
        """Why this process sends nothing although invoices may leave."""
        self._has_noted = False

    @property
    def is_beside(self) -> bool:
        """Tells whether the witness lies beside the database, so that it must be there."""
        return self._beside is not None

    @property
    def file_name(self) -> str:
        """The name of the file beside the database, for sentences."""
        return self._beside.name if self._beside else ""

    def try_out(self) -> None:
        """Raises Unwitnessed where the witness could not be written."""
        (file, *_) = self._files("try")
        with _explained(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            _check_room(file.parent)

    def read(self) -> Testimony | None:
        """Returns what is known about the database that was last recognised. Raises Unwitnessed if it cannot be kept."""
        if self.database_id is None:
            return None
        files = self._files(self.database_id)
        with _explained(files[0]):
            found = _rewritten(files[0], lambda told: told)
        if found is None or found.database_id != self.database_id:
            return None
        self.keeper = found.keeper
        for file in files[1:]:
            with suppress(OSError):
                found = _together(found, _rewritten(file, lambda told: told))
        return found

    def begin(self, database_id: str, place: Place, seen: Seen | None) -> Testimony:
        """Begins a testimony about a database, in place of any other. Raises Unwitnessed."""
        files = self._files(database_id)
        told = Testimony(
            database_id=database_id,
            keeper=uuid.uuid4().hex[:16],
            place=in_brief(place),
            boot=boot_id(),
            stopped=False,
            seen=seen,
        )
        self.database_id = database_id
        for number, file in enumerate(files):
            with _explained(file) if number == 0 else suppress(OSError):
                _create(file)
                _rewritten(file, lambda _: told)
        return told

    def rebind(self, place: Place, seen: Seen | None) -> None:
        """Writes down where the database lies now, and the newest attempt in it. Raises Unwitnessed."""
        self._change(lambda told: replace(told, place=in_brief(place), seen=_newer(told.seen, seen)))

    def note(self, mark: Mark) -> None:
        """Writes down a claim, before its request leaves. Raises Unwitnessed, and then nothing may leave."""

        def noted(told: Testimony) -> Testimony:
            if told.database_id != mark.database_id or differing(told.place, mark.place):
                raise Unwitnessed(_ANOTHER)
            claims = (*told.claims, mark.claim)[-KEPT:]
            return replace(told, claims=claims, seen=_newer(told.seen, mark.seen), boot=boot_id(), stopped=False)

        self._change(noted)
        self._has_noted = True

    def stop(self) -> None:
        """Says that this process has written down all it will ever send, and waits until the disk has it."""
        if not self._has_noted:
            return
        with suppress(Unwitnessed):
            self._change(lambda told: replace(told, stopped=True, boot=boot_id()))

    def _change(self, change: Callable[[Testimony], Testimony]) -> None:
        assert self.database_id is not None
        first, *others = self._files(self.database_id)
        with _explained(first):
            changed = _rewritten(first, lambda told: change(told) if told else None)
        if changed is None:
            raise Unwitnessed(_GONE.format(folder=first.parent))
        for file in others:
            with suppress(OSError, Unwitnessed):
                _create(file)
                _rewritten(file, lambda told: change(told) if told else changed)

    def _files(self, database_id: str) -> tuple[Path, ...]:
        """Returns the file that must be written, and the one that may be."""
        in_folder = self._folder / f"{database_id}.witness" if self._folder else None
        files = tuple(file for file in (self._beside, in_folder) if file)
        assert files, "a watch has a folder or a file"
        return files


@cache
def boot_id() -> str:
    """Returns a name for this start of the machine; empty where the system has none."""
    return _word_in(Path("/proc/sys/kernel/random/boot_id"))


def file_place(file: Path) -> Place:
    """Returns where an SQLite file lies: machine (unless this is a container), path, file and device."""
    try:
        real, found = file.resolve(), file.stat()
    except OSError:
        return {}
    machine = _machine_id()
    place = {"path": str(real), "file": str(found.st_ino), "device": f"{boot_id()}/{found.st_dev}"}
    return place | ({"machine": machine} if machine else {})


@cache
def _machine_id() -> str:
    return "" if any(mark.exists() for mark in _IN_A_CONTAINER) else _word_in(Path("/etc/machine-id"))


def _word_in(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _together(one: Testimony, other: Testimony | None) -> Testimony:
    if other is None or other.database_id != one.database_id:
        return one
    claims = tuple(dict.fromkeys((*other.claims, *one.claims)))
    return replace(one, claims=claims, seen=_newer(one.seen, other.seen))


def _newer(one: Seen | None, other: Seen | None) -> Seen | None:
    return max(filter(None, (one, other)), default=None)


def _create(file: Path) -> None:
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as created:
            created.write(bytes(SIZE))


def _rewritten(file: Path, change: Callable[[Testimony | None], Testimony | None]) -> Testimony | None:
    """Reads, changes and writes one file while nobody else does; returns what stands in it then, None if nothing.

    It is written even where nothing changes: that shows whether it can be.
    """
    try:
        _check_room(file.parent)
        handle = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        _lock(handle)
        before = os.pread(handle, SIZE, 0)
        found = _parse(before)
        told = change(found)
        if told is not None:
            _write(handle, before if told is found else _as_page(told), before)
            # The disk is waited for only where the word "stopped" comes or goes.
            if found is None or told.stopped is not found.stopped:
                os.fdatasync(handle)
        return told
    finally:
        os.close(handle)


def _lock(handle: int) -> None:
    """Raises OSError where another program does not give the file back: one that stands still must not stop all silently."""
    until = time.monotonic() + HELD_AT_MOST_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise OSError(0, "another program holds the file and stands still") from None
            time.sleep(LOOKED_EVERY_S)
        else:
            return


def _check_room(folder: Path) -> None:
    """Raises OSError where a new file could not be written: that a page of an old one still can be is no ground to send."""
    if not os.access(folder, os.W_OK) and folder.exists():
        raise PermissionError(0, "the folder is read-only")
    room = os.statvfs(folder)
    if room.f_blocks and not room.f_bavail:
        raise OSError(0, "no space left")


def _write(handle: int, page: bytes, before: bytes) -> None:
    if os.pwrite(handle, page, 0) != SIZE:
        os.pwrite(handle, before, 0)
        raise OSError(0, "no space left")


def _as_page(told: Testimony) -> bytes:
    words = {
        "database": told.database_id,
        "keeper": told.keeper,
        "place": told.place,
        "boot": told.boot,
        "stopped": told.stopped,
        "seen": told.seen,
        "claims": told.claims,
    }
    body = json.dumps(words, separators=(",", ":")).encode().ljust(SIZE - _CHECKSUM)
    assert len(body) == SIZE - _CHECKSUM, "a testimony fits one page"
    return body + b" %08x\n" % zlib.crc32(body)


def _parse(page: bytes) -> Testimony | None:
    body, checksum = page[:-_CHECKSUM], page[-_CHECKSUM:]
    if len(page) != SIZE or checksum != b" %08x\n" % zlib.crc32(body):
        return None
    words = json.loads(body)
    return Testimony(
        database_id=words["database"],
        keeper=words["keeper"],
        place=words["place"],
        boot=words["boot"],
        stopped=words["stopped"],
        seen=tuple(words["seen"]) if words["seen"] else None,
        claims=tuple((number, request) for number, request in words["claims"]),
    )


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unwitnessed(_CANNOT.format(folder=file.parent, why=error.strerror or type(error).__name__)) from error
