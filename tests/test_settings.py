"""Settings: each wrong value is one sentence that names the variable and never shows the value; three places are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from toc_sync.model import SettingsError
from toc_sync.settings import Settings, load_settings

PASSWORD = "s3cr3t-pa55"
POSTGRES = f"postgresql://ana:{PASSWORD}@db.example.org:5432/billing"
COMPLETE = {
    "DATABASE_URL": POSTGRES,
    "TOC_FUNCTION_URL": "https://ref.supabase.co/functions/v1/toc_invoice",
    "TOC_FUNCTION_KEY": "sb_secret_abc",
}


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def test_without_any_setting_the_sandbox_runs_on_an_embedded_database() -> None:
    settings = load_settings()
    assert settings.uses_sandbox
    assert settings.sqlalchemy_url == "sqlite:///data/toc_sync.db"
    assert (settings.toc_sync_threads, settings.toc_sync_refresh_seconds, settings.lease_s) == (4, 30, 200)
    assert settings.toc_sync_retry_waits == (30, 120, 600, 1800, 7200)
    assert (settings.label, settings.toc_function_is_idempotent) == ("Sandbox", False)
    assert (settings.toc_sync_date_order, settings.toc_sync_per_issuer) == (True, 0)


def test_a_complete_installation_is_production(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, **COMPLETE)
    assert not settings.uses_sandbox
    assert (settings.label, settings.uses_postgresql) == ("Production", True)
    assert settings.sqlalchemy_url == POSTGRES.replace("postgresql://", "postgresql+psycopg://")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_usual_scheme_of_postgresql_is_understood(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    variables = COMPLETE | {"DATABASE_URL": f"{scheme}://a:b@c/d"}
    assert load(monkeypatch, **variables).sqlalchemy_url == "postgresql+psycopg://a:b@c/d"


def test_the_function_is_found_below_the_address_of_supabase(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, SUPABASE_URL="https://ref.supabase.co/", TOC_FUNCTION_KEY="k")
    assert settings.real_function_url == "https://ref.supabase.co/functions/v1/toc_invoice"
    settings = load(monkeypatch, TOC_FUNCTION_URL="http://127.0.0.1:54321/functions/v1/other")
    assert settings.real_function_url == "http://127.0.0.1:54321/functions/v1/other"


def test_the_sandbox_can_be_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, **(COMPLETE | {"TOC_SYNC_SANDBOX": "true"}))
    assert (settings.uses_sandbox, settings.label) == (True, "Sandbox")


def test_an_empty_variable_is_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = dict.fromkeys((*COMPLETE, "TOC_SYNC_THREADS", "TOC_SYNC_RETRY_WAITS", "TOC_CREATE_INVOICE_RPC"), "")
    settings = load(monkeypatch, **empty)
    assert settings.uses_sandbox
    assert settings.toc_sync_threads == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            pytest.param("DATABASE_URL", value, id=f"database: {why}")
            for value, why in (
                (f"mysql://ana:{PASSWORD}@db/billing", "another kind"),
                (f"postgresql+psycopg2://ana:{PASSWORD}@db/billing", "another driver"),
                (PASSWORD, "no address"),
                (f"host=db password={PASSWORD}", "words"),
                ("sqlite://", "in memory"),
                ("sqlite:///:memory:", "in memory, by name"),
            )
        ),
        *(
            pytest.param("TOC_FUNCTION_URL", value, id=f"function: {value[:30]!r}")
            for value in (
                "ref.supabase.co",
                "ftp://ref.supabase.co/f",
                "https://ref supabase.co/f",
                "https://ref.supabase.co/f?x=1",
                "https://ref.supabase.co/f#x",
                "https://user:pw@ref.supabase.co/f",
                "https://",
                "https://[::1",
                "https://ref.supabase.co:99999/f",
                "https://ref.supabase.co:0/f",
                "https://ref.supabase.co/\x07",
                "javascript:alert(1)",
            )
        ),
        pytest.param("SUPABASE_URL", "ref", id="supabase"),
        pytest.param("TOC_FUNCTION_KEY", "two words", id="key: two words"),
        pytest.param("TOC_FUNCTION_KEY", "chave-é", id="key: not plain"),
        pytest.param("TOC_FUNCTION_KEY", "a\r\nb", id="key: two lines"),
        *(
            pytest.param("TOC_SYNC_THREADS", value, id=f"threads: {value}")
            for value in ("many", "-1", "65", "1.5", "1e9", "NaN", "9" * 5000)
        ),
        *(
            pytest.param(f"TOC_SYNC_{name}_SECONDS", value, id=f"{name.lower()}: {value}")
            for name in ("REFRESH", "TIMEOUT", "LEASE_MARGIN")
            for value in ("soon", "0", "-1", "NaN", "inf", "1e400", "3601")
        ),
        *(
            pytest.param("TOC_SYNC_RETRY_WAITS", value, id=f"waits: {value}")
            for value in ("30,,120", "30,soon", "-1", "NaN", "1.2.3", "86401", "30;120", "30,", "1e3")
        ),
        pytest.param("TOC_SYNC_SANDBOX", "perhaps", id="sandbox"),
        pytest.param("TOC_FUNCTION_IS_IDEMPOTENT", "sometimes", id="idempotent"),
        pytest.param("TOC_SYNC_DATE_ORDER", "by date", id="date order"),
        *(
            pytest.param("TOC_SYNC_PER_ISSUER", value, id=f"per issuer: {value}")
            for value in ("none", "-1", "1001", "1.5", "NaN", "9" * 5000)
        ),
        pytest.param("TOC_SYNC_LABEL", "x" * 41, id="label: too long"),
        pytest.param("TOC_CREATE_INVOICE_RPC", "f(); DROP TABLE x", id="database function: SQL"),
        pytest.param("TOC_CREATE_INVOICE_RPC", "a.b.c", id="database function: three parts"),
    ],
)
def test_a_wrong_value_is_one_sentence_that_names_the_variable_and_hides_the_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(SettingsError) as error:
        load(monkeypatch, **(COMPLETE | {name: value}))
    sentence = str(error.value)
    assert sentence.startswith(name)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert len(value) < 10 or value not in sentence
    assert PASSWORD not in sentence
    assert error.value.__cause__ is None or PASSWORD not in str(error.value.__cause__)


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        pytest.param({"DATABASE_URL": POSTGRES}, "TOC_FUNCTION_URL is missing", id="a database without a function"),
        pytest.param({"TOC_FUNCTION_URL": "https://f"}, "TOC_FUNCTION_KEY is missing", id="a function without a key"),
        pytest.param(
            {"TOC_CREATE_INVOICE_RPC": "create_and_issue_invoice"},
            "TOC_CREATE_INVOICE_RPC needs a PostgreSQL database",
            id="a database function without PostgreSQL",
        ),
    ],
)
def test_what_does_not_fit_together_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], says: str
) -> None:
    with pytest.raises(SettingsError, match=says) as error:
        load(monkeypatch, **variables)
    assert PASSWORD not in str(error.value)


def test_settings_never_show_what_they_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, **COMPLETE)
    for shown in (repr(settings), str(settings), str(settings.model_dump())):
        assert PASSWORD not in shown
        assert "sb_secret_abc" not in shown


def test_a_key_is_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    key = load(monkeypatch, **(COMPLETE | {"TOC_FUNCTION_KEY": " sb_secret_abc\n"})).toc_function_key
    assert key is not None
    assert key.get_secret_value() == "sb_secret_abc"


def test_the_environment_goes_before_env_which_goes_before_secrets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text(
        'TOC_SYNC_LABEL = "secrets"\nTOC_SYNC_THREADS = 1\nTOC_SYNC_RETRY_WAITS = [5, 10]\ntoc_sync_refresh_seconds = 7\n'
        '[connections.sql]\nurl = "x"\n[TOC_FUNCTION_KEY]\nx = 1\n'
    )
    (tmp_path / ".env").write_text("TOC_SYNC_LABEL=dotenv\nTOC_SYNC_THREADS=2\nSOMETHING_ELSE=1\n")
    settings = load(monkeypatch, TOC_SYNC_LABEL="environment")
    assert (settings.label, settings.toc_sync_threads) == ("environment", 2)
    assert (settings.toc_sync_refresh_seconds, settings.toc_sync_retry_waits) == (7, (5, 10))
    assert settings.toc_function_key is None


@pytest.mark.parametrize(
    ("file", "text"),
    [
        pytest.param(".streamlit/secrets.toml", 'DATABASE_URL = "half', id="secrets: no TOML"),
        pytest.param(".streamlit/secrets.toml", "TOC_SYNC_RETRY_WAITS = [-5]", id="secrets: a wrong list"),
        pytest.param(".streamlit/secrets.toml", "TOC_SYNC_RETRY_WAITS = [nan]", id="secrets: NaN"),
        pytest.param(".streamlit/secrets.toml", "DATABASE_URL = 5", id="secrets: a number"),
        pytest.param(".env", "TOC_SYNC_LABEL=\udcff", id="env: no UTF-8"),
        pytest.param(".env", f"DATABASE_URL=mysql://ana:{PASSWORD}@db/x", id="env: another kind of database"),
    ],
)
def test_an_unusable_file_is_one_sentence(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / file).write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)
    assert PASSWORD not in str(error.value)


def test_a_row_of_waits_may_have_spaces_and_fractions(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, TOC_SYNC_RETRY_WAITS=" 0.5, 1 ,2").toc_sync_retry_waits == (0.5, 1, 2)
