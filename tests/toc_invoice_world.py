"""The world around the function of `docs/toc_invoice`: its database, TOC Online, and the real Deno that runs it.

`claim.sql` runs on a real PostgreSQL, behind a small server that speaks PostgREST's form of HTTP.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
from deno import find_deno_bin
from psycopg import sql
from sqlalchemy import create_engine

from toc_sync.tables import billing

FUNCTION = Path(__file__).parent.parent / "docs" / "toc_invoice"
OFFLINE = ("--no-remote", "--no-npm", "--no-lock", "--no-config")
PATIENCE_S = 20.0

_KEY = "service-role-key"
_ALLOWED = (
    "--allow-net=127.0.0.1",
    "--allow-env=SUPABASE_URL,SUPABASE_SERVICE_ROLE_KEY,TOC_API_URL,TOC_API_TOKEN,TOC_EXAMPLE_MAPPING,TOC_TIMEOUT_SECONDS",
)


class Server:
    """A real HTTP server on a free port of this machine, answering with what `respond` returns."""

    def __init__(self) -> None:
        outer = self

        class Connection(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                answer = outer.respond(self.command, self.path, dict(self.headers), json.loads(body or b"null"))
                if answer is not None:
                    # A function that was ended does not listen any more.
                    with contextlib.suppress(ConnectionError):
                        self._send(*answer)

            def _send(self, status: int, body: Any) -> None:
                content = b"" if body == "" else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST  # noqa: N815  # the library's name

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
                """Says nothing."""

        class Threads(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

        self._server = Threads(("127.0.0.1", 0), Connection)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def respond(self, method: str, path: str, headers: dict[str, str], body: Any) -> tuple[int, Any] | None:
        """Returns status and body to answer; None breaks the connection off."""
        raise NotImplementedError

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class TocOnline(Server):
    """Issues a new document for every POST, as TOC Online does, and looks documents up by our reference."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()
        super().__init__()

    def reset(self) -> None:
        """Forgets every document and every wish of a test."""
        self.documents: list[dict[str, Any]] = []
        self.answer_to_create: tuple[int, Any] | None = None
        self.answer_to_look_up: tuple[int, Any] | None = None
        self.loses_answers = False
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.has_issued = threading.Event()

    def respond(self, method: str, path: str, headers: dict[str, str], body: Any) -> tuple[int, Any] | None:
        assert headers["authorization"] == "Bearer toc-token"
        address = urlsplit(path)
        assert address.path == "/api/v1/commercial_sales_documents"
        if method == "GET":
            [wanted] = parse_qs(address.query)["filter[external_reference]"]
            return self.answer_to_look_up or (200, {"data": [self._as_json_api(found) for found in self.find(wanted)]})
        if self.answer_to_create:
            return self.answer_to_create
        document = self._issue(body)
        self.may_answer.wait(PATIENCE_S)
        return None if self.loses_answers else (200, document)

    def find(self, reference: str) -> list[dict[str, Any]]:
        with self._lock:
            return [document for document in self.documents if document["external_reference"] == reference]

    def _issue(self, body: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            number = len(self.documents) + 1
            document = {"id": number, "document_no": f"FT 2026/{number}", **body}
            self.documents.append(document)
        self.has_issued.set()
        return document

    @staticmethod
    def _as_json_api(document: dict[str, Any]) -> dict[str, Any]:
        attributes = {name: value for name, value in document.items() if name != "id"}
        return {"type": "commercial_sales_documents", "id": str(document["id"]), "attributes": attributes}


class PostgREST(Server):
    """Runs the database functions, and reads invoices, in the role the function has at Supabase."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.reset()
        super().__init__()

    def reset(self) -> None:
        """Forgets every wish of a test."""
        self.broken: set[str] = set()
        self.wait_s = 0.0

    def respond(self, method: str, path: str, headers: dict[str, str], body: Any) -> tuple[int, Any]:
        assert headers["apikey"] == _KEY
        name = urlsplit(path).path.removeprefix("/rest/v1/")
        if name in self.broken:
            return 503, {"code": "57P03", "message": "the database system is starting up"}
        threading.Event().wait(self.wait_s)
        try:
            return 200, self.run_as("service_role", *self._statement(name, path, body))
        except psycopg.Error as error:
            return 400, {"code": error.sqlstate, "message": str(error)}

    def run_as(self, role: str, statement: sql.SQL | sql.Composed, values: dict[str, Any]) -> Any:
        with psycopg.connect(self._address) as conn:
            conn.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
            row = conn.execute(statement, values).fetchone()
            return row[0] if row else None

    @staticmethod
    def _statement(name: str, path: str, body: Any) -> tuple[sql.Composed, dict[str, Any]]:
        if name == "issued_client_invoices":
            [wanted] = parse_qs(urlsplit(path).query)["id"]
            rows = sql.SQL("SELECT coalesce(jsonb_agg(to_jsonb(i)), '[]') FROM public.{} i WHERE id = %(id)s")
            return rows.format(sql.Identifier(name)), {"id": wanted.removeprefix("eq.")}
        values = {key: json.dumps(item) if isinstance(item, dict) else str(item) for key, item in body.items()}
        named = sql.SQL(", ").join(
            sql.SQL("{} => {}").format(sql.Identifier(key), sql.Placeholder(key)) for key in values
        )
        call = sql.SQL("SELECT public.{}({})")
        return call.format(sql.Identifier(name.removeprefix("rpc/")), named), values


class World:
    """The function at work between its database and TOC Online; `invoice` is there to be issued."""

    def __init__(self, *, address: str, database: PostgREST, toc: TocOnline, deno_dir: Path) -> None:
        self.address, self.database, self.toc = address, database, toc
        self._deno_dir = deno_dir
        self._deno: subprocess.Popen[str] | None = None
        self._variables: dict[str, str] = {}
        self.url = ""

    def reset(self) -> None:
        """Makes everything as it was at first; the function runs."""
        self.database.reset()
        self.toc.reset()
        self.execute("DELETE FROM toc_invoice_claims")
        self.execute("UPDATE issued_client_invoices SET api_response = NULL")
        if self._deno is None or self._variables:
            self.start()

    def start(self, **variables: str) -> None:
        """Starts the function, anew if it runs."""
        self.kill()
        self._variables = variables
        environment = {
            "SUPABASE_URL": self.database.url,
            "SUPABASE_SERVICE_ROLE_KEY": _KEY,
            "TOC_API_URL": self.toc.url,
            "TOC_API_TOKEN": "toc-token",
            "TOC_EXAMPLE_MAPPING": "yes",
        } | variables
        self._deno = subprocess.Popen(
            [find_deno_bin(), "run", *OFFLINE, *_ALLOWED, str(FUNCTION / "index.ts")],
            env=environment | quiet(self._deno_dir) | {"DENO_SERVE_ADDRESS": "tcp:127.0.0.1:0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.url = self._read_address(self._deno)

    def kill(self) -> None:
        """Ends the function at once, as the platform does with one that takes too long."""
        if self._deno:
            self._deno.kill()
            self._deno.wait()

    def post(self, body: object = None, timeout_s: float = PATIENCE_S) -> httpx.Response:
        with httpx.Client(trust_env=False, timeout=timeout_s) as client:
            return client.post(self.url, json={"invoice_id": 12} if body is None else body)

    def stored(self) -> Any:
        """Returns `api_response` of the invoice."""
        return self._query("SELECT api_response FROM issued_client_invoices WHERE id = 12")

    def claims(self) -> int:
        return int(self._query("SELECT count(*) FROM toc_invoice_claims"))

    def age_the_claim(self) -> None:
        """Makes the claim as old as it must be to be free again."""
        aged = self._query(
            "UPDATE toc_invoice_claims SET claimed_at = claimed_at - interval '601 seconds' RETURNING invoice_id"
        )
        assert aged == 12

    def execute(self, statement: str, *values: object) -> None:
        with psycopg.connect(self.address) as conn:
            conn.execute(statement, values)

    def _query(self, statement: str) -> Any:
        with psycopg.connect(self.address) as conn:
            row = conn.execute(statement).fetchone()
            return row[0] if row else None

    @staticmethod
    def _read_address(deno: subprocess.Popen[str]) -> str:
        assert deno.stdout
        said = ""
        for line in deno.stdout:
            said += line
            if found := re.search(r"Listening on (http://\S+)", line):
                # A full pipe would stop it, and its log helps when a test fails.
                threading.Thread(target=sys.stdout.writelines, args=(deno.stdout,), daemon=True).start()
                return found[1]
        raise AssertionError(f"the function did not start:\n{said}")


def quiet(deno_dir: Path) -> dict[str, str]:
    """Returns the environment of a Deno that keeps to its own folder and asks nobody about newer versions."""
    return {"DENO_DIR": str(deno_dir), "DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1"}


@contextlib.contextmanager
def world_around(postgres_url: str, folder: Path) -> Iterator[World]:
    """Prepares the database and both servers; `reset` starts the function. Everything ends with it."""
    engine = create_engine(postgres_url)
    with engine.begin() as conn:
        billing.create_all(conn)
    engine.dispose()
    address = postgres_url.replace("postgresql+psycopg", "postgresql", 1)
    _prepare(address)
    database, toc = PostgREST(address), TocOnline()
    world = World(address=address, database=database, toc=toc, deno_dir=folder / "deno")
    try:
        yield world
    finally:
        toc.may_answer.set()
        world.kill()
        database.close()
        toc.close()


def _prepare(address: str) -> None:
    with psycopg.connect(address) as conn:
        for role in ("anon NOLOGIN", "authenticated NOLOGIN", "service_role NOLOGIN BYPASSRLS"):
            # Supabase's roles; they belong to the whole server, and other tests may create them at this moment.
            conn.execute(
                f"DO $$ BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
            )
        conn.execute("GRANT ALL ON issued_client_invoices TO service_role")
        conn.execute(
            "INSERT INTO issued_client_invoices (id, invoice_date, due_date, subtotal_amount, vat_amount, total_amount,"
            " currency_code, status, payer_team_id)"
            " VALUES (12, '2026-11-20', '2026-12-20', 100, 23, 123, 'EUR', 'issued', 7)"
        )
        for _ in range(2):  # it may be run again at any time
            conn.execute((FUNCTION / "claim.sql").read_text())
