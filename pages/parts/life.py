"""An invoice's whole life in one line, and what its document is in law."""

from __future__ import annotations

import streamlit as st

from pages.parts import say
from pages.parts.facts import facts
from toc_sync import wording_life
from toc_sync.model import Certification
from toc_sync.views import InvoiceDetail
from toc_sync.wording_life import Mood, Step

ARROW = " :gray[→] "
_LOOKS = {
    Mood.DONE: ("green", "check_circle"),
    Mood.MOVING: ("blue", "sync"),
    Mood.FAILED: ("red", "cancel"),
    Mood.DOUBT: ("violet", "help"),
    Mood.IDLE: ("gray", "remove"),
}


def draw(detail: InvoiceDetail) -> None:
    """Draws the line; where the invoice is now stands out."""
    st.markdown(ARROW.join(_step(step) for step in wording_life.life(detail)))


def draw_certification(certification: Certification) -> None:
    """Draws what the answer said about the document in law, where it said anything."""
    if certification.says_anything:
        facts(
            {
                "ATCUD": certification.atcud,
                "Hash": certification.hash,
                "Communicated to the tax authority": certification.communicated,
            }
        )


def _step(step: Step) -> str:
    colour, icon = _LOOKS[step.mood]
    text = say.plain(f"{step.name} {step.when}".strip())
    if step.is_current:
        return f":{colour}-badge[:material/{icon}: **{text}**]"
    return text if step.mood in (Mood.DONE, Mood.IDLE) else f":{colour}[{text}]"
