"""The log of outages: of central systems, of registrations there, and of drivers.

What fails at many charge points at once is one line, not thousands: failures of one central system or
driver are collected for a short time and counted by reason. Further lines come for another reason, for more
charge points, and when it is over. What fails and recovers again and again is logged more and more seldom.
"""

import math
import re
from enum import Enum
from typing import Final, NamedTuple

import structlog
from msgspec import Struct, field

from chargebridge.clock import Clock, format_utc
from chargebridge.gateway.turns.wheel import CallLater, Cancellable

FIRST_WAIT_S: Final = 2.0
"""Real seconds from the first failure to its line, so that it says how many fail."""
FIRST_CALM_S: Final = 5.0
"""Real seconds without a failure after which something is working again."""
LONGEST_S: Final = 600.0
"""Both waits double with every line up to this. They begin anew after quiet: the first after twice this, the
second if it has worked for this long."""
MOST_REASONS: Final = 8
"""Reasons that are counted apart; a peer's own words may be in them."""
MOST_NAMED: Final = 10
"""Charge points that are named in the lines of one reason; those beyond are counted."""
MORE: Final = 10
"""Beyond them, so many times as many charge points as were logged before are another line."""
LONGEST_REASON: Final = 300
"""Characters."""
_OTHER: Final = "various other reasons"

_QUOTED: Final = re.compile(r"'.*'|\".*\"", re.DOTALL)

_log = structlog.get_logger()


class Topic(Enum):
    """Something that can fail: the events of the log, the field that names it, and what is counted."""

    LINKS = ("links to central system failing", "links to central system back", "central_system")
    UNSTABLE_LINKS = (
        "links to central system open and break again",
        "links to central system stable",
        "central_system",
    )
    REGISTRATIONS = ("boots not accepted", "boots accepted", "central_system")
    DRIVER = ("driver failing", "driver back", "driver")

    def __init__(self, failing: str, back: str, named: str) -> None:
        self.failing = failing
        self.back = back
        self.named = named
        self.counted = "chargers" if named == "driver" else "charge_points"


class _Group(Struct, eq=False):
    """What fails for one reason."""

    key: str
    reason: str
    since_ms: int
    failing: int = 0
    most: int = 0
    """The most that failed at once since the last line."""
    said: int = 0
    """How many the last line had; 0: there was none."""
    named: set[str] = field(default_factory=set)
    fresh: dict[str, None] = field(default_factory=dict)
    """Charge points to be named in the next line."""
    over_since: float = math.inf

    @property
    def is_news(self) -> bool:
        """Whether a line is due."""
        return bool(self.most and (not self.said or self.fresh or self.failing >= MORE * self.said))

    def change(self, failing: int, now: float) -> None:
        """Take note of how many fail; it is over when none does, or hardly any of those in the last line."""
        self.failing += failing
        self.most = max(self.most, self.failing)
        if self.failing * MORE > self.said:
            self.over_since = math.inf
        else:
            self.over_since = min(self.over_since, now)


class _Member(NamedTuple):
    group: _Group
    weight: int


class _Subject(Struct, eq=False):
    """One central system or driver."""

    members: dict[str, _Member] = field(default_factory=dict)
    groups: dict[str, _Group] = field(default_factory=dict)
    recovered: dict[str, int] = field(default_factory=dict)
    """What works again since the last line that said so, with the weights."""
    wait_s: float = FIRST_WAIT_S
    calm_s: float = FIRST_CALM_S
    said_at: float = -math.inf
    back_at: float = -math.inf
    timer: Cancellable | None = None
    due: float = math.inf


class OutageLog:
    """Logs what fails, and when it works again.

    Args:
        clock: the time; waits are real seconds.
        call_later: of the event loop.
    """

    def __init__(self, clock: Clock, call_later: CallLater) -> None:
        self._clock = clock
        self._call_later = call_later
        self._subjects: dict[tuple[Topic, str], _Subject] = {}

    def failed(self, topic: Topic, name: str, who: str, reason: str, weight: int = 1) -> None:
        """Take note that something fails, perhaps once more.

        Args:
            topic: what it is.
            name: of the central system or driver.
            who: identity of the charge point; empty if the driver itself fails.
            reason: for operators; holds no secret.
            weight: how many it counts for.
        """
        subject = self._subjects.setdefault((topic, name), _Subject())
        now = self._now()
        group = _group_of(subject, reason, now, self._clock.now().utc_ms)
        before = subject.members.get(who)
        if before is not None:
            if before.group is group:
                return
            group.since_ms = min(group.since_ms, before.group.since_ms)
            _leave(subject, who, now)
        subject.members[who] = _Member(group, weight)
        subject.recovered.pop(who, None)
        group.change(weight, now)
        if who and who not in group.named and len(group.named) + len(group.fresh) < MOST_NAMED:
            group.fresh[who] = None
        if group.is_news:
            self._look(topic, name, subject, max(now + FIRST_WAIT_S, subject.said_at + subject.wait_s))

    def recovered(self, topic: Topic, name: str, who: str) -> None:
        """Take note that something works; without effect if it did not fail."""
        self._left(topic, name, who, recovered=True)

    def forget(self, topic: Topic, name: str, who: str) -> None:
        """Take note that something neither fails nor works any more: an operator has taken it away."""
        self._left(topic, name, who, recovered=False)

    def count(self, topic: Topic) -> dict[str, int]:
        """Return how many fail now, by central system or driver; those that never failed are left out."""
        return {
            name: sum(member.weight for member in subject.members.values())
            for (kind, name), subject in self._subjects.items()
            if kind is topic
        }

    def stop(self) -> None:
        """Log nothing any more."""
        for subject in self._subjects.values():
            if subject.timer is not None:
                subject.timer.cancel()
        self._subjects.clear()

    def _left(self, topic: Topic, name: str, who: str, *, recovered: bool) -> None:
        subject = self._subjects.get((topic, name))
        if subject is None or who not in subject.members:
            return
        now = self._now()
        member = _leave(subject, who, now)
        if recovered:
            subject.recovered[who] = member.weight
        group = member.group
        if not recovered and not group.failing and not group.said:
            del subject.groups[group.key]
        elif group.over_since <= now:
            self._look(topic, name, subject, now + subject.calm_s)

    def _now(self) -> float:
        return self._clock.now().mono / self._clock.speed

    def _look(self, topic: Topic, name: str, subject: _Subject, at: float) -> None:
        """Look at a subject at this time, or before."""
        if at >= subject.due:
            return
        if subject.timer is not None:
            subject.timer.cancel()
        subject.due = at
        subject.timer = self._call_later(
            max(at - self._now(), 0.0), lambda: self._look_now(topic, name, subject)
        )

    def _look_now(self, topic: Topic, name: str, subject: _Subject) -> None:
        subject.timer, subject.due = None, math.inf
        now = self._now()
        news = [group for group in subject.groups.values() if group.is_news]
        if news:
            may_at = subject.said_at + subject.wait_s
            if now < may_at:
                self._look(topic, name, subject, may_at)
            else:
                self._say(topic, name, subject, news, now)
        over = [group for group in subject.groups.values() if group.said and group.over_since <= now]
        if over:
            calm_at = max(group.over_since for group in over) + subject.calm_s
            if now < calm_at:
                self._look(topic, name, subject, calm_at)
            else:
                self._end(topic, name, subject, over, now)

    def _say(self, topic: Topic, name: str, subject: _Subject, news: list[_Group], now: float) -> None:
        quiet = now - subject.said_at >= 2 * LONGEST_S
        subject.wait_s = FIRST_WAIT_S if quiet else min(subject.wait_s * 2, LONGEST_S)
        subject.said_at = now
        if any(not group.said for group in news):
            often = now - subject.back_at < LONGEST_S
            subject.calm_s = min(subject.calm_s * 2, LONGEST_S) if often else FIRST_CALM_S
            subject.back_at = -math.inf
        for group in news:
            fields: dict[str, object] = {topic.named: name, "reason": group.reason, topic.counted: group.most}
            if group.fresh:
                fields["named"] = ", ".join(group.fresh)
            _log.warning(topic.failing, **fields, since=format_utc(group.since_ms))
            group.said, group.most = group.most, 0
            group.change(0, now)
            group.named |= group.fresh.keys()
            group.fresh.clear()

    def _end(self, topic: Topic, name: str, subject: _Subject, over: list[_Group], now: float) -> None:
        """Log that something is over: all of it, or most of it."""
        failing = sum(member.weight for member in subject.members.values())
        recovered = sum(subject.recovered.values())
        if failing and recovered < failing:
            return  # most of it fails for another reason now
        if recovered:
            fields: dict[str, object] = {topic.named: name, topic.counted: recovered}
            if failing:
                fields["still_failing"] = failing
            _log.info(topic.back, **fields, since=format_utc(min(group.since_ms for group in over)))
            subject.back_at = now
            subject.recovered.clear()
        for group in over:
            if group.failing:
                group.said, group.most = group.failing, 0
                group.change(0, now)
            else:
                del subject.groups[group.key]


def _group_of(subject: _Subject, reason: str, now: float, now_ms: int) -> _Group:
    """Return the group of a reason; what was over for long begins anew."""
    for old in [group for group in subject.groups.values() if not group.failing and group.said]:
        if now - old.over_since >= LONGEST_S:
            del subject.groups[old.key]
    reason = reason[:LONGEST_REASON]
    # What is quoted are a peer's own words, which may be others each time.
    key = _QUOTED.sub("", reason)
    if key not in subject.groups and len(subject.groups) >= MOST_REASONS:
        key = reason = _OTHER
    return subject.groups.setdefault(key, _Group(key, reason, now_ms))


def _leave(subject: _Subject, who: str, now: float) -> _Member:
    member = subject.members.pop(who)
    group = member.group
    group.change(-member.weight, now)
    if group.said:
        group.fresh.pop(who, None)
    return member
