"""Settings from a file, from the environment, and from code."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from hubbub.config.settings import Settings
from hubbub.errors import ConfigurationError

_PREFIX = "HUBBUB_"
_FOR_CLIENTS = {"HUBBUB_URL", "HUBBUB_TOKEN"}


def load_settings(path: Path | None = None, environment: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """The settings from a TOML file, then `HUBBUB_*` variables, then `given` (each beats those before it).

    `HUBBUB_PORT` sets `port`, `HUBBUB_JWT_SECRET` sets `jwt.secret`, `HUBBUB_ORIGINS` takes a list with commas.
    A value of None in `given` means not given. Raises `ConfigurationError`.
    """
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values.update(tomllib.loads(path.read_text()))
        except OSError as error:
            raise ConfigurationError("--config", f"cannot read {path}: {error.strerror}") from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError("--config", f"{path} is no TOML: {error}") from None
    _add_environment(values, os.environ if environment is None else environment)
    values.update({key: value for key, value in given.items() if value is not None})
    try:
        # Not strict: variables are text, and become the numbers and booleans that they stand for.
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError("settings", str(error)) from None


def _add_environment(values: dict[str, Any], environment: Mapping[str, str]) -> None:
    known = set(Settings.__struct_fields__)
    for variable, text in environment.items():
        if not variable.startswith(_PREFIX) or variable in _FOR_CLIENTS:
            continue
        name = variable.removeprefix(_PREFIX).lower()
        if name.startswith("jwt_"):
            values["jwt"] = {**values.get("jwt", {}), name.removeprefix("jwt_"): text}
        elif name in ("origins", "trusted_proxies"):
            values[name] = [item.strip() for item in text.split(",") if item.strip()]
        elif name in known and name not in {"rooms", "jwt"}:
            values[name] = text
        else:
            raise ConfigurationError(variable, f"is no setting; there are {', '.join(sorted(known))}")
