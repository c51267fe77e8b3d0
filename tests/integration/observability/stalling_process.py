"""A process with a watchdog, whose event loop stalls in the way it is told: `python -m … <seconds> <how>`."""

import asyncio
import sys
import time

from loyalty_web.watchdog import Watchdog


async def main(seconds: float, how: str) -> None:
    lags: list[float] = []
    with Watchdog(seconds, on_lag=lags.append):
        await asyncio.sleep(seconds / 4)
        sys.stdout.write(f"running {len(lags) > 0}\n")
        sys.stdout.flush()
        match how:
            case "sleep":
                time.sleep(60)  # noqa: ASYNC251 - this is the stall
            case "native":
                int("7" * 3_000_000)  # seconds of work in C, with the interpreter held
            case "short":
                time.sleep(seconds / 2)  # noqa: ASYNC251 - a hiccup
                await asyncio.sleep(seconds / 4)
            case "suspended":
                await asyncio.to_thread(sys.stdin.readline)
    sys.stdout.write(f"ended {max(lags) > 0}\n")


if __name__ == "__main__":
    sys.set_int_max_str_digits(0)
    asyncio.run(main(float(sys.argv[1]), sys.argv[2]))
