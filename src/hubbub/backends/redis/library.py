"""The functions that run in the server: Lua sources, loaded as one library whose name tells their version."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files

_SOURCES = ("log", "sessions", "directory", "presence", "registry", "snapshots")

_HEAD = """#!lua name={name}
local function register(name, callback, flags)
  redis.register_function{{function_name = '{name}_' .. name, callback = callback, flags = flags}}
end
"""


@cache
def library() -> tuple[str, str]:
    """The library's name and its code.

    The name ends with a digest of the code: nodes of two releases, each with its own functions, share a server.
    """
    folder = files("hubbub.backends.redis") / "lua"
    # Each source in its own block: what is local stays so.
    body = "\n".join(f"do\n{(folder / f'{source}.lua').read_text()}end" for source in _SOURCES)
    name = f"hubbub_{sha256(body.encode()).hexdigest()[:12]}"
    return name, _HEAD.format(name=name) + body


@cache
def function(name: str) -> str:
    """The full name of a function of the library."""
    return f"{library()[0]}_{name}"
