"""Settings of the healthcheck service."""

from pydantic import Field

from lictor_kit import Port, Settings


class HealthcheckSettings(Settings):
    """What a healthcheck is told beside what every process is told."""

    operations_port: Port = Field(
        default=8576, description="TCP port; /livez, /readyz and /metrics; the house's port for this role"
    )
    healthcheck_probes_max: int = Field(
        default=256,
        ge=1,
        le=10_000,
        description="probes; how many run at once; each holds a socket, and 1,024 open files is a common limit",
    )
    healthcheck_output_interval_s: float = Field(
        default=300.0,
        ge=0.0,
        description="seconds; between two writes of one check that change only its output; Consul's "
        "check_update_interval, because every write wakes whoever watches the service",
    )
    healthcheck_output_bytes_max: int = Field(
        default=4096,
        ge=128,
        le=65_536,
        description="bytes; output kept per check; Consul's check_output_max_size, enough for an error's first lines",
    )
