"""The channels: what is accepted as an address, that none is ever shown, and what `alert-test` says."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from tests.postbox import Letter, Postbox
from toc_sync.channels import Message, open_channels
from toc_sync.cli import program
from toc_sync.model import SettingsError
from toc_sync.settings import load_settings

MESSAGE = Message(title="A title", body="1 < 2 & *nothing* is _marked_ up.")


@pytest.fixture
def postbox() -> Iterator[Postbox]:
    with Postbox() as found:
        yield found


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        pytest.param("json://a", ("json://a",), id="one"),
        pytest.param("json://a,json://b", ("json://a", "json://b"), id="a comma between"),
        pytest.param(" json://a \n json://b , ", ("json://a", "json://b"), id="spaces and lines between"),
        pytest.param(
            "mailto://u:p@x.org?to=a@b.org,c@d.org, slack://t",
            ("mailto://u:p@x.org?to=a@b.org,c@d.org", "slack://t"),
            id="a comma inside an address",
        ),
    ],
)
def test_addresses_are_separated_by_spaces_or_commas(monkeypatch, text, addresses):
    monkeypatch.setenv("TOC_SYNC_ALERT_URLS", text)
    settings = load_settings()
    assert settings.alert_addresses == addresses
    assert addresses[0] not in repr(settings)


def test_nobody_is_told_unless_there_is_an_address():
    settings = load_settings()
    assert (settings.alert_addresses, settings.toc_sync_alert_waiting_minutes) == ((), 30)
    assert settings.toc_sync_metrics


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("TOC_SYNC_ALERT_URLS", "hush-hush", id="no address"),
        pytest.param("TOC_SYNC_ALERT_URLS", "json://a hush-hush", id="one that is none"),
        pytest.param("TOC_SYNC_ALERT_URLS", " , ", id="nothing but commas"),
        pytest.param("TOC_SYNC_ALERT_WAITING_MINUTES", "soon", id="a limit that is no number"),
        pytest.param("TOC_SYNC_ALERT_WAITING_MINUTES", "0", id="no time at all"),
        pytest.param("TOC_SYNC_METRICS", "perhaps", id="neither yes nor no"),
    ],
)
def test_a_wrong_setting_is_one_sentence_that_names_the_variable_and_hides_the_value(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"{name}: ")
    assert "hush" not in str(caught.value)


def test_an_address_that_apprise_does_not_know_is_named_by_its_place():
    with pytest.raises(SettingsError) as caught:
        open_channels(["json://localhost", "slack://hush-hush"])
    assert str(caught.value) == "TOC_SYNC_ALERT_URLS: address no. 2 is not one that Apprise understands."


def test_a_message_arrives_as_it_was_written(postbox):
    (channel,) = open_channels([postbox.url])
    assert channel.send(MESSAGE) is None
    assert postbox.letters == [Letter(title=MESSAGE.title, body=MESSAGE.body)]
    assert "hush" not in repr(channel)


def test_a_channel_that_nobody_answers_on_is_an_error_in_a_word():
    with Postbox() as gone:
        url = gone.url
    (channel,) = open_channels([url])
    assert channel.send(MESSAGE) == "NotAccepted"


@pytest.mark.processes
def test_a_program_ends_at_once_while_a_channel_hangs(postbox):
    postbox.hang()
    script = (
        "import sys\n"
        "from toc_sync.channels import Message, open_channels\n"
        "(channel,) = open_channels(sys.argv[1:])\n"
        "print(channel.send(Message(title='t', body='b'), limit_s=0.2))"
    )
    address = f"{postbox.url}?rto=60"
    started = time.monotonic()
    printed = subprocess.run(
        [sys.executable, "-c", script, address], capture_output=True, text=True, check=True, timeout=50
    )
    assert printed.stdout == "TimeoutError\n"
    assert time.monotonic() - started < 40


def test_alert_test_says_of_each_channel_whether_it_works(monkeypatch, postbox):
    with Postbox() as broken:
        broken.refuses = True
        monkeypatch.setenv("TOC_SYNC_ALERT_URLS", f"{postbox.url} {broken.url}")
        monkeypatch.setenv("TOC_SYNC_LABEL", "Lisbon")
        result = CliRunner().invoke(program, ["alert-test"])
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "✓ json 1: The test message was accepted.",
        "✗ json 2: The test message was not accepted (NotAccepted).",
    ]
    assert postbox.titles == ["[Lisbon] A test"]


def test_alert_test_is_content_when_all_channels_work(monkeypatch, postbox):
    monkeypatch.setenv("TOC_SYNC_ALERT_URLS", postbox.url)
    result = CliRunner().invoke(program, ["alert-test"])
    assert (result.exit_code, result.output) == (0, "✓ json 1: The test message was accepted.\n")


@pytest.mark.parametrize(
    ("addresses", "sentence"),
    [
        pytest.param("", "✗ channels: TOC_SYNC_ALERT_URLS names none: nobody would be told.", id="none"),
        pytest.param("slack://hush-hush", "Error: TOC_SYNC_ALERT_URLS: address no. 1 is not one", id="a wrong one"),
    ],
)
def test_alert_test_fails_without_a_channel(monkeypatch, addresses, sentence):
    monkeypatch.setenv("TOC_SYNC_ALERT_URLS", addresses)
    result = CliRunner().invoke(program, ["alert-test"])
    assert result.exit_code == 1
    assert sentence in result.output
    assert "hush" not in result.output
