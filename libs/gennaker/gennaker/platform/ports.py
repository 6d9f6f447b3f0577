"""Where the services of a platform listen."""

import errno
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from kork.settings import ServiceSettings

from gennaker.embedded.process import free_port, port_in_use
from gennaker.exits import PlatformError


@dataclass(frozen=True, slots=True)
class Ports:
    """A port on loopback for each service."""

    gate: int = 8084
    orca: int = 8083
    clouddriver: int = 7002
    front50: int = 8080
    echo: int = 8089

    @classmethod
    def free(cls) -> "Ports":
        """Find ports that nobody listens on now."""
        return cls(*(free_port() for _ in fields(cls)))

    @classmethod
    def standard(cls, offset: int = 0) -> "Ports":
        """Spinnaker's ports, each moved by `offset`."""
        ports = {name: port + offset for name, port in cls().by_name().items()}
        wrong = [port for port in ports.values() if not 0 < port < 65536]
        if wrong:
            raise PlatformError(f"--port-offset {offset} would make port {wrong[0]}. Ports are 1 to 65535.")
        return cls(**ports)

    def by_name(self) -> dict[str, int]:
        """Give the port of each service."""
        return asdict(self)

    def in_use(self) -> list[str]:
        """Name the services whose port somebody else listens on."""
        return [name for name, port in self.by_name().items() if port_in_use(port)]

    def overrides(self) -> Mapping[str, Any]:
        """Give the settings that put the services on these ports."""
        return {"services": {name: {"host": "127.0.0.1", "port": port} for name, port in self.by_name().items()}}


def listen(name: str, host: str, port: int) -> socket.socket:
    """Open a listening socket for a service; raise `PlatformError` when the port is taken or not allowed."""
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host, port))
    except OSError as error:
        opened.close()
        if error.errno != errno.EADDRINUSE:
            raise PlatformError(f"{name} can't listen on {host}:{port}: {(error.strerror or '').lower()}.") from error
        raise PlatformError(
            f"{name} can't listen: port {port} is in use{_by_whom(port)}. "
            "Stop what listens there, or move all ports with --port-offset."
        ) from error
    opened.setblocking(False)
    return opened


def open_sockets(settings: Mapping[str, ServiceSettings]) -> dict[str, socket.socket]:
    """Take the ports of all services, before anything else is started. Raises `PlatformError`."""
    opened: dict[str, socket.socket] = {}
    try:
        for name, own in settings.items():
            endpoint = getattr(own.services, name)
            opened[name] = listen(name, endpoint.host, endpoint.port)
    except PlatformError:
        for taken in opened.values():
            taken.close()
        raise
    return opened


def _by_whom(port: int) -> str:
    """Name the process that listens on a port, as far as this user may know."""
    import psutil

    try:
        listening = [c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.laddr]
        owners = [c.pid for c in listening if tuple(c.laddr)[-1] == port]
        if owners and owners[0]:
            return f" by process {owners[0]} ({psutil.Process(owners[0]).name()})"
    except psutil.Error:
        pass
    return ""
