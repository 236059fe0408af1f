"""The sandbox: stands in for the platform, the function `toc_invoice` and TOC Online's numbering.

Nothing it issues is a legal document. It imports nothing of the project but `model`.
"""

from toc_sync.sandbox.application import create_application
from toc_sync.sandbox.behaviours import Behaviour
from toc_sync.sandbox.documents import SandboxDocuments
from toc_sync.sandbox.server import Sandbox

__all__ = ["Behaviour", "Sandbox", "SandboxDocuments", "create_application"]
