"""Traces in an answer that forbid to call it certain: of a document, or of another course of things.

Pure: no clock, no I/O. A trace proves nothing; it only means that nobody can be certain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from toc_sync.answer import embedded
from toc_sync.model import fold

LONGEST_TEXT = 20_000
_MAX_QUOTES = 4

QUOTED = re.compile(
    r"(?<!\w)(?:'[^'|]{1,160}'(?!\w)|\"[^\"|]{1,160}\"|“[^”|]{1,160}”|‘[^’|]{1,160}’|’[^’|]{1,160}’(?!\w)|«[^»|]{1,160}»)"
)
_NUMBER = re.compile(
    r"\b(?:ft|fr|fs|nc|nd|vd|rc|rg|pf)[ .\-_]?[a-z0-9][a-z0-9.]{0,20}[/\-][0-9]+"
    r"|\b(?:ft|fr|fs|nc|nd|fatura|factura|invoice)\W{1,3}(?:n\S{0,2}\s)?[\w.\-]{1,20}\s?/\s?[0-9]+"
    r"|(?<![0-9/])20[0-9]{2}[a-z]?/[0-9]{1,7}(?![0-9/])"
    r"|\batcud\b|\b(?:saft|document)_?hash|\bhttps?://|\bwww\.|\.pdf\b"
    r"|\b(?:document|documento|doc|toc|uuid)[ _.#]*(?:id|no|n[.º°o]+|nr|number|numero)?[ :=#]*[0-9]+\b"
    r"|(?<!invoice )(?<!fatura )(?<!factura )(?<!with )(?<!com )\b(?:id|n[.º°]|number|numero)[ :=#]+[0-9]+\b"
)
_ATCUD = re.compile(r"(?<![\w\-])(?=[0-9]*[A-Z])[A-Z0-9]{8,12}-[0-9]{1,9}(?![\w\-])")
_DONE = (
    r"(?:issued|created|emitted|finali[sz]ed|submitted|transmitted|signed|sent|saved|stored|registered|recorded|booked"
    r"|posted|generated|printed|mailed|e-?mailed|delivered|communicated|synced|synchroni[sz]ed|completed|succeeded"
    r"|succe\w+|archived|uploaded|certified|adopted|voided|cancel+ed|credited|invoiced"
    r"|emitid[oa]s?|criad[oa]s?|enviad[oa]s?|gravad[oa]s?|guardad[oa]s?|registad[oa]s?|gerad[oa]s?|finalizad[oa]s?"
    r"|comunicad[oa]s?|sincronizad[oa]s?|concluid[oa]s?|impress[oa]s?|assinad[oa]s?|lancad[oa]s?|contabilizad[oa]s?"
    r"|sucesso|certificad[oa]s?|numerad[oa]s?|transmitid[oa]s?|submetid[oa]s?|anulad[oa]s?|faturad[oa]s?|facturad[oa]s?"
    r"|emitiu(?:-se)?|criou(?:-se)?|enviou(?:-se)?)"
)
_STATEMENT = re.compile(rf"\b{_DONE}\b")
NOT_DONE = re.compile(
    r"\b(?:(?:was|were|is|are|has|have|could|can|does|did) ?(?:not|n't)|not|never|cannot|unable to|must|to|before being)"
    rf"(?: (?:be|been|yet))* {_DONE}\b"
    r"|\b(?:no|nothing|no (?:document|invoice)) (?:was|has been|were) (?:issued|created)\b"
    rf"|\b(?:nao|nunca|nada|sem)(?: (?:foi|foram|esta|pode|podem|ser|sera|ficou|tem|ainda|possivel))* {_DONE}\b"
    rf"|\b(?:nenhum|nenhuma) (?:documento|fatura|factura) foi {_DONE}\b"
    rf"|\b(?:last|latest|previous|ultim[oa]|anterior) (?:{_DONE} )?(?:document|invoice|documento|fatura|factura)(?: {_DONE})?\b"
)
"""What was *not* done, and what was done to an earlier document, is no statement about this one."""

_ANOTHER_COURSE = re.compile(
    r"\btime[ds]?[ -]?out|timeout|\babort|\bcrash|\binterrupt|\bfetch failed\b|\bnetwork|\bsocket\b|connection|\beconn"
    r"|\benotfound\b|\betimedout\b|\bepipe\b|\bbroken pipe\b|\bhang ?up\b|gateway|\bupstream\b|\bunavailable\b"
    r"|\bunexpected end\b|\bunexpected token\b|not valid json|\btempo (?:limite|esgotado|de espera)|\bligacao\b"
    r"|\bconexao\b|\bindisponivel|\bexpirou\b|\bexcedid"
    r"|\bworker_|\b(?:un)?known outcome|\bunclear\b|\buncertain|\bunknown state|\bmay (?:already )?(?:be|have)\b|\bmight\b"
    r"|\bpode ter\b|\btalvez\b|\bpossibly\b|\bdesconhecid"
    r"|\battempts?\b|\btentativas?\b|\btry [0-9#]|\b(?:first|second|1st|2nd|last|previous) try\b|\bretr(?:y|ied|ying)\b"
    r"|\bre-?tentativa|\bsteps?\b|\bstage\b|\bpassos?\b|\betapas?\b|\bpartial|\bparcial|\bmultiple\b|\brollback|\brolled back"
    r"|\balready\b(?! (?:registered|taken) )|\bduplicat|\bduplicad|\bexists\b"
    r"|\bja (?:existem?|foi|esta|se encontra|tinha|emit|cri)(?! (?:o |um |este |outro )?cliente\b)"
    r"|\breceipts?\b|\brecibos?\b|\bpdf\b|\be-?mail|\bmail(?:ing|er)?\b|\bupload|\bstorage\b|\bwebhook|\bcredit note"
    r"|\bnotas? de credito\b|\banulacao\b|\bcomunicacao a at\b"
)
"""How it may have ended too: a loss, several tries or steps, a document that exists, a step after the issuing."""


def tells_of_document(text: str) -> bool:
    """Tells whether a text names a document, or says that one was made."""
    text = text[:LONGEST_TEXT]
    folded = fold(text)
    if _NUMBER.search(folded) or _ATCUD.search(text):
        return True
    spoken = NOT_DONE.sub(" ", QUOTED.sub(" ", folded).replace("_", " "))
    return _STATEMENT.search(spoken) is not None


def tells_of_another_course(text: str) -> bool:
    """Tells whether a text leaves open how it ended: a loss, several tries, an earlier document, a later step."""
    return _ANOTHER_COURSE.search(QUOTED.sub(" ", fold(text[:LONGEST_TEXT]))) is not None


# Whole answers ------------------------------------------------------------------------------------------------------

_OF_DOCUMENTS = frozenset(
    "document documento doc atcud hash qr qrcode pdf link links permalink href url download issued emitted issue emission"
    " emissao emitida emitido emitidas emitidos finalized finalised receipt fatura factura serie series uuid guid".split()
)
_NUMBERS = frozenset({"no", "nr", "num", "number", "numero", "id", "date"})
_HARMLESS = frozenset(
    "request_id x_request_id sb_request_id requestid correlation_id trace_id span_id execution_id invoice_id error_id"
    " event_id log_id session_id function_id deployment_id line_no line_number error_no error_number".split()
)
_GOOD_FLAGS = frozenset(
    "success ok sucesso succeeded successful issued created already_issued in_doubt emitida emitido criada criado"
    " sent synced done finalized finalised completed posted exists duplicate".split()
)


def any_document(value: object) -> bool:
    """Tells whether an answer tells of a document anywhere: under a key, as a flag, in a text, in JSON inside a text."""
    return any(_is_of_document(name, leaf) for name, leaf in leaves(value))


def any_other_course(value: object) -> bool:
    """Tells whether any text of an answer leaves open how it ended."""
    return any(isinstance(leaf, str) and tells_of_another_course(leaf) for _, leaf in leaves(value))


def leaves(value: object, name: str = "", quotes: int = 0) -> Iterator[tuple[str, object]]:
    """Yields what stands at the ends of a value with the key it stands under, also in JSON inside texts."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, key_of(key), quotes)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, name, quotes)
    else:
        yield name, value
        if isinstance(value, str) and quotes < _MAX_QUOTES:
            for inner in embedded(value):
                if not isinstance(inner, str) or inner != value:
                    yield from leaves(inner, name, quotes + 1)


def key_of(key: str) -> str:
    """Returns a key in the one spelling that is compared: `requestId`, `Request-ID` and `request_id` are the same."""
    spread = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key[:120].strip())
    return re.sub(r"[^a-z0-9]+", "_", fold(spread)).strip("_")


def is_no(value: object) -> bool:
    """Tells whether a value says no, or nothing."""
    if isinstance(value, str):
        return fold(value).strip() in {"", "0", "f", "false", "n", "no", "nao", "none", "null", "undefined"}
    return not value


def _is_of_document(name: str, leaf: object) -> bool:
    if leaf is None or leaf == "":
        return False
    if isinstance(leaf, str) and tells_of_document(leaf):
        return True
    if name in _GOOD_FLAGS:
        return not is_no(leaf)
    words = name.split("_")
    named = bool(_OF_DOCUMENTS.intersection(words)) or words[-1] in _NUMBERS or (words[-1] == "at" and len(words) > 1)
    return named and name not in _HARMLESS and leaf is not False and name not in ("failed_at", "occurred_at")
