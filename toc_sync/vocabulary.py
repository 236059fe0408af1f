"""The words that may stand around a refusal without saying anything themselves: "TOC API error 400:", "Bad Request".

Pure. What is not in here is not understood, and whoever says it besides a refusal leaves the invoice in doubt.
"""

from __future__ import annotations

import re

from toc_sync.model import GATEWAY_STATUSES, fold

_LONGEST = 300

_WORDS = frozenset(
    # who speaks
    "toc online toconline api edge function functions supabase server service http https rest client html"
    " servidor servico funcao integration integracao broker"
    # that something is wrong
    " error errors err exception failure failures failed fail fails failing erro erros falha falhas falhou falharam"
    " bad unprocessable entity content request requests response internal conflict forbidden unauthorized validation"
    " validations invalid invalido invalida invalidos invalidas rejected refused denied refuses rejects more one or"
    " pedido resposta validacao recusado recusada recusou rejeitado rejeitada rejeitou dados"
    " post get status code codigo estado"
    # what was to be done
    " create creating creation issue issuing issuance sync syncing invoice invoices document documents sales sale"
    " commercial criar criacao emitir emissao sincronizar sincronizacao fatura factura faturas documento documentos"
    " venda vendas comercial comerciais"
    # who says it, and how
    " returned returns replied reply responded responds said says answered answers reported respondeu devolveu disse"
    " could couldn can cannot not unable didn t was is has be did does the a an of to from by with in on at for while"
    " when during occurred because due that this"
    " nao foi possivel pode o os as um uma de do da dos das ao no na nos nas pelo pela por para porque com em que"
    " ocorreu ocorreram durante este esta"
    # what to do about it
    " please correct check verify corrija verifique por favor data input field fields parameter parameters attribute"
    " attributes value values campo campos linha linhas line lines customer cliente"
    # logging in
    " token access oauth oauth2 auth authentication authenticate authorization authorize authenticating login log sign"
    " refresh session credentials grant owner resource licence license key sessao autenticacao autorizacao acesso"
    " licenca authorized logging signing getting get".split()
)
_CODE = re.compile(r"(?:JA|TOC|ERR|E|P|HTTP)[-_]?[0-9]{1,5}|BROKER_[A-Z_]{1,40}|AUTH_[A-Z_]{1,40}|JA", re.IGNORECASE)
_CODE_IN_TEXT = re.compile(r"\b(?:ja[0-9]{3,4}|broker_[a-z_]{1,40})\b")
_INVOICE_ID = re.compile(r"\b(?:invoice|invoice_id|fatura|factura)(?: ?(?:id|#))?[ :=#]{0,3}[0-9]{1,19}(?![\w/.\-])")
_NOT_ISSUED = re.compile(
    r"\b(?:(?:was|were|is|are|has|have|could|can) ?(?:not|n't)|not|cannot)(?: (?:be|been))* (?:issued|created)\b"
    r"|\bnao (?:foi |foram |pode ser |podem ser )?(?:emitid|criad)[oa]s?\b"
)
_TO_TOC = re.compile(
    r"\b(?:send(?:ing)?|enviar|envio)(?: (?:the|a|da|de))?(?: (?:invoice|fatura|document|documento))? "
    r"(?:to|para|ao|a)(?: o| a)? (?:toc online|toconline|toc)\b"
)
_TOKEN = re.compile(r"[a-z]+[0-9]?|[0-9]+|[^\x00-\x7f]+")
_INNOCENT_MARKS = re.compile(r"[\s\w.,:;!?()\[\]{}<>\-–—→|#*\"'`“”‘’«»_/=]*")


def is_lead_in(text: str) -> bool:
    """Tells whether a text says nothing that matters: who speaks, that something failed, an HTTP status, a code."""
    if not text.strip() or _CODE.fullmatch(text.strip()):
        return True
    if len(text) > _LONGEST or not _INNOCENT_MARKS.fullmatch(text):
        return False
    spread = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    folded = _CODE_IN_TEXT.sub(" ", fold(spread))
    for phrase in (_INVOICE_ID, _TO_TOC, _NOT_ISSUED):
        folded = phrase.sub(" ", folded)
    return all(_is_known(token) for token in _TOKEN.findall(folded.replace("_", " ")))


def _is_known(token: str) -> bool:
    return _is_error_status(int(token)) if token.isdigit() and len(token) < 10 else token in _WORDS


def _is_error_status(number: int) -> bool:
    return 400 <= number <= 599 and number not in GATEWAY_STATUSES
