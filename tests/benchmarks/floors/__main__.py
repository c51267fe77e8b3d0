"""``python -m tests.benchmarks.floors http|call PORT``: one floor, on as many web processes as the service."""

import sys

import uvicorn


def main(name: str, port: int, workers: int) -> None:
    """Serve until SIGTERM."""
    uvicorn.run(
        f"tests.benchmarks.floors.{name}:application",
        factory=True,
        host="127.0.0.1",
        port=port,
        workers=workers,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=65,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), 2)
