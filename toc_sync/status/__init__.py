"""Every read of sync state: the list, one invoice, the overview, the orders.

SQL in the caller's connection; never writes, never commits, takes `now` as an argument. Lists read our own indexed
copies in `sync_records`; one invoice is read from the billing tables as it is now.
"""

from toc_sync.status.activity import export_activity, list_activity, read_evidence
from toc_sync.status.batches import current_batches, export_items, list_batches, list_items, read_batch, read_outage
from toc_sync.status.company import read_company, read_onlookers
from toc_sync.status.detail import read_detail, read_states
from toc_sync.status.due import count_due
from toc_sync.status.gate import read_gate_view, read_sending
from toc_sync.status.groups import read_groups
from toc_sync.status.health import read_health
from toc_sync.status.invoices import count_invoices, export_invoices, list_invoices, read_rows
from toc_sync.status.months import list_months, month_invoices, read_month
from toc_sync.status.orders import list_orders, read_orders
from toc_sync.status.overview import read_overview, read_presence
from toc_sync.status.people import list_projects, list_teams, similar_invoices, teams_of_project
from toc_sync.status.proof import prove
from toc_sync.status.resolving import preview_send_again
from toc_sync.status.selecting import preview_batch, select_sendable
from toc_sync.status.standstill import prove_movement
from toc_sync.status.teaching import preview_teaching, read_taught

__all__ = [
    "count_due",
    "count_invoices",
    "current_batches",
    "export_activity",
    "export_invoices",
    "export_items",
    "list_activity",
    "list_batches",
    "list_invoices",
    "list_items",
    "list_months",
    "list_orders",
    "list_projects",
    "list_teams",
    "month_invoices",
    "preview_batch",
    "preview_send_again",
    "preview_teaching",
    "prove",
    "prove_movement",
    "read_batch",
    "read_company",
    "read_detail",
    "read_evidence",
    "read_gate_view",
    "read_groups",
    "read_health",
    "read_month",
    "read_onlookers",
    "read_orders",
    "read_outage",
    "read_overview",
    "read_presence",
    "read_rows",
    "read_sending",
    "read_states",
    "read_taught",
    "select_sendable",
    "similar_invoices",
    "teams_of_project",
]
