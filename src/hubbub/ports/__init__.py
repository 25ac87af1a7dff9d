"""The contracts between the hub and the technologies behind it. Bytes in and out; small on purpose."""

from hubbub.ports.directory import Directory
from hubbub.ports.log import Append, Appended, DocumentLog, Log, Page, Refused, SharedLog, Sink
from hubbub.ports.mailbox import Mailbox
from hubbub.ports.presence import Joined, Left, Members, Presence
from hubbub.ports.registry import Activity, Lease, NodeRecord, Registry
from hubbub.ports.sessions import SessionRecord, Sessions
from hubbub.ports.snapshots import SavedSnapshot, Snapshot, Snapshots
from hubbub.ports.transport import Transport

__all__ = [
    "Activity",
    "Append",
    "Appended",
    "Directory",
    "DocumentLog",
    "Joined",
    "Lease",
    "Left",
    "Log",
    "Mailbox",
    "Members",
    "NodeRecord",
    "Page",
    "Presence",
    "Refused",
    "Registry",
    "SavedSnapshot",
    "SessionRecord",
    "Sessions",
    "SharedLog",
    "Sink",
    "Snapshot",
    "Snapshots",
    "Transport",
]
