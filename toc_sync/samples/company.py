"""An invented company: its teams and projects, and its invoices before anything became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any

from toc_sync import wording
from toc_sync.model import Invoice
from toc_sync.samples.stories import Story

CENT = Decimal("0.01")
VAT_PERCENT = (23, 23, 23, 23, 13, 6)
ISSUERS = ("Atlântico Digital, Lda.", "Norte Consultores, S.A.")
PREFIXES = ("LX", "NT")
"""Each issuer's mark in invoice numbers and in the series of its documents."""
PAYERS = (
    "Azulejos Monteverde, S.A.",
    "Café Beira-Rio, Lda.",
    "Clínica São Gonçalo",
    "Cooperativa Olival & Serra",
    "Hotel Miramar do Guincho, S.A.",
    "Livraria Lua Nova, Unipessoal Lda.",
    "Município de Vale Sereno",
    "Padaria do Largo, Lda.",
    "Quinta das Andorinhas, S.A.",
    "Transportes Irmãos Falcão, Lda.",
)
PROJECTS = (
    ("Loja em linha", "#2E86AB"),
    ("Menu e reservas", "#E07A5F"),
    ("Portal do utente", "#3D9970"),
    ("Gestão da colheita", "#8A6FB3"),
    ("Aplicação de hóspedes", "#D4A017"),
    ("Catálogo digital", "#C2185B"),
    ("Balcão único", "#546E7A"),
    ("Encomendas e entregas", "#6D8B3C"),
)
WORKS = ("Desenvolvimento", "Manutenção", "Alojamento", "Formação", "Apoio técnico", "Consultoria", "Auditoria")
MONTHS = "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro".split()
SETTLED_AFTER = timedelta(days=20)


@dataclass(frozen=True, kw_only=True)
class FirstIds:
    """The ids from which on nothing exists yet."""

    team: int
    project: int
    order: int
    invoice: int

    def payer(self, n: int) -> int:
        """Returns the team id of the payer at that place in the table."""
        return self.team + len(ISSUERS) + n


@dataclass(frozen=True, kw_only=True)
class Sample:
    """An invoice before anything became of it, its story, and the place of its project in the table."""

    invoice: Invoice
    story: Story
    project: int
    created_at: datetime

    @property
    def issuer(self) -> int:
        """The place of its issuer in the table."""
        return self.project % len(ISSUERS)


def team_rows(first: FirstIds) -> list[dict[str, Any]]:
    """Returns the rows of all teams: those who issue, then those who pay."""
    return [{"id": first.team + n, "title": title} for n, title in enumerate(ISSUERS + PAYERS)]


def project_rows(first: FirstIds) -> list[dict[str, Any]]:
    """Returns the rows of all projects."""
    return [{"id": first.project + n, "name": name, "color": color} for n, (name, color) in enumerate(PROJECTS)]


def invent_invoices(
    first: FirstIds, rng: Random, stories: Sequence[tuple[timedelta, Story]], *, now: datetime
) -> list[Sample]:
    """Returns one invoice for each story, in the order given."""
    numbers: Counter[str] = Counter()
    return [
        _invent(first.invoice + n, first, rng, story, numbers, age=age, created_at=now - age)
        for n, (age, story) in enumerate(stories)
    ]


def percent(amount: Decimal, share: int) -> Decimal:
    """Returns `share` percent of an amount, rounded half up to the cent."""
    return (amount * share / 100).quantize(CENT, rounding=ROUND_HALF_UP)


def _invent(
    invoice_id: int,
    first: FirstIds,
    rng: Random,
    story: Story,
    numbers: Counter[str],
    *,
    age: timedelta,
    created_at: datetime,
) -> Sample:
    project = rng.randrange(len(PROJECTS))
    issuer = project % len(ISSUERS)
    # Each project has its usual payer; some work is for others.
    payer = project if rng.random() < 0.8 else rng.randrange(len(PAYERS))
    day = created_at.astimezone(wording.ZONE).date()
    prefix = f"{PREFIXES[issuer]} {day.year}/"
    numbers[prefix] += 1
    subtotal = Decimal(rng.randrange(4_500, 900_000)) * CENT
    vat = percent(subtotal, rng.choice(VAT_PERCENT))
    invoice = Invoice(
        invoice_id=invoice_id,
        invoice_number=f"{prefix}{numbers[prefix]:04d}",
        external_invoice_id=None,
        invoice_date=day,
        subtotal_amount=subtotal,
        vat_amount=vat,
        total_amount=subtotal + vat,
        currency_code="EUR",
        status=_billing_status(rng, story, age),
        issuer_team_id=first.team + issuer,
        issuer=ISSUERS[issuer],
        payer_team_id=first.payer(payer),
        payer=PAYERS[payer],
        notes=f"{rng.choice(WORKS)}, {MONTHS[day.month - 1]} de {day.year}",
        api_response=None,
        created_at=created_at,
        updated_at=created_at,
    )
    return Sample(invoice=invoice, story=story, project=project, created_at=created_at)


def _billing_status(rng: Random, story: Story, age: timedelta) -> str:
    if story.invoice_status != "issued" or age < SETTLED_AFTER:
        return story.invoice_status
    return rng.choice(("issued", "partially_paid", "paid", "paid", "paid"))
