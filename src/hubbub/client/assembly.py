"""A client put together from its parts."""

from __future__ import annotations

import asyncio
import logging

from hubbub.client.acknowledging import Acknowledging
from hubbub.client.attached import Attached
from hubbub.client.composing import Composer
from hubbub.client.deliveries import Deliveries
from hubbub.client.detours import Detours
from hubbub.client.dispatch import Dispatch
from hubbub.client.events import Events
from hubbub.client.link import Link
from hubbub.client.memberships import Memberships
from hubbub.client.openings import Openings
from hubbub.client.options import ClientOptions
from hubbub.client.positions import Positions
from hubbub.client.publishing import Publishing
from hubbub.client.recovery import Recovery
from hubbub.client.requests import Request, Requests
from hubbub.client.session import Session
from hubbub.client.spool import Publication, SqliteSpool
from hubbub.client.tokens import Tokens
from hubbub.delivery.link import Quality
from hubbub.delivery.outbox import Outbox
from hubbub.errors import BadMessage, HubbubError
from hubbub.protocol import messages
from hubbub.protocol.messages import ApplicationMessage, Message
from hubbub.protocol.payloads import Refresh
from hubbub.protocol.wire import Wire, profile_of

log = logging.getLogger("hubbub.client")


class Parts:
    """Makes every part once and tells each of those it needs; what belongs to no single one is here."""

    def __init__(self, url: str, options: ClientOptions) -> None:
        self._loop = asyncio.get_running_loop()
        wire = Wire(options.catalog)
        self.events = Events()
        self.attached = Attached()
        self.tokens = Tokens(options.token, wall=options.wall)
        self.composer = Composer(wire, options.rng, options.wall)
        self.session = Session(self.composer, user=options.user, profile=options.profile)
        self.link = Link(
            url, options, wire=wire, profile=profile_of(options.codec), tokens=self.tokens, events=self.events
        )
        self.positions = Positions()
        self.requests = Requests(self.send, patience=options.patience, limit=options.max_pending)
        self.publishing = self._publishing(options, wire)
        self.acks = Acknowledging(self.positions, self.send)
        self.deliveries = Deliveries(
            self.positions,
            self.acks,
            self.events,
            read=self.link.read,
            is_awaited=lambda: len(self.publishing) + len(self.requests) > 0,
        )
        self.requests.on_change = self.publishing.on_change = self.deliveries.update
        self.detours = Detours(self.composer, self.requests, self.deliveries)
        self.memberships = Memberships(
            self.composer, self.requests, self.positions, self.acks, self.deliveries, self.events, self.detours
        )
        self.openings = Openings(self.memberships, self.deliveries, self.acks, is_connected=lambda: self.link.is_open)
        self.recovery = self._recovery()
        self.tokens.refresh = self._send_token
        self.link.conduct = self.recovery

    # --- What the parts need of the connection ---------------------------------------------------------

    def send(self, message: Message) -> None:
        """Sends if there is a connection, in the name of the session's user."""
        if isinstance(message, ApplicationMessage):
            message.sender = self.session.user or message.sender
        self.link.send(message)

    def wake(self) -> None:
        self.link.wake()

    @property
    def quality(self) -> Quality:
        return self.link.quality

    @property
    def round_trip(self) -> float | None:
        return self.link.round_trip

    # --- Small requests --------------------------------------------------------------------------------

    async def ping(self) -> float:
        """The round trip, in seconds, of a ping that was answered."""
        future: asyncio.Future[Message] = self._loop.create_future()
        arrived = 0.0

        def pong(_: Message) -> None:
            nonlocal arrived
            arrived = self._loop.time()

        request = Request(self.composer.ping(), future, repeatable=True, on_answer=pong)
        await self.requests.result(self.requests.submit(request))
        return arrived - request.sent_at

    async def refresh(self, token: str) -> None:
        await self._send_token(token)
        self.tokens.replace(token)

    async def _send_token(self, token: str) -> None:
        message = messages.RefreshMessage(message_id=self.composer.new_id(), payload=Refresh(token=token))
        await self.requests.ask(message)

    # --- Making ----------------------------------------------------------------------------------------

    def _publishing(self, options: ClientOptions, wire: Wire) -> Publishing:
        spool = None
        if options.outbox_path is not None:

            def decode(body: bytes) -> ApplicationMessage:
                message = wire.json.decode(body)
                if not isinstance(message, ApplicationMessage):
                    raise BadMessage("invalid_message", f"{message.type} is no type of an application", field="type")
                return message

            spool = SqliteSpool(options.outbox_path, wire.json.encode, decode)
        outbox: Outbox[Publication] = Outbox(
            limit=options.outbox_limit, disk_limit=options.outbox_disk_limit, spool=spool
        )
        return Publishing(
            self,
            timeout=options.ack_timeout,
            retries=options.ack_retries,
            limit=options.max_pending,
            outbox=outbox,
            spool=spool,
            lost=self._lost,
        )

    def _recovery(self) -> Recovery:
        dispatch = Dispatch(
            publishing=self.publishing,
            requests=self.requests,
            memberships=self.memberships,
            deliveries=self.deliveries,
            tokens=self.tokens,
            events=self.events,
            migrate=self.link.move,
            attached=self.attached,
        )
        return Recovery(
            session=self.session,
            positions=self.positions,
            requests=self.requests,
            publishing=self.publishing,
            memberships=self.memberships,
            deliveries=self.deliveries,
            detours=self.detours,
            acks=self.acks,
            received=dispatch,
        )

    def _lost(self, error: HubbubError) -> None:
        self.events.tell("error", error)
