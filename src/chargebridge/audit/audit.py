"""The audit of any number of charge points."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Final

from chargebridge.audit.books import PhysicalSession, compare, overlaps, unfinished
from chargebridge.audit.conversation import Conversation
from chargebridge.audit.transaction import Finding

FINDINGS_KEPT: Final = 1000


class Audit:
    """Takes frames one by one, in the order in which they pass one place.

    Memory grows with the number of transactions, by a few hundred bytes each; readings are kept only while
    their transaction is open.

    Args:
        message_timeout_ms: how old an unanswered CALL has to be before another one may follow on its
            connection, in the time of the frames.
    """

    def __init__(self, message_timeout_ms: int = 1000) -> None:
        self.findings: list[str] = []
        """The first `FINDINGS_KEPT` findings: charge point, rule, and what is wrong."""
        self.frames = 0
        """The number of frames so far."""
        self._conversations: defaultdict[str, Conversation] = defaultdict(
            lambda: Conversation(message_timeout_ms)
        )

    def connected(self, charge_point: str) -> None:
        """Take note of a new connection; the one before is over."""
        self._conversations[charge_point].connected()

    def restarted(self) -> None:
        """Take note that the program behind all charge points begins anew: each has to boot."""
        for conversation in self._conversations.values():
            conversation.registration = ""

    def redelivered(self, charge_point: str) -> None:
        """Take note that an operator has old messages sent again: they may come late, and once more."""
        for transaction in self._conversations[charge_point].transactions.values():
            transaction.again = True

    def restored(self, charge_point: str) -> None:
        """Take note that a store without the newest records of this charge point was put in place.

        Of each transaction so far: it may end as a dead letter only; its readings may be sent again; and its
        Stop, once more, with the same register and time.
        """
        for transaction in self._conversations[charge_point].transactions.values():
            transaction.forgotten = True

    def set_aside(self, charge_point: str, start: tuple[int, str, int, int], *, of_stop: bool) -> None:
        """Take note that an operator has set one message aside, which may never be sent then.

        Without its start the rest of a transaction is sent under -1; without its stop the next one begins.
        What is redelivered later may come behind the stop.

        Args:
            charge_point: its identity.
            start: of its transaction: connector, idTag, register in Wh and time in ms.
            of_stop: it is the stop; otherwise the start, or samples.
        """
        self._conversations[charge_point].set_aside(start, of_stop=of_stop)

    def sent(self, at_ms: int, charge_point: str, frame: str | bytes) -> None:
        """Take a frame of a charge point.

        Args:
            at_ms: when it passed, in milliseconds.
            charge_point: its identity.
            frame: its text as it was on the wire.
        """
        self.frames += 1
        self._take(charge_point, self._conversations[charge_point].sent(at_ms, frame))

    def received(self, charge_point: str, frame: str | bytes) -> None:
        """Take a frame of the central system, with arguments as of `sent`."""
        self.frames += 1
        self._take(charge_point, self._conversations[charge_point].received(frame))

    def close_books(self, *, complete: bool = True, incomplete: Collection[str] = ()) -> None:
        """Check what can be seen at the end only: overlaps, and what was never answered or stopped.

        Args:
            complete: nothing runs any more, and everything should have been delivered.
            incomplete: charge points of which that is not so, since something lies in dead letters.
        """
        for charge_point, conversation in self._conversations.items():
            transactions = conversation.transactions.values()
            if complete and charge_point not in incomplete:
                self._take(charge_point, unfinished(transactions))
            self._take(charge_point, overlaps(transactions))

    def reconcile(
        self,
        sessions: Iterable[PhysicalSession],
        *,
        rebuilt: Collection[int] = (),
        assumed: Collection[str] = (),
        incomplete: Collection[str] = (),
    ) -> None:
        """Compare the books with what the chargers did: each Wh once, in a transaction of its own driver.

        Args:
            sessions: all sessions that have ended.
            rebuilt: transactionIds of transactions of which only the energy can be right.
            assumed: charge points of which ends of sessions had to be assumed. There a session may be several
                transactions, and the time of an end may be wrong.
            incomplete: charge points of which something lies in dead letters, or in a list of energy that no
                charger reports any more. There the books may have less than was delivered, and nothing else.
        """
        had: defaultdict[str, list[PhysicalSession]] = defaultdict(list)
        for session in sessions:
            had[session.charge_point].append(session)
        for charge_point in sorted({*had, *self._conversations}):
            transactions = self._conversations[charge_point].transactions.values()
            findings = compare(
                had[charge_point],
                transactions,
                rebuilt,
                assumed=charge_point in assumed,
                complete=charge_point not in incomplete,
            )
            self._take(charge_point, findings)

    @property
    def transactions(self) -> int:
        """The number of transactions, each counted once."""
        return sum(len(conversation.transactions) for conversation in self._conversations.values())

    @property
    def booked_wh(self) -> int:
        """The energy of all transactions that were stopped, each counted once, in Wh."""
        return sum(
            transaction.stop_wh - transaction.start_wh
            for conversation in self._conversations.values()
            for transaction in conversation.transactions.values()
        )

    def _take(self, charge_point: str, findings: Iterable[Finding]) -> None:
        for finding in findings:
            if len(self.findings) < FINDINGS_KEPT:
                self.findings.append(f"{charge_point}: {finding.rule}: {finding.text}")
