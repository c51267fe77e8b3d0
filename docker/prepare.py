# ruff: noqa: INP001 - a script of a container, no package
"""What a compose stack needs before its first start: secrets of its own, and a folder that the simulator may write.

Run as root in a container of its own, at every start; what is there already stays. A secret leaves its volume only as a
file in the containers that need it.
"""

import os
import secrets
import sys
from pathlib import Path

LOYALTY = 1001  # the user of the image


def keep(name: str, text: str) -> str:
    """The secret `name`: made at the first start, the same ever after; whole or not at all."""
    path = folder / name
    if not path.exists():
        draft = path.with_suffix(".draft")
        draft.write_text(text)
        draft.chmod(0o444)  # whoever may mount the volume may read it, under whatever user
        draft.replace(path)
    return path.read_text()


folder, simulator = Path(sys.argv[1]), Path(sys.argv[2])
password = keep("postgres-password", secrets.token_urlsafe(32))
keep("database-url", f"postgresql://user:{password}@postgres:5432/loyalty")
keep("pdi-client-id", "loyalty-dev")
keep("pdi-client-secret", secrets.token_urlsafe(32))
keep("api-key-pepper", secrets.token_urlsafe(32))
keep("grafana-password", secrets.token_urlsafe(16))
os.chown(simulator, LOYALTY, LOYALTY)
