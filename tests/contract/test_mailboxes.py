from collections.abc import Sequence

from hubbub.backends.memory.mailbox import MemoryExchange, MemoryMailbox
from hubbub.ports import Mailbox
from hubbub.testing.mailbox_contract import MailboxContract


class TestMemoryMailbox(MailboxContract):
    def make_mailboxes(self, count: int) -> Sequence[Mailbox]:
        exchange = MemoryExchange()
        return [MemoryMailbox(exchange) for _ in range(count)]
