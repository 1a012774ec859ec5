"""What an operator may choose, and that safety is not among it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from primafacie.platform.errors import KeyringError, SettingsError
from primafacie.platform.keys import create_keyring
from primafacie.platform.settings import Settings
from primafacie.platform.wiring import Services


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_environment_beats_file_beats_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "primafacie.toml").write_text('port = 9000\nqueue = "gpu"\n')
    monkeypatch.setenv("PRIMAFACIE_PORT", "9001")
    settings = Settings.read()
    assert (settings.port, settings.queue, settings.host) == (9001, "gpu", "127.0.0.1")
    assert Settings.read(port=9002).port == 9002


@pytest.mark.parametrize("name", ["SKIP_GATE", "WATERMARK", "FACE_THRESHOLD", "DEBUGG", "UNSAFE"])
def test_an_imagined_switch_is_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"PRIMAFACIE_{name}", "1")
    with pytest.raises(SettingsError, match=name):
        Settings.read()


def test_an_unknown_name_in_the_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "primafacie.toml").write_text("skip_gate = true\n")
    with pytest.raises(SettingsError, match="skip_gate"):
        Settings.read()


@pytest.mark.parametrize("text", ["port = ", "port = 'x'\n", "port = 70000\n", "mode = 'test'\n"])
def test_a_bad_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "primafacie.toml").write_text(text)
    with pytest.raises(SettingsError):
        Settings.read()


def test_a_named_file_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIMAFACIE_CONFIG", "nowhere.toml")
    with pytest.raises(SettingsError, match=r"nowhere\.toml"):
        Settings.read()


def test_every_setting_is_described_and_none_weakens_safety() -> None:
    forbidden = re.compile(
        r"gate|policy|policies|watermark|mark|manifest|sandbox|threshold|match|liveness|challenge|"
        r"four_eyes|approval|unsafe|insecure|skip|disable|allow|bypass"
    )
    for name, field in Settings.model_fields.items():
        assert field.description, name
        if name != "face_match_distance":  # bounded, and of foreign weights alone: see below
            assert not forbidden.search(name), name


@pytest.mark.parametrize(
    "given",
    [
        {"face_match_distance": 0.8},
        {"face_weights": "w.pt"},
        {"face_weights": "w.pt", "face_weights_sha256": "0" * 64},
        {"face_weights": "w.pt", "face_match_distance": 0.8},
        {"face_weights": "w.pt", "face_weights_sha256": "0" * 64, "face_match_distance": 1.2},
        {"face_weights": "w.pt", "face_weights_sha256": "0" * 64, "face_match_distance": "nan"},
        {"face_weights": "w.pt", "face_weights_sha256": "0" * 63, "face_match_distance": 0.8},
    ],
)
def test_the_distance_of_dlibs_faces_is_not_a_setting(given: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="face_"):
        Settings.read(**given)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings.read().port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "given",
    [
        {"log_origin": "a b"}, {"log_origin": "a+b"}, {"log_origin": ""}, {"public_url": "ftp://x"},
        {"tsa_url": "http://tsa.example"}, {"claim_key": "k.pem"},
        {"passphrase_file": "a", "key_file": "b"}, {"lease_seconds": 0}, {"consent_days": 9999},
    ],
)  # fmt: skip
def test_settings_that_contradict_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        Settings.read(**given)


def test_an_error_does_not_repeat_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIMAFACIE_PORT", "hunter2")
    with pytest.raises(SettingsError) as error:
        Settings.read()
    assert "hunter2" not in str(error.value)


class TestProduction:
    """Production refuses to start like that."""

    def settings(self, folder: Path, **more: Any) -> Settings:
        key = folder / "unlock"
        if not key.exists():
            key.write_bytes(bytes(range(32)))
            key.chmod(0o600)
        given = {"mode": "production", "data_dir": folder / "data", "key_file": key,
                 "public_url": "https://faces.example",
                 "memory_file": folder / "elsewhere" / "checkpoints"}  # fmt: skip
        return Settings.read(**{**given, **more})

    def made(self, folder: Path, **more: Any) -> Settings:
        """The same, where the operator made the keyring."""
        settings = self.settings(folder, **more)
        create_keyring(settings)
        return settings

    def test_without_a_keyring(self, tmp_path: Path) -> None:
        with pytest.raises(KeyringError, match="keys create"):
            Services.open(self.settings(tmp_path))

    def test_with_everything_right_it_starts_and_no_rules_are_in_force(
        self, tmp_path: Path
    ) -> None:
        with Services.open(self.made(tmp_path)) as services:
            assert services.policies.activated() == ""
            assert not services.keys.development

    def test_with_a_memory_that_is_restored_with_the_database(self, tmp_path: Path) -> None:
        for memory in (None, tmp_path / "data" / "checkpoints"):
            with pytest.raises(SettingsError, match="memory_file"):
                Services.open(self.settings(tmp_path, memory_file=memory))

    def test_with_debug(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="debug"):
            Services.open(self.settings(tmp_path, debug=True))

    def test_without_https(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="https"):
            Services.open(self.settings(tmp_path, public_url="http://faces.example"))

    @pytest.mark.parametrize("url", ["https://192.0.2.7", "https://[2001:db8::7]:8443"])
    def test_with_an_address_for_which_no_browser_makes_a_passkey(
        self, tmp_path: Path, url: str
    ) -> None:
        with pytest.raises(SettingsError, match="a name in public_url"):
            Services.open(self.settings(tmp_path, public_url=url))

    def test_with_nothing_that_opens_the_keys(self, tmp_path: Path) -> None:
        with pytest.raises(KeyringError, match="passphrase_file or key_file"):
            Services.open(self.settings(tmp_path, key_file=None))

    def test_with_development_keys(self, tmp_path: Path) -> None:
        key = self.settings(tmp_path).key_file
        made = Settings.read(data_dir=tmp_path / "data", key_file=key)
        Services.open(made).close()
        with pytest.raises(SettingsError, match="development keys"):
            Services.open(self.settings(tmp_path))

    def test_nor_does_its_installation_open_in_another_mode(self, tmp_path: Path) -> None:
        Services.open(self.made(tmp_path)).close()
        with pytest.raises(SettingsError, match="no other mode"):
            Services.open(self.settings(tmp_path, mode="development"))

    def test_with_a_log_that_cannot_be_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import shutil

        class Full:
            free = 0

        monkeypatch.setattr(shutil, "disk_usage", lambda path: Full)
        with pytest.raises(SettingsError, match="log cannot be written"):
            Services.open(self.made(tmp_path))

    @pytest.mark.parametrize("level", ["partial", "none", ""])
    def test_with_a_sandbox_below_enforced(self, tmp_path: Path, level: str) -> None:
        class Loose:
            def warm(self) -> str:
                return level

        with (
            Services.open(self.made(tmp_path)) as services,
            pytest.raises(SettingsError, match="sandbox"),
        ):
            services._require_sandbox(Loose())  # type: ignore[arg-type]


def test_the_landmarker_is_the_operators_choice_and_the_rules_hear_of_it(tmp_path: Path) -> None:
    """dlib's file excludes commercial use; MediaPipe's takes its place, once a rule approves it."""
    mesh = {"name": "face-mesh", "file": "mesh.tflite", "sha256": "a" * 64, "licence": "Apache-2.0"}
    with Services.open(Settings(data_dir=tmp_path / "plain")) as services:
        assert services.engines.identities == ("photo-warp", "speech-motion")
    with Services.open(Settings(data_dir=tmp_path / "mesh", face_points=mesh)) as services:
        assert services.engines.identities[-1] == f"face-mesh@{'a' * 64}"
    with (
        Services.open(
            Settings(data_dir=tmp_path / "bare", face_points={**mesh, "licence": ""})
        ) as s,
        pytest.raises(SettingsError, match="licence"),
    ):
        _ = s.engines
