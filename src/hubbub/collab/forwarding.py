"""Operations that another node is to append: they are sent to the owner of their document, until the log has them.

Mail may be lost, and owners die. So what has no answer is sent again, each time to whoever owns the document then:
(client id, seq) makes it count once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from hubbub import HubbubError, ProtocolError, TryLater
from hubbub.client.answers import error_from
from hubbub.collab.archive import answer
from hubbub.collab.live import LiveDocument, Submission
from hubbub.collab.validation import read_changes
from hubbub.collab.window import Edit
from hubbub.ports import Mailbox
from hubbub.protocol.messages import ErrorMessage
from hubbub.protocol.payloads import ErrorDetails

log = logging.getLogger("hubbub.collab")


class Forwarded(Struct, tag=True, frozen=True):
    """An operation of somebody at `node`, which has checked whose it is."""

    node: str
    document: str
    client_id: str
    seq: int
    user: str
    revision: int
    epoch: str
    operation: list[Any]


class Refusal(Struct, tag=True, frozen=True, omit_defaults=True):
    """What became of one that is not in the log."""

    document: str
    client_id: str
    seq: int
    code: str
    reason: str
    field: str | None = None
    retry_after_ms: int | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Forwarded | Refusal).decode


class Sent:
    """An operation that has no answer: when it came, and when it was sent last."""

    __slots__ = ("at", "since", "submission")

    def __init__(self, submission: Submission, now: float) -> None:
        self.submission = submission
        self.since = now
        self.at = now


class Outgoing:
    """What was forwarded of one document, by author and number."""

    def __init__(self, document: LiveDocument, most: int) -> None:
        self._document = document
        self._most = most
        self._sent: dict[tuple[str, int], Sent] = {}

    def __len__(self) -> int:
        return len(self._sent)

    def oldest(self) -> float:
        """When the one was sent that was not sent for the longest time."""
        return min(sent.at for sent in self._sent.values())

    def gather(self, now: float) -> None:
        """Takes over what waits in the document's queue: another node is to append it."""
        document = self._document
        while document.queue:
            submission = document.queue.popleft()
            if isinstance(submission.peer, Sender):
                # It came from another node, which asks again, and knows better by then.
                continue
            author = document.authors.find(submission.client_id)
            if author is not None and (author.seq, author.user) == (submission.seq, submission.user):
                document.readers.repeated(submission, author.revision)
            elif len(self._sent) >= self._most:
                error = TryLater("too_many_pending", "the document gets too many operations", retry_after_ms=500)
                document.readers.refused(submission, error)
            else:
                self._sent[submission.client_id, submission.seq] = Sent(submission, now)

    def take(self, now: float) -> list[Submission]:
        """Everything that has no answer, to be sent."""
        for sent in self._sent.values():
            sent.at = now
        return [sent.submission for sent in self._sent.values()]

    def take_back(self) -> None:
        """This node is to append it after all."""
        self._document.queue.extendleft(sent.submission for sent in reversed(self._sent.values()))
        self._sent.clear()

    def appended(self, edits: Sequence[Edit]) -> None:
        """These are in the log."""
        for edit in edits if self._sent else ():
            self._sent.pop((edit.client_id, edit.record.seq), None)

    def expire(self, before: float) -> None:
        """Refuses what came before a time: its author is to send it again."""
        for key, sent in list(self._sent.items()):
            if sent.since < before:
                del self._sent[key]
                error = TryLater("unavailable", "the document has no owner now", retry_after_ms=1000)
                self._document.readers.refused(sent.submission, error)

    def refused(self, refusal: Refusal) -> None:
        sent = self._sent.pop((refusal.client_id, refusal.seq), None)
        if sent is None:
            return
        error = refusal_error(refusal)
        if error.code == "not_found":
            self._document.readers.outdated(sent.submission)
        else:
            self._document.readers.refused(sent.submission, error)


class Post:
    """This node's mail about documents."""

    def __init__(
        self, mailbox: Mailbox, run: str, *, forwarded: Callable[[Forwarded], None], refused: Callable[[Refusal], None]
    ) -> None:
        self._mailbox = mailbox
        self._run = run
        self._forwarded = forwarded
        self._refused = refused
        self._is_open = False

    async def open(self) -> None:
        """What is sent to this node comes from now on. Harmless when repeated. Raises `TryLater`."""
        if self._is_open:
            return
        await answer(self._mailbox.open(_topic_of(self._run), self._received))
        self._is_open = True

    def close(self) -> None:
        self._mailbox.leave(_topic_of(self._run))

    def forward(self, node: str, document: LiveDocument, submission: Submission) -> None:
        mail = Forwarded(
            self._run,
            document.id,
            submission.client_id,
            submission.seq,
            submission.user,
            submission.revision,
            submission.epoch,
            submission.to_json(),
        )
        self._mailbox.send(_topic_of(node), _encode(mail))

    def refuse(self, node: str, refusal: Refusal) -> None:
        self._mailbox.send(_topic_of(node), _encode(refusal))

    def _received(self, data: bytes) -> None:
        try:
            mail = _decode(data)
            (self._refused if isinstance(mail, Refusal) else self._forwarded)(mail)
        except (msgspec.MsgspecError, HubbubError) as error:
            # A newer node may speak otherwise.
            log.warning("mail about a document was not taken: %s", error)


class Sender:
    """Stands for the author of an operation that came from another node."""

    def __init__(self, post: Post, mail: Forwarded) -> None:
        self._post = post
        self._mail = mail

    def refuse(self, error: ProtocolError) -> None:
        mail = self._mail
        refusal = Refusal(
            mail.document, mail.client_id, mail.seq, error.code, error.reason, error.field, error.retry_after_ms
        )
        self._post.refuse(mail.node, refusal)


def read_forwarded(post: Post, mail: Forwarded) -> Submission:
    """What another node's author wants appended. Raises `BadMessage`."""
    return Submission(
        changes=read_changes(mail.operation),
        revision=mail.revision,
        client_id=mail.client_id,
        seq=mail.seq,
        user=mail.user,
        peer=Sender(post, mail),
        parts=mail.operation,
        epoch=mail.epoch,
        is_checked=False,
    )


def refusal_error(refusal: Refusal) -> ProtocolError:
    details = ErrorDetails(0)
    details.field = UNSET if refusal.field is None else refusal.field
    details.retry_after_ms = UNSET if refusal.retry_after_ms is None else refusal.retry_after_ms
    return error_from(ErrorMessage(code=refusal.code, reason=refusal.reason, payload=details))


def _topic_of(run: str) -> str:
    return f"documents@{run}"
