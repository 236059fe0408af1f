"""What shows that a document was issued: a success that is said, and nothing anywhere that speaks against it.

Pure: no clock, no I/O. Written for answers that name no document; one that does has shown enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from toc_sync.answer import MAX_QUOTES, embedded, is_markup
from toc_sync.model import fold
from toc_sync.telling import LONGEST_TEXT, is_no, key_of, leaves

_YES = frozenset({"1", "true", "yes", "sim", "ok"})
_GOOD_WORDS = frozenset(
    "ok success successful succeeded sucesso issued created done completed complete finalized finalised synced sent paid"
    " emitida emitido criada criado concluido concluida final normal active 1 200 201 true yes sim".split()
)
_STATES = frozenset(
    "status state result outcome estado situacao resultado code status_code statuscode http_status http_code http"
    " codigo error_code response_code exit_code".split()
)
_SUCCESS_FLAGS = frozenset(
    "success ok sucesso succeeded successful issued created emitida emitido criada criado done synced sent finalized"
    " finalised completed valid accepted is_valid is_success is_successful is_ok is_issued".split()
)
_BAD_KEYS = frozenset(
    "error errors erro erros exception exceptions fault faults fail failed failure failures falha falhas falhou rejected"
    " rejection refused refusal recusada recusado denied invalid skipped skip ignored queued queue pending pendente"
    " processing dry dryrun simulated simulation simulacao preview mock draft rascunho deferred scheduled aborted timeout"
    " canceled cancelled voided void anulada anulado partial unissued unsent doubt warning warnings problem problems"
    " stack traceback rollback stub test".split()
)
_BAD_WORDS = re.compile(
    r"\berr(?:o|or)s?\b|\bfail|\bfalh|\binvali|nao e valid|nao (?:foi|pode|existe|tem|e|esta|ha)\b|\bnot\b|\bsem sucesso"
    r"|\brejeit|\breject|\brecus|\brefus|\bden(?:ied|y)|\bnegad|access_denied|\bunable\b|\bimpossi|\bcould ?n.t|\bcannot\b"
    r"|\bcan.t\b|\bexception|\bunsuccess|\bunauthor|\bforbid|\bmissing\b|\bem falta\b|\bunknown\b|\bnothing\b|\bnone\b"
    r"|\bpending\b|\bpendente|\bqueued?\b|\bem fila\b|\bprocess|\bdraft\b|\brascunho|\bskipp|\bignor|\bdry[ _-]?run|\bsimul"
    r"|\bmock|\bscheduled\b|\bagendad|\baguard|\bwaiting\b|\bhello\b|\bundefined\b|\bnan\b|\[object object\]|\btraceback"
    r"|\bja existe|\balready exists\b|\brequired\b|\bobrigat|\bvoid|\banulad|\bcancel|\blog ?in\b|\btimed? ?-?out|\babort|\bcrash|\blegacy\b|\bdisabled\b|\bexpired\b"
)


def says_success(value: dict[str, object]) -> bool:
    """Tells whether an answer says in its own place that it is issued: `success` or `already_issued`, and nothing vague."""
    said = value["success"] if "success" in value else value.get("already_issued")
    return _is_yes(said)


def is_rehearsal(value: object) -> bool:
    """Tells whether an answer says that it only tried: what it names was not issued."""
    tried = (
        "dry_run",
        "dryrun",
        "is_dry_run",
        "simulated",
        "simulation",
        "is_simulation",
        "preview",
        "is_preview",
        "is_draft",
        "draft",
    )
    return any(name in tried and not is_no(leaf) for name, leaf in leaves(value))


def any_failure(value: object) -> bool:
    """Tells whether anything in an answer speaks against the success that it says."""
    if any(_is_empty_result(name, part) for name, part in _containers(value)):
        return True
    return any(_is_of_failure(name, leaf) for name, leaf in leaves(value))


def _is_yes(value: object) -> bool:
    if isinstance(value, str):
        return fold(value).strip() in _YES
    return isinstance(value, int | float) and value == 1


def _is_of_failure(name: str, leaf: object) -> bool:
    if isinstance(leaf, str) and (is_markup(leaf) or _BAD_WORDS.search(fold(leaf[:LONGEST_TEXT]))):
        return True
    if name in _SUCCESS_FLAGS:
        return not _is_yes(leaf)
    if name in _STATES:
        return leaf is not None and fold(str(leaf)[:100]).strip() not in _GOOD_WORDS | {""}
    is_bad = bool(_BAD_KEYS.intersection(name.split("_")))
    return is_bad and not is_no(leaf)


def _containers(value: object, name: str = "", quotes: int = 0) -> Iterator[tuple[str, object]]:
    """Yields every object and list with the key it stands under, also in JSON inside texts."""
    if isinstance(value, dict):
        yield name, value
        for key, item in value.items():
            yield from _containers(item, key_of(key), quotes)
    elif isinstance(value, list):
        yield name, value
        for item in value:
            yield from _containers(item, name, quotes)
    elif isinstance(value, str) and quotes < MAX_QUOTES:
        for inner in embedded(value):
            yield from _containers(inner, name, quotes + 1)


def _is_empty_result(name: str, part: object) -> bool:
    """An empty place of the document, or a list of errors with anything in it."""
    is_bad = bool(_BAD_KEYS.intersection(name.split("_")))
    return (not part and name in ("data", "toc_data", "document", "success")) or (bool(part) and is_bad)
