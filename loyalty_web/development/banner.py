import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loyalty_web.development.home import DevelopmentHome

_COMMAND: Final = Path(sys.executable).with_name("loyalty")
"""The command of the environment that the stack runs in, which need not be on anybody's PATH."""

_SESSION_ID = r"""sed -n 's/.*"sessionId" *: *"\([^"]*\)".*/\1/p'"""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a ready stack is reached, and with which key."""

    service: str
    pdi: str
    database: str
    redis: str
    api_key: str

    def as_environment(self) -> dict[str, str]:
        """The variables of `dev.env`."""
        return {
            "LOYALTY_URL": self.service,
            "LOYALTY_API_KEY": self.api_key,
            "PDI_URL": self.pdi,
            "DATABASE_URL": self.database,
            "REDIS_URL": self.redis,
        }


def calls(addresses: Addresses) -> dict[str, str]:
    """One piece of plain sh per call, ready to paste one after the other: curl and sed are all they need.

    The session's id flows from identify to the calls after it; transaction ids are unique by the clock.
    """
    get = f"curl -sS -H 'Authorization: Bearer {addresses.api_key}'"
    post = f"{get} -H 'Content-Type: application/json'"
    url = addresses.service

    def posted(path: str, body: str) -> str:
        """The call with a JSON body, in which the shell fills in its variables."""
        quoted = body.replace('"', '\\"')
        return f'{post} {url}{path} -d "{quoted}"'

    customer = posted("/identify", '{"customerId":"CUST-12345","channelId":"POS-001","transactionId":"$TXN"}')
    identify = f"""ANSWER=$({customer}); printf '%s\\n' "$ANSWER"; SESSION=$(printf '%s' "$ANSWER" | {_SESSION_ID})"""
    basket = '{"sessionId":"$SESSION","transactionAmount":150.00,"items":[{"sku":"SKU-001","qty":2}]}'
    payment = '{"sessionId":"$SESSION","transactionId":"$TXN","finalAmount":150.00,"applyRewards":true}'
    left = posted("/cancel", '{"sessionId":"$SESSION","reason":"customer left"}')
    return {
        "identify": f"TXN=TXN-$(date +%s)-1; {identify}",
        "calculateRewards": f"{posted('/calculateRewards', basket)}; echo",
        "finalize": f"{posted('/finalize', payment)}; echo",
        "getSessionStatus": f'{get} "{url}/getSessionStatus?sessionId=$SESSION"; echo',
        "return": posted("/return", '{"sessionId":"$SESSION","returnId":"RET-$TXN"}') + "; echo",
        "cancel, of another session": f"TXN=TXN-$(date +%s)-2; {identify}; {left}; echo",
    }


def banner(addresses: Addresses, home: DevelopmentHome) -> str:
    """What the developer sees once the stack is ready."""
    parts = [f"\nReady: {addresses.service} (documentation: {addresses.service}/docs)\n"]
    parts += [f"# {name}\n{text}\n" for name, text in calls(addresses).items()]
    faults = f"curl -sS -X PUT {addresses.pdi}/_sim/faults -d"
    parts += [
        f"""# break PDI, then heal it\n{faults} '{{"mode":"timeout"}}'; echo\n{faults} '{{"mode":"ok"}}'; echo\n""",
        f"Addresses and the demo key for scripts: . {shlex.quote(str(home.environment_file))}",
        f"For the loyalty command: set -a; . {shlex.quote(str(home.service_file))}; set +a; {_COMMAND} jobs list",
        f"Logs: {home.logs} (warnings appear here). Ctrl-C stops everything; the data stays.",
    ]
    return "\n".join(parts)
