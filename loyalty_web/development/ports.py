import asyncio
import errno
import socket

from loyalty_web.development.program import DevelopmentError

LOOPBACK = "127.0.0.1"


def require_free(port: int, variable: str, purpose: str) -> None:
    """Raise `DevelopmentError`, naming the variable to change, where `port` cannot be listened on."""
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was just left is free
        try:
            attempt.bind((LOOPBACK, port))
        except OSError as error:
            reason = "is taken by another program" if error.errno == errno.EADDRINUSE else f"({error.strerror})"
            message = f"Port {port} for {purpose} {reason}: free it, or choose another with {variable}=<port>."
            raise DevelopmentError(message) from None


async def status_of(port: int, path: str, headers: str = "") -> int | None:
    """The status with which a GET is answered on loopback; None where it is not answered within two seconds.

    Spoken by hand, because proxies that the environment may name have no business here.
    """
    request = f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\n{headers}Connection: close\r\n\r\n"
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                writer.write(request.encode())
                words = (await reader.readline()).split()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else None
