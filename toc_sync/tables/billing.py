"""The billing application's tables as we see them.

They belong to that application: in production we never create, alter or index them; we create them ourselves only in the
embedded database and in an empty PostgreSQL.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    Identity,
    Index,
    MetaData,
    Table,
    Text,
)

from toc_sync.tables.types import Id, Instant, Json, Money

billing = MetaData()

teams = Table("teams", billing, Column("id", Id, Identity(), primary_key=True), Column("title", Text))

projects = Table(
    "projects",
    billing,
    Column("id", Id, Identity(), primary_key=True),
    Column("name", Text),
    Column("color", Text),
)

invoice_orders = Table(
    "invoice_orders",
    billing,
    Column("id", Id, Identity(), primary_key=True),
    Column("project_id", BigInteger),
    Column("billing_period_start", Date),
    Column("billing_period_end", Date),
    Column("issued_date", Date),
    Column("subtotal_amount", Money, nullable=False),
    Column("vat_amount", Money, nullable=False),
    Column("total_amount", Money, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", Instant),
    Column("updated_at", Instant),
)

issued_client_invoices = Table(
    "issued_client_invoices",
    billing,
    Column("id", Id, Identity(), primary_key=True),
    Column("invoice_number", Text),
    Column("external_invoice_id", Text),
    Column("invoice_date", Date),
    Column("due_date", Date),
    Column("subtotal_amount", Money, nullable=False),
    Column("vat_amount", Money, nullable=False),
    Column("total_amount", Money, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("issuer_team_id", BigInteger),
    Column("payer_team_id", BigInteger),
    Column("pdf_path", Text),
    Column("notes", Text),
    Column("api_response", Json),
    Column("created_at", Instant),
    Column("updated_at", Instant),
    # Without it SQLite gives the id of the newest invoice, once deleted, to the next one: our records would mix the two.
    sqlite_autoincrement=True,
)

issued_invoice_orders = Table(
    "issued_invoice_orders",
    billing,
    Column("id", Id, Identity(), primary_key=True),
    Column("issued_invoice_id", BigInteger),
    Column("invoice_order_id", BigInteger),
    Column("amount_override_subtotal", Money),
    Column("amount_override_vat", Money),
    Column("amount_override_total", Money),
    Column("created_at", Instant),
)

OWN_BILLING_INDEXES = (
    Index("ix_allocations_order", issued_invoice_orders.c.invoice_order_id),
    Index("ix_allocations_invoice", issued_invoice_orders.c.issued_invoice_id),
)
"""Made with the billing tables, so only where we created those ourselves."""
