# ruff: noqa: INP001 - a script of a container, no package
"""Whether the process in this container answers: exit code 0 or 1.

Without an argument the web service is asked, else the address that is given. No proxy of the environment has a say.
"""

import http.client
import os
import sys
from urllib.parse import urlsplit

url = urlsplit(sys.argv[1] if len(sys.argv) > 1 else f"http://127.0.0.1:{os.environ.get('PORT', '3000')}/health")
try:
    asked = http.client.HTTPConnection(url.netloc, timeout=9)
    asked.request("GET", url.path)
    status = asked.getresponse().status
except (OSError, http.client.HTTPException) as error:
    sys.exit(f"no answer: {error}")
sys.exit(None if status == http.client.OK else f"answered {status}")
