"""The settings: the only room that reads the environment, `.env` and `.streamlit/secrets.toml`.

It checks each value by itself and names the variable that is wrong; whether a database or a function can be reached is
the runtime's question. Nothing here is ever logged or shown: it holds the key.
"""

from __future__ import annotations

import math
import os
import re
import sys
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from toc_sync.model import SettingsError

FUNCTION_PATH = "/functions/v1/toc_invoice"
EMBEDDED_DATABASE = Path("data/toc_sync.db")
PROGRAM = "toc_sync"
SECRETS_FILE = Path(".streamlit/secrets.toml")
_LENGTH_OF_A_TOKEN = 8
_NAMES_A_SECRET = re.compile(r"pass|pwd|secret|token|key", re.IGNORECASE)
_IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_]{0,62}"


class Settings(BaseSettings):
    """Everything that can be configured, checked and frozen. Field names are the variables' names in lower case."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    database_url: SecretStr | None = None
    toc_function_url: str | None = None
    supabase_url: str | None = None
    toc_function_key: SecretStr | None = None
    toc_sync_sandbox: bool = False
    toc_sync_label: str | None = Field(default=None, max_length=40)
    toc_sync_threads: int = Field(default=4, ge=0, le=64)
    toc_sync_refresh_seconds: float = Field(default=30, ge=1, le=3600, allow_inf_nan=False)
    toc_sync_timeout_seconds: float = Field(default=170, gt=0, le=3600, allow_inf_nan=False)
    toc_sync_lease_margin_seconds: float = Field(default=30, gt=0, le=3600, allow_inf_nan=False)
    toc_sync_retry_waits: Annotated[tuple[float, ...], NoDecode] = (30, 120, 600, 1800, 7200)
    toc_function_is_idempotent: bool = False
    toc_sync_date_order: bool = True
    toc_sync_per_issuer: int = Field(default=0, ge=0, le=1000)
    toc_sync_refusals: Path | None = None
    toc_sync_state_dir: Path | None = None
    toc_create_invoice_rpc: str | None = None
    toc_sync_alert_urls: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    toc_sync_alert_waiting_minutes: float = Field(default=30, gt=0, le=10_080, allow_inf_nan=False)
    toc_sync_metrics: bool = True

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Reads the environment first, then `.env`, then the root-level keys of the secrets file."""
        secrets = _SecretsFile(settings_cls, SECRETS_FILE)
        return init_settings, env_settings, dotenv_settings, secrets

    @field_validator("toc_function_url", "supabase_url")
    @classmethod
    def _is_http_url(cls, value: str | None) -> str | None:
        if value is not None and not _is_address(value.strip()):
            raise ValueError("must be an http:// or https:// address without spaces, “?” or “#”")
        return value.strip() if value is not None else None

    @field_validator("toc_function_key")
    @classmethod
    def _is_key(cls, value: SecretStr | None) -> SecretStr | None:
        key = value.get_secret_value().strip() if value is not None else None
        if key is not None and not re.fullmatch(r"[!-~]+", key):
            raise ValueError("must be one word of plain characters")
        return SecretStr(key) if key is not None else None

    @field_validator("toc_sync_retry_waits", mode="before")
    @classmethod
    def _parses_waits(cls, value: object) -> tuple[float, ...]:
        parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list | tuple) else [value]
        waits = tuple(_seconds(part) for part in parts)
        if not all(0 <= wait <= 86_400 for wait in waits):
            raise ValueError("must be seconds separated by commas, each from 0 to 86400, for example 30,120,600")
        return waits

    @field_validator("toc_sync_alert_urls", mode="before")
    @classmethod
    def _splits_addresses(cls, value: object) -> tuple[SecretStr, ...]:
        text = " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        # A comma only where another address follows: one address may name several people.
        parts = [part.strip(",") for part in re.split(r"\s+|,+(?=[A-Za-z0-9]+://)", text)]
        addresses = [part for part in parts if part]
        if (text and not addresses) or not all(re.fullmatch(r"[A-Za-z0-9]+://\S+", address) for address in addresses):
            raise ValueError("must be Apprise addresses separated by spaces or commas, for example mailto://…")
        return tuple(SecretStr(address) for address in addresses)

    @field_validator("toc_create_invoice_rpc")
    @classmethod
    def _is_function_name(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(rf"{_IDENTIFIER}(\.{_IDENTIFIER})?", value):
            raise ValueError("must be the name of a database function, for example create_and_issue_invoice")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        if self.real_function_url and not self.sandbox_forced and not self.toc_function_key:
            raise ValueError(
                "TOC_FUNCTION_KEY is missing: set it to the key of the function, or TOC_SYNC_SANDBOX=true."
            )
        if self.database_url and not self.real_function_url and not self.sandbox_forced:
            raise ValueError(
                "TOC_FUNCTION_URL is missing: with DATABASE_URL set, name the function too, or set TOC_SYNC_SANDBOX=true."
            )
        if self.toc_create_invoice_rpc and not self.uses_postgresql:
            raise ValueError("TOC_CREATE_INVOICE_RPC needs a PostgreSQL database: set DATABASE_URL, or leave it empty.")
        return self

    @property
    def sandbox_forced(self) -> bool:
        """Tells whether TOC_SYNC_SANDBOX asks for the sandbox whatever else is set."""
        return self.toc_sync_sandbox

    @property
    def real_function_url(self) -> str | None:
        """The address of the real function, if one is configured."""
        if self.toc_function_url:
            return self.toc_function_url
        return self.supabase_url.rstrip("/") + FUNCTION_PATH if self.supabase_url else None

    @property
    def uses_sandbox(self) -> bool:
        """Tells whether the sandbox takes the function's place."""
        return self.sandbox_forced or self.real_function_url is None

    @property
    def uses_postgresql(self) -> bool:
        """Tells whether the database is PostgreSQL (otherwise SQLite)."""
        return self.sqlalchemy_url.startswith("postgresql")

    @property
    def sqlalchemy_url(self) -> str:
        """The database's address as SQLAlchemy wants it: psycopg 3 for PostgreSQL, the embedded file by default."""
        if self.database_url is None:
            return f"sqlite:///{EMBEDDED_DATABASE}"
        url = self.database_url.get_secret_value()
        return re.sub(r"^postgres(ql)?(\+psycopg)?://", "postgresql+psycopg://", url)

    @property
    def state_folder(self) -> Path:
        """Where this machine remembers what it sent, outside the database."""
        return self.toc_sync_state_dir or _users_state_folder()

    @property
    def lease_s(self) -> float:
        """How long a claim lasts, in seconds: one attempt's deadline and the margin."""
        return self.toc_sync_timeout_seconds + self.toc_sync_lease_margin_seconds

    @property
    def alert_addresses(self) -> tuple[str, ...]:
        """The Apprise addresses of the channels on which people are told; they hold secrets."""
        return tuple(address.get_secret_value() for address in self.toc_sync_alert_urls)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not come back: the key, and the passwords and tokens in addresses."""
        key = self.toc_function_key.get_secret_value() if self.toc_function_key else ""
        found = [key]
        if self.database_url:
            found += _passwords(self.database_url.get_secret_value())
        for address in self.alert_addresses:
            found += [*_passwords(address), *_tokens(address)]
        return tuple(dict.fromkeys(filter(None, found)))

    @property
    def label(self) -> str:
        """The name of the environment that every page shows."""
        return self.toc_sync_label or ("Sandbox" if self.uses_sandbox else "Production")


def _users_state_folder() -> Path:
    """Returns where programs of this user keep their state."""
    if os.environ.get("XDG_STATE_HOME"):
        return Path(os.environ["XDG_STATE_HOME"]) / PROGRAM
    try:
        home = Path.home()
    except RuntimeError:  # a user without a home, as containers have
        return EMBEDDED_DATABASE.parent / "state"
    return home / ("Library/Application Support" if sys.platform == "darwin" else ".local/state") / PROGRAM


class _SecretsFile(TomlConfigSettingsSource):
    """Root-level keys of `.streamlit/secrets.toml`, matched without regard to case; tables are Streamlit's own."""

    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        return {
            key.lower(): value for key, value in super()._read_file(file_path).items() if not isinstance(value, dict)
        }


def load_settings() -> Settings:
    """Returns the settings of this process.

    Raises SettingsError with one sentence that names the variable, never its value.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise SettingsError(_sentence(first["loc"], first["msg"])) from None
    except (ValueError, OSError) as error:
        raise SettingsError(f"The settings cannot be read: {type(error).__name__} in .env or {SECRETS_FILE}.") from None
    if not re.match(r"postgresql\+psycopg://|sqlite:///[^:?]", settings.sqlalchemy_url):
        raise SettingsError("DATABASE_URL must begin with postgresql://, or with sqlite:/// and name a file.")
    return settings


def _passwords(address: str) -> list[str]:
    """Returns the password of an address, as it is and decoded; one with an @ in it may end at either."""
    found = [ended[1] for end in (".*?", ".*") if (ended := re.match(rf"[^:/]+://[^:@/]*:({end})@", address))]
    found += [value for name, value in parse_qsl(address.partition("?")[2]) if _NAMES_A_SECRET.search(name)]
    return [*found, *map(unquote, found)]


def _tokens(address: str) -> list[str]:
    """Returns the parts of an alert address that are tokens: not its scheme, no host, no name of a person or channel."""
    parts = re.split(r"[/:?&=@]+", address.partition("://")[2])
    return [
        part
        for part in map(unquote, parts)
        if len(part) >= _LENGTH_OF_A_TOKEN and "." not in part and not part.isalpha()
    ]


def _is_address(text: str) -> bool:
    try:
        port = urlsplit(text).port
    except ValueError:
        return False
    return port != 0 and re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:_]+(/[!-\"$->@-~]*)?", text) is not None


def _seconds(part: object) -> float:
    text = str(part).strip()
    return float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) else math.nan


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    text = message.removeprefix("Value error, ").rstrip(".")
    return f"{str(location[0]).upper()}: {text[0].lower()}{text[1:]}." if location else f"{text}."
