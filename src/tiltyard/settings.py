"""Where things live on this host, and the secrets: from the environment and ``.env`` alone."""

from __future__ import annotations

import getpass
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from tiltyard.errors import UsageError
from tiltyard.files import make_private_folder

log = logging.getLogger(__name__)
STATE_FOLDER = ".tiltyard"
NO_LIST = "not_a_list"


def this_actor() -> str:
    """Who acts, for the record: TILTYARD_ACTOR, or the user of this process."""
    named = os.environ.get("TILTYARD_ACTOR")
    if named:
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _read_list(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise PydanticCustomError(NO_LIST, "it is not a JSON list") from None


JsonList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_read_list)]
"""A list that a variable holds as JSON."""


def _variable_error(name: str, why: str, example: str) -> UsageError:
    return UsageError(
        f"The environment variable {name} cannot be used: {why}.",
        next_step=f"Write it as {name}={example}, or unset it.",
    )


def _reveal(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, DestinationSecrets):
        return {name: _reveal(getattr(value, name)) for name in sorted(value.model_fields_set)}
    if isinstance(value, Mapping):
        return {name: _reveal(one) for name, one in value.items()}
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value


class DestinationSecrets(BaseModel):
    """Where a destination of notices is, and the secret that signs what is sent there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: SecretStr | None = None
    secret: SecretStr | None = None


class Settings(BaseSettings):
    """Host settings. Every location defaults to a folder ``.tiltyard`` next to the project file."""

    model_config = SettingsConfigDict(
        env_prefix="TILTYARD_",
        env_file=".env",
        env_nested_delimiter="__",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    root: Path = Field(default=Path(), description="Folder of the project file; relative locations start here.")
    home: Path | None = Field(default=None, description="State folder; default: .tiltyard next to the project file.")
    state_access: Literal["owner", "group"] = Field(
        default="owner",
        description="Who may read and write the state folder, which holds every recorded input: its owner alone (mode "
        "0700), or its group too (2770), where several users work with one project.",
    )
    ledger: str | None = Field(
        default=None,
        description="SQLAlchemy URL of the ledger; default: SQLite file ledger.db in the state folder.",
    )
    artifacts: str | None = Field(
        default=None,
        description="Where new experiments keep artifacts; default: in the state folder.",
    )
    snapshots: str | None = Field(
        default=None,
        description="Folder, or URL of one (s3://…), where the rows that trainings saw are kept; default: snapshots in "
        "the state folder.",
    )
    search_storage: str | None = Field(
        default=None,
        description="SQLAlchemy URL of a database in which several machines share the search of one training, each "
        "with `tiltyard train`, the others with `--join`; default: a search of one machine.",
    )
    mlflow_tracking_uri: str | None = Field(default=None, validation_alias="MLFLOW_TRACKING_URI")
    mlflow_registry_uri: str | None = Field(default=None, validation_alias="MLFLOW_REGISTRY_URI")
    mlflow_tracking_username: str | None = Field(default=None, validation_alias="MLFLOW_TRACKING_USERNAME")
    mlflow_tracking_password: SecretStr | None = Field(default=None, validation_alias="MLFLOW_TRACKING_PASSWORD")
    mlflow_tracking_token: SecretStr | None = Field(default=None, validation_alias="MLFLOW_TRACKING_TOKEN")
    prefect_api_url: str | None = Field(default=None, validation_alias="PREFECT_API_URL")
    signing_key: SecretStr | None = Field(
        default=None,
        description="Ed25519 private key that signs new versions: a PEM, its 32 bytes in base64, or @FILE.",
    )
    trusted_keys: JsonList = Field(
        default=(),
        description="Ed25519 public keys, written alike; if there are any, a version that none of them signed is "
        "refused.",
    )
    api_keys: Path | None = Field(
        default=None,
        description="File of the API keys' digests, made by tiltyard keys api new; default: in the state folder.",
    )
    server_key: SecretStr | None = Field(
        default=None,
        description="API key with the scope read that `tiltyard loop --server` shows to a server that asks for one; "
        "`tiltyard up` makes its own.",
    )
    console_proxy_secret: SecretStr | None = Field(
        default=None,
        description="What the proxy in front of the console sends as X-Tiltyard-Proxy-Secret, where [console] "
        "user_header names people: a random text.",
    )
    own_key: str | None = Field(
        default=None,
        description="Digest of a key that opens a server, besides those of the file; `tiltyard up` passes it on.",
    )
    log: Literal["text", "json", "quiet"] | None = Field(
        default=None, description="What the server logs to standard error; default: the project's [serving] log."
    )
    trusted_types: JsonList = Field(
        default=(),
        description="Python types that this host allows in a stored model, beyond scikit-learn's own.",
    )
    destinations: Mapping[str, DestinationSecrets] = Field(
        default_factory=dict,
        description="URL and secret of each destination of [alerts], as TILTYARD_DESTINATIONS__NAME__URL and __SECRET; "
        "a dash in the name is written as an underscore.",
    )
    smtp_host: str | None = Field(default=None, description="Mail server; without it no e-mail is sent.")
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Its port.")
    smtp_encryption: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="How the connection is encrypted."
    )
    smtp_user: str | None = Field(default=None, description="User to log in as; default: without logging in.")
    smtp_password: SecretStr | None = Field(default=None, description="That user's password.")
    smtp_from: str | None = Field(default=None, description="Address that e-mail comes from.")
    smtp_ca: str | None = Field(
        default=None, description="PEM file of the authorities that may have issued its certificate."
    )

    @classmethod
    def load(cls, root: Path | None = None) -> Settings:
        """Read the environment, and ``.env`` in ``root`` (default: the working folder).

        Raises:
            UsageError: a variable has a value that cannot be used.
        """
        folder = (root or Path()).resolve()
        try:
            return cls(_env_file=folder / ".env", root=folder)
        except SettingsError:
            # The only variable whose JSON the library reads itself.
            raise _variable_error("TILTYARD_DESTINATIONS", "it is not a JSON object", "'{…}'") from None
        except ValidationError as error:
            first = error.errors()[0]
            name = "TILTYARD_" + ".".join(str(part) for part in first["loc"]).upper()
            if first["type"] == NO_LIST:
                raise _variable_error(name, "it is not a JSON list", """'["…"]'""") from None
            raise UsageError(
                f"The environment variable {name} cannot be used: {first['msg']}.",
                next_step=f"Correct or unset {name}.",
            ) from None

    def to_values(self) -> dict[str, Any]:
        """What differs from the defaults, as JSON values, secrets in clear: for a process of ours, never for a file."""
        return {name: _reveal(getattr(self, name)) for name in sorted(self.model_fields_set)}

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Settings:
        """The settings of another process of this host, as its ``to_values`` says."""
        return cls(_env_file=None, **values)

    def destination(self, name: str) -> DestinationSecrets | None:
        """What this host knows of a destination that the project file names; None for nothing."""
        return self.destinations.get(name.replace("-", "_"))

    @property
    def state(self) -> Path:
        """The state folder, absolute; created at the first write."""
        return (self.root / (self.home or STATE_FOLDER)).resolve()

    def make_state(self) -> None:
        """Make the state folder, for its owner alone; one that others may read is closed to them, and the log says so.

        Raises:
            OSError: it cannot be made.
        """
        shared = self.state_access == "group"
        before = make_private_folder(self.state, group=shared)
        if before is not None:
            whom = "its group" if shared else "its owner alone"
            log.warning(
                "The state folder %s was open to other users (mode %04o) and is for %s now%s.",
                self.state,
                before,
                whom,
                "" if shared else "; TILTYARD_STATE_ACCESS=group opens it to its group",
            )

    @property
    def tracking_uri(self) -> str:
        """MLflow's tracking URI: the one of the environment, or an SQLite file in the state folder."""
        return self.mlflow_tracking_uri or self.own_tracking_uri

    @property
    def own_tracking_uri(self) -> str:
        """The SQLite file in the state folder as a tracking URI."""
        return f"sqlite:///{self.state / 'mlflow.db'}"

    @property
    def registry_uri(self) -> str:
        """MLflow's registry URI; the tracking URI unless set apart."""
        return self.mlflow_registry_uri or self.tracking_uri

    @property
    def artifact_location(self) -> str | None:
        """Artifact root for new experiments; None where a tracking server decides."""
        if self.artifacts:
            return self.artifacts
        own = self.tracking_uri == self.own_tracking_uri
        return (self.state / "artifacts").as_uri() if own else None

    @property
    def snapshot_store(self) -> str:
        """Where snapshots of rows are kept: a URL, or an absolute folder."""
        if self.snapshots and "://" in self.snapshots:
            return self.snapshots
        return str((self.root / self.snapshots).resolve() if self.snapshots else self.state / "snapshots")

    @property
    def ledger_url(self) -> str:
        """SQLAlchemy URL of the ledger."""
        return self.ledger or f"sqlite:///{self.state / 'ledger.db'}"

    @property
    def api_key_file(self) -> Path:
        """File of the API keys' digests, absolute; it need not be there."""
        return (self.root / self.api_keys).resolve() if self.api_keys else self.state / "api-keys.json"

    @property
    def api_keys_mark(self) -> Path:
        """The file that says that API keys were made on this host; see ``KeysMark``."""
        return self.state / "api-keys-were-made"

    @property
    def spool(self) -> Path:
        """Folder of what servers of this host have recorded and not yet shipped to the ledger."""
        return self.state / "spool"

    @property
    def cache(self) -> Path:
        """Folder of verified copies of versions that were served here."""
        return self.state / "cache"
