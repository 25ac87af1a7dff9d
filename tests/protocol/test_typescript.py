"""The TypeScript that is made from the types, and the file that is committed."""

from __future__ import annotations

from pathlib import Path

from hubbub.protocol.catalog import Catalog
from hubbub.protocol.typescript import typescript
from tests.protocol.samples import make_catalog

COMMITTED = Path(__file__).parents[2] / "clients/typescript/src/protocol.ts"


def interface(text: str, name: str) -> str:
    """The body of an interface."""
    return text.partition(f"export interface {name} ")[2].partition("{\n")[2].partition("}\n")[0]


def test_the_committed_file_is_what_the_types_say() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == typescript(Catalog()), "run `make generate`"


def test_every_type_has_its_message() -> None:
    text = typescript(Catalog())
    union = text.partition("export type ProtocolMessage =\n")[2]
    for cls in Catalog():
        assert f'  type: "{cls.type}";\n' in text
        assert f"  | {cls.__name__}\n" in union.replace(";", "\n")


def test_fields_are_optional_where_they_are() -> None:
    text = typescript(Catalog())
    assert interface(text, "WelcomeMessage").split("\n")[:2] == ['  type: "welcome";', "  payload: WelcomePayload;"]
    assert "  target?: string | null;\n" in interface(text, "CommandPayload")
    assert '  action: "join" | "kick" | "leave" | "mute" | "unmute";\n' in interface(text, "CommandPayload")
    assert "  positions?: Record<string, Position>;\n" in interface(text, "RestoreSessionPayload")
    assert "  messages?: Envelope[];\n" in interface(text, "HistoryMessage")


def test_what_an_application_registers_is_there_too() -> None:
    text = typescript(make_catalog())
    assert "  speed?: number;\n" in interface(text, "MovePayload")
    assert "  tags?: string[];\n" in interface(text, "TeamNotePayload")
    assert "  extra?: FreeValue;\n" in interface(text, "MovePayload")
