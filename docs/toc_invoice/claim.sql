-- What the function `toc_invoice` needs in the database so that it issues each invoice once: one small table and a few
-- functions. Run it in the SQL editor of the billing application's database; it may be run again at any time.
-- It changes no existing table. The table is the billing application's: its owner decides about it.

create table if not exists public.toc_invoice_claims (
  -- No foreign key: the claim of a deleted invoice still says that its document exists.
  invoice_id bigint primary key,
  token uuid not null,
  claimed_at timestamptz not null,
  document jsonb
);

comment on table public.toc_invoice_claims is
  'Who may issue an invoice in TOC Online. With a document: issued. Without: being issued, or nobody knows.';

-- For the function only: with the public key nobody may read or write claims.
alter table public.toc_invoice_claims enable row level security;
revoke all on public.toc_invoice_claims from public, anon, authenticated;
grant select, insert, update, delete on public.toc_invoice_claims to service_role;


-- The document that `api_response` tells of, or null: issued before there were claims, or found by a person.
create or replace function public.toc_invoice_stored_document(p_invoice_id bigint) returns jsonb
language plpgsql set search_path = '' as $$
declare
  stored jsonb;
begin
  select api_response into stored from public.issued_client_invoices where id = p_invoice_id;
  -- Some values are texts that hold the JSON.
  if jsonb_typeof(stored) = 'string' then
    stored := (stored #>> '{}')::jsonb;
  end if;
  if stored @> '{"success": true}' or stored @? '$.**.document_no ? (@ != null)' then
    return case when jsonb_typeof(stored -> 'toc_data') = 'object' then stored -> 'toc_data' else stored end;
  end if;
  return null;
exception when invalid_text_representation then
  return null;
end $$;


-- Claims an invoice. Answers one of
--   {"state": "claimed", "token": …}                     the caller may look the document up, and issue it if there is none
--   {"state": "issued", "document": …}                   it was issued before
--   {"state": "busy", "free_at": …, "wait_seconds": …}   another call has it, or ended without an outcome
-- A claim without an outcome is free again after 10 minutes: the platform ends every call long before that.
create or replace function public.toc_invoice_claim(p_invoice_id bigint) returns jsonb
language plpgsql set search_path = '' as $$
declare
  patience constant interval := interval '10 minutes';
  my_token constant uuid := gen_random_uuid();
  stored jsonb := public.toc_invoice_stored_document(p_invoice_id);
  claim public.toc_invoice_claims;
begin
  if stored is not null then
    return jsonb_build_object('state', 'issued', 'document', stored);
  end if;

  -- One statement: of callers at the same moment exactly one gets the row.
  insert into public.toc_invoice_claims as mine (invoice_id, token, claimed_at)
  values (p_invoice_id, my_token, clock_timestamp())
  on conflict (invoice_id) do update set token = excluded.token, claimed_at = excluded.claimed_at
    where mine.document is null and mine.claimed_at < clock_timestamp() - patience
  returning * into claim;
  if found then
    return jsonb_build_object('state', 'claimed', 'token', my_token);
  end if;

  select * into claim from public.toc_invoice_claims where invoice_id = p_invoice_id;
  if claim.document is not null then
    return jsonb_build_object('state', 'issued', 'document', claim.document);
  end if;
  -- A claim that was given back this very moment counts as busy too; it is free at once.
  return jsonb_build_object('state', 'busy',
    'free_at', coalesce(claim.claimed_at + patience, clock_timestamp()),
    'wait_seconds', ceil(coalesce(extract(epoch from claim.claimed_at + patience - clock_timestamp()), 0)));
end $$;


-- Writes down that an invoice is issued, in its claim and in `api_response`, and returns the document that counts.
-- It needs no token: a document that exists is true whoever reports it. The first one stays.
create or replace function public.toc_invoice_finish(p_invoice_id bigint, p_document jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  counts jsonb;
begin
  insert into public.toc_invoice_claims as mine (invoice_id, token, claimed_at, document)
  values (p_invoice_id, gen_random_uuid(), clock_timestamp(), p_document)
  on conflict (invoice_id) do update set document = coalesce(mine.document, excluded.document)
  returning document into counts;

  update public.issued_client_invoices
  set api_response = jsonb_build_object(
    'success', true, 'synced_at', public.toc_invoice_now(), 'toc_data', counts, 'document_no', counts -> 'document_no')
  where id = p_invoice_id and not coalesce(api_response @> '{"success": true}', false);
  return counts;
end $$;


-- Writes down why an invoice was not issued, or why nobody knows. `p_outcome` is one of
--   refused    certainly not issued: the claim is given back
--   not_sent   this call sent nothing, an earlier one may have: the claim is given back
--   unknown    the document may exist: the claim stays until it is 10 minutes old
-- Whoever has lost the claim meanwhile changes nothing.
create or replace function public.toc_invoice_fail(p_invoice_id bigint, p_token uuid, p_outcome text, p_error text)
returns void language plpgsql set search_path = '' as $$
begin
  perform 1 from public.toc_invoice_claims
  where invoice_id = p_invoice_id and token = p_token and document is null for update;
  if not found then
    return;
  end if;

  update public.issued_client_invoices
  set api_response = jsonb_build_object('success', false, 'error', p_error, 'failed_at', public.toc_invoice_now())
    || case when p_outcome = 'refused' then '{}'::jsonb else '{"in_doubt": true}'::jsonb end
  where id = p_invoice_id and not coalesce(api_response @> '{"success": true}', false);

  if p_outcome in ('refused', 'not_sent') then
    delete from public.toc_invoice_claims where invoice_id = p_invoice_id and token = p_token;
  end if;
end $$;


-- The database's clock as the billing application writes instants: 2026-11-20T10:15:30.123Z.
create or replace function public.toc_invoice_now() returns text
language sql set search_path = '' as $$
  select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;


revoke execute on function
  public.toc_invoice_claim(bigint), public.toc_invoice_finish(bigint, jsonb),
  public.toc_invoice_fail(bigint, uuid, text, text), public.toc_invoice_stored_document(bigint), public.toc_invoice_now()
from public, anon, authenticated;
grant execute on function
  public.toc_invoice_claim(bigint), public.toc_invoice_finish(bigint, jsonb),
  public.toc_invoice_fail(bigint, uuid, text, text), public.toc_invoice_stored_document(bigint), public.toc_invoice_now()
to service_role;
