"""Settings of the xds service."""

from pydantic import Field

from lictor_kit import Port, Settings


class XdsSettings(Settings):
    """What an xds process is told beside what every process is told."""

    operations_port: Port = Field(
        default=8578, description="TCP port; /livez, /readyz and /metrics; the house's port for this role"
    )
    xds_grpc_port: Port = Field(
        default=8502, description="TCP port; gRPC for Envoys; Consul's default, so that existing bootstraps work"
    )
    xds_streams_max: int = Field(
        default=5000,
        ge=1,
        le=100_000,
        description="streams; Envoys served at once, more are refused and try another replica; 5,000 take about "
        "half a second of one core to push one small change to each",
    )
