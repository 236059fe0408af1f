/**
 * The Supabase edge function `toc_invoice`, in a form that issues each invoice once, whoever asks and how often.
 *
 *   POST {"invoice_id": 12}
 *     claim the invoice in the database        (claim.sql: of callers at the same moment one gets it)
 *     look its document up in TOC Online       found: adopt it
 *     issue it, with our reference written into the document
 *     write the outcome down                   the claim keeps the document for every later call
 *
 * Two functions belong to you and are marked YOURS below: `toDocument` and `tocToken`.
 */

/** The longest that one call to TOC Online takes. Far below the 10 minutes after which a claim is free again. */
const TIMEOUT_MS = Number(Deno.env.get("TOC_TIMEOUT_SECONDS") ?? "120") * 1000;
const DATABASE_TIMEOUT_MS = 10_000;

const CORS = {
  "access-control-allow-origin": "*",
  "access-control-allow-headers": "authorization, x-client-info, apikey, content-type, idempotency-key, x-request-id",
  "access-control-allow-methods": "POST, OPTIONS",
};

/** Sentences of TOC Online after which certainly nothing was issued, in lower case without accents. */
const REFUSALS = [
  /\bnif\b.{0,80}\bnao e valido/,
  /\bnao pode usar a serie\b.{0,120}\bainda nao foi comunicada\b/,
  /\bmeio de pagamento\b.{0,80}\bnao e reconhecido/,
  /\bdata\b.{0,80}\b(anterior|inferior)\b.{0,60}\bultim[oa]\b.{0,40}\b(documento|fatura|factura)\b/,
  /\b(sem|falta|indi[cq]\w+|obrigatori\w+|necessari\w+|deve|tem de)\b.{0,80}\b(motivo|razao) d[ea] isencao/,
  /\bja existe (o |um |este )?cliente\b/,
];

type Json = Record<string, unknown>;

type Claim =
  | { state: "claimed"; token: string }
  | { state: "issued"; document: Json }
  | { state: "busy"; free_at: string; wait_seconds: number };

/** How a call ended without a document; claim.sql says what each does to the claim. */
type Failure = "refused" | "not_sent" | "unknown";

/** Thrown where it is certain that nothing was issued. */
class Refused extends Error {
  constructor(message: string, readonly status = 422) {
    super(message);
  }
}

declare const EdgeRuntime: { waitUntil(work: Promise<unknown>): void } | undefined;

// ---------------------------------------------------------------------------------------------------- YOURS, replace --

/**
 * YOURS: what your function sends to TOC Online today for one invoice. Throw `Refused` for an invoice that cannot be issued.
 *
 * This one is only an example, and refuses to work unless told that this is meant: it would issue nonsense.
 */
async function toDocument(invoiceId: number): Promise<Json> {
  const rows = await database("GET", `issued_client_invoices?id=eq.${invoiceId}&select=*`) as Json[];
  if (rows.length === 0) throw new Refused(`Invoice ${invoiceId} not found`, 404);
  if (Deno.env.get("TOC_EXAMPLE_MAPPING") !== "yes") throw new Refused("toDocument is still the example: replace it");
  const invoice = rows[0];
  return {
    document_type: "FT",
    date: invoice.invoice_date,
    due_date: invoice.due_date,
    customer_business_name: `Payer ${invoice.payer_team_id}`,
    currency_iso_code: invoice.currency_code,
    lines: [{
      item_type: "Service",
      description: "Services",
      quantity: 1,
      unit_price: Number(invoice.subtotal_amount),
    }],
  };
}

/** YOURS: the access token of TOC Online, as your function gets it today (OAuth). */
function tocToken(): Promise<string> {
  return Promise.resolve(setting("TOC_API_TOKEN"));
}

// ----------------------------------------------------------------------------------------------------- keep as it is --

Deno.serve(async (request) => {
  if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: CORS });
  if (request.method !== "POST") return answer(405, { success: false, error: "Use POST" });
  const invoiceId = await readInvoiceId(request);
  if (invoiceId === null) return answer(400, { success: false, error: "invoice_id is missing or invalid" });
  const work = issueOnce(invoiceId);
  // The caller may leave; the work goes on, so that its outcome is written down.
  if (typeof EdgeRuntime !== "undefined") EdgeRuntime.waitUntil(work);
  return await work;
});

async function readInvoiceId(request: Request): Promise<number | null> {
  try {
    const id: unknown = (await request.json()).invoice_id;
    return typeof id === "number" && Number.isSafeInteger(id) && id > 0 ? id : null;
  } catch {
    return null;
  }
}

async function issueOnce(invoiceId: number): Promise<Response> {
  const startBefore = Date.now() + TIMEOUT_MS;
  try {
    const claim = await rpc("toc_invoice_claim", { p_invoice_id: invoiceId }) as Claim;
    if (claim.state === "issued") return issued(claim.document, true);
    if (claim.state === "busy") return busy(invoiceId, claim.free_at, claim.wait_seconds);
    return await issueClaimed(invoiceId, claim.token, startBefore);
  } catch (error) {
    // Without an answer of the database nobody knows what an earlier call did.
    return inDoubt(explain(error));
  }
}

async function issueClaimed(invoiceId: number, token: string, startBefore: number): Promise<Response> {
  let failure: Failure = "not_sent";
  try {
    const existing = await findDocument(invoiceId);
    if (existing) return await finish(invoiceId, existing, true);
    const wanted = await toDocument(invoiceId);
    const access = await tocToken();
    // A machine that stood still must not wake up and issue: by then the claim may be another call's.
    if (Date.now() > startBefore) throw new Error("Preparing the document took too long; nothing was sent");
    failure = "unknown";
    const document = await createDocument({ ...wanted, external_reference: reference(invoiceId) }, access);
    return await finish(invoiceId, document, false);
  } catch (error) {
    const refused = error instanceof Refused ? error : null;
    await fail(invoiceId, token, refused ? "refused" : failure, explain(error));
    return refused ? answer(refused.status, { success: false, error: refused.message }) : inDoubt(explain(error));
  }
}

/** What is written into the document. Closed at both ends: invoice 1 is no part of invoice 12. */
function reference(invoiceId: number): string {
  return `toc-invoice/${invoiceId}/`;
}

/** Returns the document that carries our reference, or null if TOC Online certainly has none. */
async function findDocument(invoiceId: number): Promise<Json | null> {
  const query = new URLSearchParams({ "filter[external_reference]": reference(invoiceId) });
  const reply = await toc("GET", `?${query}`, await tocToken());
  const said = await reply.text();
  if (!reply.ok) {
    console.error(`looking up ${reference(invoiceId)}: ${reply.status} ${sentence(said)}`);
    // Not in TOC Online's words: whoever recognises a refusal in them would take it for one of the invoice.
    throw new Error(`TOC Online could not be asked for the document (HTTP ${reply.status})`);
  }
  const documents = listed(JSON.parse(said));
  const ours = documents.filter((document) => document.external_reference === reference(invoiceId));
  if (ours.length === 1 && ours[0].document_no) return ours[0];
  if (ours.length > 0) {
    throw new Error(`TOC Online has ${ours.length} documents of this invoice, or one without a number`);
  }
  // Other invoices' documents mean that the filter was ignored: ours may be on another page.
  if (documents.length > 0) throw new Error("TOC Online did not search by our reference, so the document may exist");
  return null;
}

/** Issues the document. Throws Refused where TOC Online certainly did not; after any other error it may have. */
async function createDocument(wanted: Json, access: string): Promise<Json> {
  const reply = await toc("POST", "", access, wanted);
  const said = await reply.text();
  if (!reply.ok) {
    if (isRefusal(said)) throw new Refused(sentence(said));
    // Words of refusal beside a document refuse nothing: they are not passed on.
    const words = said.includes("document_no") ? "its answer names a document" : sentence(said);
    throw new Error(`TOC Online answered ${reply.status}: ${words}`);
  }
  const [document] = listed(JSON.parse(said));
  if (!document?.document_no) throw new Error("TOC Online answered without a document number");
  return document;
}

/** Returns the documents of an answer in one flat form; TOC Online sends them flat or as JSON:API. */
function listed(body: unknown): Json[] {
  const data = Array.isArray(body) ? body : (body as { data?: unknown }).data ?? [body];
  return (Array.isArray(data) ? data : [data]).map((item) => {
    const { id, attributes } = item as { id?: unknown; attributes?: Json };
    return attributes ? { id, ...attributes } : item as Json;
  });
}

function isRefusal(said: string): boolean {
  const plain = sentence(said).normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  return !said.includes("document_no") && REFUSALS.some((refusal) => refusal.test(plain));
}

/** Returns what an error body says to people: the text of its fields, else the body itself. */
function sentence(said: string): string {
  try {
    const { errors, error, message } = JSON.parse(said);
    const details = Array.isArray(errors) ? errors.map((one) => one.detail ?? one.title) : [error ?? message];
    const texts = details.filter((text) => typeof text === "string");
    if (texts.length > 0) return texts.join(" ");
  } catch {
    // Not JSON: the body is the text.
  }
  return said.slice(0, 2000);
}

async function finish(invoiceId: number, document: Json, wasThere: boolean): Promise<Response> {
  try {
    const counts = await rpc("toc_invoice_finish", { p_invoice_id: invoiceId, p_document: document }) as Json;
    if (counts.document_no !== document.document_no) {
      return inDoubt(`Two documents may exist for this invoice: ${counts.document_no} and ${document.document_no}`);
    }
  } catch (error) {
    // It is issued all the same; the next call finds it in TOC Online.
    console.error(`invoice ${invoiceId}: issued as ${document.document_no}, but not written down: ${explain(error)}`);
  }
  return issued(document, wasThere);
}

async function fail(invoiceId: number, token: string, failure: Failure, error: string): Promise<void> {
  console.error(`invoice ${invoiceId}: ${failure}: ${error}`);
  try {
    await rpc("toc_invoice_fail", {
      p_invoice_id: invoiceId,
      p_token: token,
      p_outcome: failure,
      p_error: failure === "refused" ? error : doubt(error),
    });
  } catch (failed) {
    // The claim stays and is free again after 10 minutes.
    console.error(`invoice ${invoiceId}: not written down: ${explain(failed)}`);
  }
}

function issued(document: Json, already: boolean): Response {
  const { document_no } = document;
  return answer(200, { success: true, already_issued: already, document_no, toc_data: document });
}

function busy(invoiceId: number, freeAt: string, waitSeconds: number): Response {
  const error =
    `Invoice ${invoiceId} is already being issued, or its last try ended without an answer. Retry after ${freeAt}`;
  return answer(409, { success: false, in_doubt: true, error }, { "retry-after": String(waitSeconds) });
}

function inDoubt(error: string): Response {
  return answer(500, { success: false, in_doubt: true, error: doubt(error) });
}

function doubt(error: string): string {
  return `May already be issued in TOC Online; a retry after 10 minutes looks it up first. ${error}`;
}

function answer(status: number, body: Json, headers: Record<string, string> = {}): Response {
  return Response.json(body, { status, headers: { ...CORS, ...headers } });
}

function toc(method: string, rest: string, access: string, body?: Json): Promise<Response> {
  return fetch(`${setting("TOC_API_URL")}/api/v1/commercial_sales_documents${rest}`, {
    method,
    headers: { authorization: `Bearer ${access}`, accept: "application/json", "content-type": "application/json" },
    body: body && JSON.stringify(body),
    // A followed redirect could post twice.
    redirect: "error",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
}

function rpc(name: string, parameters: Json): Promise<unknown> {
  return database("POST", `rpc/${name}`, parameters);
}

async function database(method: string, path: string, body?: Json): Promise<unknown> {
  const key = setting("SUPABASE_SERVICE_ROLE_KEY");
  const reply = await fetch(`${setting("SUPABASE_URL")}/rest/v1/${path}`, {
    method,
    headers: { apikey: key, authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(DATABASE_TIMEOUT_MS),
  });
  const said = await reply.text();
  if (!reply.ok) throw new Error(`The database answered ${reply.status}: ${sentence(said)}`);
  return said ? JSON.parse(said) : null;
}

function setting(name: string): string {
  const value = Deno.env.get(name);
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

function explain(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
