"""The schema: the billing application's tables as we see them, and our own tables.

Says what exists, never what happens to it.
"""

from toc_sync.tables.billing import (
    OWN_BILLING_INDEXES,
    billing,
    invoice_orders,
    issued_client_invoices,
    issued_invoice_orders,
    projects,
    teams,
)
from toc_sync.tables.desk import (
    batch_items,
    batches,
    creation_tokens,
    error_groups,
    gate,
    gate_log,
    gate_wishes,
    incidents,
    markers,
    onlookers,
    sync_actions,
    sync_workers,
    taught_refusals,
)
from toc_sync.tables.ledger import OUR_SCHEMA, ours, sync_attempts, sync_records
from toc_sync.tables.types import Id, Instant, Json, Money

__all__ = [
    "OUR_SCHEMA",
    "OWN_BILLING_INDEXES",
    "Id",
    "Instant",
    "Json",
    "Money",
    "batch_items",
    "batches",
    "billing",
    "creation_tokens",
    "error_groups",
    "gate",
    "gate_log",
    "gate_wishes",
    "incidents",
    "invoice_orders",
    "issued_client_invoices",
    "issued_invoice_orders",
    "markers",
    "onlookers",
    "ours",
    "projects",
    "sync_actions",
    "sync_attempts",
    "sync_records",
    "sync_workers",
    "taught_refusals",
    "teams",
]
