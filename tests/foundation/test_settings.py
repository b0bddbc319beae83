"""Settings: each source overrules the one before, and what is wrong is named with where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from foundation.settings import MarketSettings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_needs_to_be_set():
    settings = load_settings(env={"HOME": "/home/ada"})
    assert (settings.host, settings.port, settings.database_url) == ("127.0.0.1", 8800, None)
    assert settings.markets == {"house": MarketSettings(adapter="mturk", endpoint="embedded", fees="mturk")}
    assert settings.base_url == "http://127.0.0.1:8800"


def test_the_data_folder_is_the_user_s_own(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    folders = [load_settings(env=env).data for env in ({"HOME": "/home/ada"}, {"XDG_DATA_HOME": "/x"})]
    assert folders == [Path("/home/ada/.local/share/assay"), Path("/x/assay")]
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert load_settings(env={"HOME": "/root", "XDG_DATA_HOME": "/x"}).data == Path("/var/lib/assay")


def test_file_environment_and_command_line_overrule_each_other_in_that_order(elsewhere):
    (elsewhere / "assay.toml").write_text('port = 1\nhost = "a"\nlog_level = "debug"\n[pipeline]\nsweep_every = 60\n')
    settings = load_settings(env={"ASSAY_PORT": "2", "ASSAY_HOST": "b"}, port=3, host=None)
    assert (settings.port, settings.host, settings.log_level) == (3, "b", "debug")
    assert settings.pipeline.sweep_every == 60.0


def test_nested_settings_come_from_the_environment():
    settings = load_settings(
        env={
            "ASSAY_MARKETS__HOUSE__ENDPOINT": "sandbox",
            "ASSAY_MARKETS__OTHER__ENDPOINT": "http://localhost:9/",
            "ASSAY_MARKETS__OTHER__INITIAL_RATE": "1.5",
            "ASSAY_MARKETPLACE__MISBEHAVE": "true",
        }
    )
    assert settings.markets["house"].endpoint == "sandbox"
    assert settings.markets["other"].initial_rate == 1.5
    assert settings.marketplace.misbehave is True


def test_the_embedded_market_is_billed_what_the_marketplace_takes():
    none = load_settings(env={"ASSAY_MARKETPLACE__FEES": "none"})
    mixed = load_settings(env={"ASSAY_MARKETPLACE__FEES": "none", "ASSAY_MARKETS__HOUSE__ENDPOINT": "sandbox"})
    said = load_settings(env={"ASSAY_MARKETPLACE__FEES": "none", "ASSAY_MARKETS__HOUSE__FEES": "mturk"})
    assert [settings.markets["house"].fees for settings in (none, mixed, said)] == ["none", "mturk", "mturk"]


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"ASSAY_PORT": "70000"}, "setting port (from ASSAY_PORT): expected a whole number <= 65535, got '70000'"),
        ({"ASSAY_PORT": "http"}, "setting port (from ASSAY_PORT): expected a whole number, got 'http'"),
        ({"ASSAY_PROT": "1"}, "ASSAY_PROT: there is no such setting; did you mean ASSAY_PORT?"),
        (
            {"ASSAY_PIPELINE__SWEEP": "x"},
            "ASSAY_PIPELINE__SWEEP: there is no setting pipeline.sweep; did you mean pipeline.sweep_every?",
        ),
        (
            {"ASSAY_MARKETS__HOUSE__ENDPOINT": "mturk"},
            (
                "setting markets.house.endpoint (from ASSAY_MARKETS__HOUSE__ENDPOINT): expected 'embedded', "
                "'production', 'sandbox' or an http(s) address, got 'mturk'"
            ),
        ),
        (
            {"ASSAY_MARKETS__HOUSE__SECRET_KEY": "hush"},
            "setting markets.house.secret_key (from ASSAY_MARKETS__HOUSE__SECRET_KEY): expected access_key beside it",
        ),
        (
            {"DATABASE_URL": "mysql://root:hush@h/d"},
            (
                "setting database_url (from DATABASE_URL): expected an address such as "
                "postgresql://user:password@host/database"
            ),
        ),
        (
            {"ASSAY_LOG_LEVEL": "loud"},
            "setting log_level (from ASSAY_LOG_LEVEL): expected one of 'debug', 'info', 'warning', 'error', got 'loud'",
        ),
        ({"ASSAY_DATA": ""}, "setting data (from ASSAY_DATA): expected a path, got ''"),
        ({"ASSAY_PIPELINE": "1"}, "ASSAY_PIPELINE: pipeline holds settings and is none itself"),
        (
            {"ASSAY_MARKETS__A!__FEES": "none"},
            (
                "ASSAY_MARKETS__A!__FEES: a market's name is a lower-case letter, then up to 31 of a-z, 0-9, _ and -, "
                "got 'a!'"
            ),
        ),
    ],
)
def test_what_is_wrong_in_the_environment_is_named_in_one_line(env, message):
    with pytest.raises(SettingsError) as caught:
        load_settings(env=env)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('port = "8800"', "setting port (from {file}): expected a whole number, got '8800'"),
        ("prot = 1", "{file}: there is no setting prot; did you mean port?"),
        ("[market.house]\nfees = 'none'", "{file}: there is no setting market.house.fees"),
        ("port =", "{file} is not valid TOML: Invalid value (at end of document)"),
    ],
)
def test_what_is_wrong_in_the_file_is_named_in_one_line(elsewhere, toml, message):
    file = elsewhere / "mine.toml"
    file.write_text(toml)
    with pytest.raises(SettingsError) as caught:
        load_settings(file, env={})
    assert str(caught.value) == message.format(file=file)


def test_a_file_that_is_not_there_is_an_error(elsewhere):
    with pytest.raises(SettingsError, match=r"cannot read the settings file .*nowhere\.toml: No such file"):
        load_settings(elsewhere / "nowhere.toml", env={})


def test_an_option_of_the_command_line_is_named_as_one():
    with pytest.raises(SettingsError, match=r"setting port \(from --port\)"):
        load_settings(env={}, port=0)


def test_secrets_do_not_show_in_a_representation():
    env = {"ASSAY_MARKETS__HOUSE__SECRET_KEY": "hush", "ASSAY_MARKETS__HOUSE__ACCESS_KEY": "key"}
    shown = repr(load_settings(env=env | {"DATABASE_URL": "postgresql://u:hush@h/d"}))
    assert "hush" not in shown
