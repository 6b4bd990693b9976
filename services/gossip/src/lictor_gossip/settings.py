"""The settings of a gossip process."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from lictor_gossip.keyring_file import key_of
from lictor_kit.settings import Port, Settings


class GossipSettings(Settings):
    """What a gossip is told beside what every process is told."""

    gossip_port: Port = Field(
        default=8301, description="UDP and TCP port; Serf's LAN pool; Consul's own number, so that agents find it"
    )
    gossip_advertise: str = Field(
        default="",
        description="IP address; where other members reach this one; empty takes the bind address, or the host's own",
    )
    gossip_seeds: str = Field(
        default="",
        description="host or host:port, comma separated; whom to join; names are looked up anew each time, all their "
        "addresses count, and it is tried for ever; empty waits to be joined",
    )
    gossip_profile: Literal["lan", "wan", "local", "fast"] = Field(
        default="lan",
        description="timing of failure detection; lan suits wide pools; fast notices within 2 s in small ones",
    )
    gossip_slots: int = Field(
        default=1,
        ge=1,
        le=99,
        description="slots; how many gossips may share a data directory; the first is LICTOR_NODE, others node-<slot>",
    )
    gossip_leave_timeout_s: float = Field(
        default=5.0, gt=0, le=8, description="seconds; how long leaving waits for the pool to hear of it"
    )
    gossip_key: SecretStr = Field(
        default=SecretStr(""),
        description="base64 of 16, 24 or 32 bytes; encrypts the pool; empty is in the clear, as in Consul. It founds "
        "the node's keyring file; once that is there, it has the say",
    )
    gossip_key_file: Path | None = Field(
        default=None, description="file; holds what LICTOR_GOSSIP_KEY would; keeps the key out of the environment"
    )
    gossip_verify_incoming: bool = Field(
        default=True,
        description="true or false; refuse what is not encrypted; false only while a pool is being encrypted",
    )
    gossip_verify_outgoing: bool = Field(
        default=True,
        description="true or false; encrypt what is sent; false only while a pool is being encrypted",
    )

    @field_validator("gossip_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            key_of(value.get_secret_value())
        return value

    @field_validator("gossip_key_file")
    @classmethod
    def _holds_a_key(cls, value: Path | None) -> Path | None:
        if value is not None:
            _read_key(value)
        return value

    @model_validator(mode="after")
    def _name_one_key(self) -> Self:
        if self.gossip_key_file is not None and self.gossip_key.get_secret_value():
            raise ValueError("LICTOR_GOSSIP_KEY and LICTOR_GOSSIP_KEY_FILE are both given: one says it")
        return self

    def given_key(self) -> bytes | None:
        """The key of the environment or of the key file; None when there is none.

        Raises:
            ValueError: the file cannot be read any more.
        """
        if self.gossip_key_file is not None:
            return _read_key(self.gossip_key_file)
        text = self.gossip_key.get_secret_value()
        return key_of(text) if text else None


def _read_key(path: Path) -> bytes:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'not a text'}") from None
    return key_of(text.strip())
