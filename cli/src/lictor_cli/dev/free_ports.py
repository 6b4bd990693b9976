"""Finding a taken port before anything is started."""

import socket
from collections.abc import Iterable

from lictor_cli.dev.plan import HOST, Listen, Process


def first_taken(processes: Iterable[Process]) -> tuple[Process, Listen] | None:
    """The first process whose port somebody holds already, with that port."""
    for process in processes:
        for listen in process.listens:
            if not _free(listen):
                return process, listen
    return None


def _free(listen: Listen) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if listen.udp else socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0 if listen.udp else 1)
        try:
            probe.bind((HOST, listen.port))
        except OSError:
            return False
    return True
