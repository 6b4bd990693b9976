"""Runs the commands of a story against real members; the format is described in the README of this library.

Every member is a `LocalMember` with its own disk in memory; the wire is one list, from which a story delivers, drops or
keeps what it wants. Time passes only by `tick` and `wait`; an election timeout is the configured minimum unless
`timeout` says otherwise. After every command the invariants of the members are checked, whatever the story expects.
"""

from collections.abc import Callable, Iterable, Sequence

import story_text as text

from lictor_raft import Config, ConfState, Entry, HardState, LocalMember, MemoryStorage, Message, RaftError, ReadMode
from lictor_raft.confchange import LEAVE_JOINT, enter_joint, leave_joint, next_conf_state, simple
from lictor_raft.messages import LOCAL_APPEND, LOCAL_APPLY, MessageKind
from lictor_raft.quorum import joint_vote_result, majority_value

ROUNDS_MAX = 200
"""A story that has not come to rest after so many rounds never will."""

SHORT = {
    "election": "election_ticks",
    "heartbeat": "heartbeat_ticks",
    "inflight": "inflight_messages_max",
    "bytes": "entries_bytes_per_message_max",
    "prevote": "pre_vote",
    "checkquorum": "check_quorum",
    "silence": "vote_silence_after_start",
    "stepdown": "step_down_on_removal",
    "async": "async_storage_writes",
    "novalidation": "disable_conf_change_validation",
}
"""Settings by the names that stories use; yes and no stand for flags."""

PLAIN = {
    "election_ticks": 10,
    "heartbeat_ticks": 1,
    "pre_vote": False,
    "check_quorum": False,
    "vote_silence_after_start": False,
    "step_down_on_removal": False,
    "read_mode": ReadMode.QUORUM,
}
"""Plain Raft: each story switches on what it is about."""


def ids(words: Iterable[str]) -> tuple[int, ...]:
    """Members named in words or lists with commas."""
    return tuple(int(one) for word in words for one in word.split(",") if one)


class Story:
    """The members, the wire and the configuration that one story talks about."""

    def __init__(self) -> None:
        self.now = 0.0
        self.members: dict[int, LocalMember] = {}
        self.wire: list[Message] = []
        self.conf = ConfState()
        self.level = "all"
        self.lines: list[str] = []

    def run(self, command: str) -> list[str]:
        """The output of one command."""
        self.lines = []
        verb, *words = command.split()
        options = dict(word.split("=", 1) for word in words if "=" in word)
        plain = [word for word in words if "=" not in word]
        try:
            getattr(self, f"do_{verb.replace('-', '_')}")(*plain, **options)
        except RaftError as error:
            self.lines.append(f"{type(error).__name__}: {error}")
        for member in self.members.values():
            if member.up:
                member.check()
        return self.lines or ["ok"]

    def say(self, line: str, *, detail: bool = True) -> None:
        """Print; details are left out where the log level is `quiet`."""
        if self.level == "all" or not detail:
            self.lines.append(line)

    # --- members ----------------------------------------------------------------------------------------------

    def _config(self, member: int, options: dict[str, str]) -> Callable[[int, int], Config]:
        settings: dict[str, object] = dict(PLAIN)
        for key, value in options.items():
            if key == "lease":
                settings["read_mode"] = ReadMode.LEASE if value == "yes" else ReadMode.QUORUM
            else:
                settings[SHORT[key]] = value == "yes" if value in ("yes", "no") else int(value)
        return lambda _, applied: Config(id=member, applied=applied, **settings)  # type: ignore[arg-type]

    def _start(self, member: int, storage: MemoryStorage, options: dict[str, str]) -> None:
        joined = LocalMember(member, storage, self._config(member, options), lambda low, _: low, self.now)
        self.members[member] = joined

    def do_members(self, *words: str, learners: str = "", **options: str) -> None:
        """Found a group: the state after a common snapshot at 1/1."""
        state = ConfState(ids(words), ids([learners]))
        for member in (*state.voters, *state.learners):
            self._start(member, MemoryStorage.founded(state), options)

    def do_join(self, member: str, **options: str) -> None:
        """Start a member that knows nothing."""
        self._start(int(member), MemoryStorage(), options)

    def do_member(self, member: str, voters: str = "", learners: str = "", log: str = "", **options: str) -> None:
        """Start a member with its own configuration and a log given as terms, 1x3,4x2 for 1 1 1 4 4."""
        state = ConfState(ids([voters]), ids([learners]))
        storage = MemoryStorage.founded(state)
        terms: list[int] = []
        for part in filter(None, log.split(",")):
            of, _, count = part.partition("x")
            terms += [int(of)] * int(count or 1)
        storage.append([Entry(term, index, data=b"") for index, term in enumerate(terms, 2)])
        term = int(options.pop("term", terms[-1] if terms else 1))
        storage.set_hard_state(HardState(term, 0, int(options.pop("commit", 1))))
        self._start(int(member), storage, options)

    def do_crash(self, member: str) -> None:
        """Stop a member: what it had not persisted is lost."""
        self.members[int(member)].up = False

    def do_restart(self, member: str) -> None:
        """Start a member again from its disk."""
        self.members[int(member)].restart(self.now)

    # --- what a driver may ask --------------------------------------------------------------------------------

    def do_campaign(self, member: str) -> None:
        """Stand for election."""
        if not self.members[int(member)].node.campaign():
            self.say("refused")

    def do_propose(self, member: str, data: str = "") -> None:
        """Propose one command; xN stands for N bytes."""
        payload = bytes(int(data[1:])) if data[:1] == "x" and data[1:].isdigit() else data.encode()
        self.say(f"index {self.members[int(member)].node.propose(payload)}", detail=False)

    def do_change(self, member: str, word: str) -> None:
        """Propose a change of one member."""
        index = self.members[int(member)].node.propose_conf_change(text.parse_change(word))
        self.say(f"index {index}", detail=False)

    def do_changes(self, member: str, transition: str, *words: str) -> None:
        """Propose several changes with a transition: auto, implicit or explicit."""
        index = self.members[int(member)].node.propose_conf_change(text.several(words, transition))
        self.say(f"index {index}", detail=False)

    def do_leave(self, member: str) -> None:
        """Propose to leave the joint configuration."""
        self.say(f"index {self.members[int(member)].node.propose_conf_change(LEAVE_JOINT)}", detail=False)

    def do_transfer(self, member: str, to: str) -> None:
        """Wish at `member` that `to` leads."""
        self.members[int(member)].node.transfer_leader(int(to))

    def do_forget(self, member: str) -> None:
        """Forget who leads."""
        self.say("forgotten" if self.members[int(member)].node.forget_leader() else "nothing to forget", detail=False)

    def do_unreachable(self, member: str, peer: str) -> None:
        """The last message to `peer` could not be delivered."""
        self.members[int(member)].node.report_unreachable(int(peer))

    def do_snapshot_report(self, member: str, peer: str, how: str) -> None:
        """The transfer of a snapshot ended: ok or failed."""
        self.members[int(member)].node.report_snapshot(int(peer), how == "ok")

    def do_lease(self, member: str) -> None:
        """Whether reads may be answered by the lease now."""
        self.say(f"lease {'yes' if self.members[int(member)].node.lease_valid(self.now) else 'no'}", detail=False)

    def do_read(self, member: str, context: str) -> None:
        """Ask for a read index."""
        self.members[int(member)].node.read_index(int(context))

    # --- time -------------------------------------------------------------------------------------------------

    def do_timeout(self, member: str, ticks: str) -> None:
        """Set the drawn election timeout, which lasts until the next role change."""
        self.members[int(member)].node.core.election_timeout = int(ticks)

    def do_tick(self, member: str, count: str = "1") -> None:
        """Ticks of one member; time passes for everyone."""
        node = self.members[int(member)].node
        config = node.core.config
        for _ in range(int(count)):
            self.now += config.election_timeout_s / config.election_ticks
            node.tick(self.now)

    def do_wait(self, seconds: str) -> None:
        """Time passes without ticks."""
        self.now += float(seconds)
        for member in self.members.values():
            member.node.core.advance_clock(self.now)

    # --- working off ------------------------------------------------------------------------------------------

    def do_ready(self, member: str) -> None:
        """Work off one Ready; with asynchronous storage, hand out its writes and applies."""
        if not self._ready(int(member)):
            self.say("nothing to do")

    def _ready(self, member: int) -> bool:
        local = self.members[member]
        if not local.up or not local.node.has_ready():
            return False
        before = local.conf_state
        ready = local.node.ready(self.now)
        self.say(f"ready {member}")
        for line in text.ready(ready):
            self.say(line)
        if local.asynchronous:
            local.writes += [one for one in ready.messages if one.to == LOCAL_APPEND]
            local.applies += [one for one in ready.messages if one.to == LOCAL_APPLY]
            self.wire += [one for one in ready.messages if one.to not in (LOCAL_APPEND, LOCAL_APPLY)]
            local.note_reads(ready)
        else:
            self.wire += ready.messages
            local.persist(ready)
            self.wire += ready.messages_after_append
            local.apply(ready)
            local.node.advance(ready)
        self._tell_conf(local, before)
        return True

    def _tell_conf(self, local: LocalMember, before: ConfState) -> None:
        if local.conf_state != before:
            self.say(f"  now {text.conf(local.conf_state)}")

    def do_write(self, member: str, how: str = "") -> None:
        """Let the log writer do one write (asynchronous storage); `hold` puts its own answer on the wire."""
        if not self._write(int(member), hold=how == "hold"):
            self.say("nothing to write")

    def _write(self, member: int, *, hold: bool = False) -> bool:
        local = self.members[member]
        if not local.up or not local.writes:
            return False
        self.say(f"write {member}: {text.message(local.writes[0])}")
        self._respond(local, local.write_one(), hold=hold)
        return True

    def do_apply(self, member: str) -> None:
        """Let the state machine apply once (asynchronous storage)."""
        if not self._apply(int(member)):
            self.say("nothing to apply")

    def _apply(self, member: int) -> bool:
        local = self.members[member]
        if not local.up or not local.applies:
            return False
        self.say(f"apply {member}: {text.message(local.applies[0])}")
        before = local.conf_state
        self._respond(local, local.apply_one())
        self._tell_conf(local, before)
        return True

    def _respond(self, local: LocalMember, responses: Sequence[Message], *, hold: bool = False) -> None:
        for response in responses:
            if response.to == local.id and not hold:
                local.node.step(response, self.now)
            else:
                self.wire.append(response)

    def _matching(self, link: str, kinds: Sequence[str]) -> list[Message]:
        sender, _, receiver = link.partition(">")
        found = [
            one
            for one in self.wire
            if sender in ("*", text.name(one.from_))
            and receiver in ("*", text.name(one.to))
            and (not kinds or one.kind.name in kinds)
        ]
        for kind in kinds:
            assert kind in MessageKind.__members__, f"{kind} is no kind of message"
        return found

    def do_deliver(self, link: str, *kinds: str) -> None:
        """Deliver from a to b (a>b, * for all), perhaps only some kinds; the rest stays on the wire."""
        self._take(link, kinds, deliver=True)

    def do_drop(self, link: str, *kinds: str) -> None:
        """Lose messages."""
        self._take(link, kinds, deliver=False)

    def _take(self, link: str, kinds: Sequence[str], *, deliver: bool) -> None:
        chosen = self._matching(link, kinds)
        self.wire = [one for one in self.wire if not any(one is other for other in chosen)]
        for one in chosen:
            local = self.members.get(one.to)
            arrives = deliver and local is not None and local.up
            self.say(f"{'deliver' if arrives else 'drop'} {text.message(one)}")
            if arrives and local is not None:
                local.node.step(one, self.now)
        if not chosen:
            self.say("no such message")

    def do_inject(self, link: str, kind: str, **fields: str) -> None:
        """A message that nobody sent here: a late one, or one of a member that the story leaves out."""
        sender, _, receiver = link.partition(">")
        numbers = {key: int(value) for key, value in fields.items()}
        one = Message(kind=MessageKind[kind], from_=int(sender), to=int(receiver), **numbers)  # type: ignore[arg-type]
        self.members[one.to].node.step(one, self.now)

    def do_snapshot_from(self, other: str, to: str) -> None:
        """`to` fetched the snapshot of `other`; its driver hands it over in its leader's name."""
        local, source = self.members[int(to)], self.members[int(other)]
        node, found = local.node, source.storage.snapshot()
        one = Message(MessageKind.SNAPSHOT, node.leader, local.id, node.term, snapshot=found)
        self.say(f"deliver {text.message(one)}")
        node.step(one, self.now)

    def do_stabilize(self, *words: str) -> None:
        """Work and deliver among the named members (all if none) until nothing moves; other messages stay."""
        among = ids(words) or tuple(self.members)
        for _ in range(ROUNDS_MAX):
            moved = False
            for member in among:
                moved |= self._ready(member)
            for member in among:
                while self._write(member):
                    moved = True
                while self._apply(member):
                    moved = True
            inside = [one for one in self.wire if one.to in among and one.from_ in among]
            if inside:
                moved = True
                self.wire = [one for one in self.wire if not any(one is other for other in inside)]
                for one in inside:
                    self.say(f"deliver {text.message(one)}")
                    self.members[one.to].node.step(one, self.now)
            if not moved:
                return
        raise AssertionError("the story does not come to rest")

    def do_compact(self, member: str, index: str = "") -> None:
        """Make a snapshot of everything applied and drop the log up to `index` (default: all of it)."""
        local = self.members[int(member)]
        local.storage.create_snapshot(local.applied_index, local.conf_state)
        local.storage.compact(int(index) if index else local.applied_index)

    # --- looking ----------------------------------------------------------------------------------------------

    def do_level(self, level: str) -> None:
        """`quiet` leaves out deliveries and Readys until `all`."""
        self.level = level

    def do_status(self, *words: str) -> None:
        """Members at a glance."""
        for member in ids(words):
            first, *rest = text.status(self.members[member].node.status())
            self.lines += [f"{member} {first}", *rest]

    def do_log(self, *words: str) -> None:
        """The log of members, durable or not."""
        for member in ids(words):
            log = self.members[member].node.core.log
            found, _ = log.entries(log.first_index(), 1 << 30)
            self.lines.append(f"{member}: {text.entries(found)}")

    def do_wire(self) -> None:
        """What is on its way."""
        self.lines += [text.message(one) for one in self.wire] or ["empty"]

    # --- majorities and configurations alone ------------------------------------------------------------------

    def do_commit(self, incoming: str, outgoing: str = "", **matches: str) -> None:
        """The index that majorities hold: voters 1,2,3 and perhaps outgoing ones, with m1=5 for a match."""
        halves = [[int(matches.get(f"m{voter}", "0")) for voter in ids([half])] for half in (incoming, outgoing)]
        reached = min(majority_value(half) for half in halves)
        self.lines.append("everything" if reached == majority_value([]) else str(reached))

    def do_vote(self, incoming: str, outgoing: str = "", yes: str = "", no: str = "") -> None:
        """How a vote stands."""
        votes = dict.fromkeys(ids([yes]), True) | dict.fromkeys(ids([no]), False)
        self.lines.append(joint_vote_result(ids([incoming]), ids([outgoing]), votes).value)

    def do_conf(self, how: str, *words: str, **options: str) -> None:
        """Change the story's configuration: set, simple, enter, auto, leave."""
        changes = [text.parse_change(word) for word in words if word[0] in text.SIGNS]
        if how == "set":
            self.conf = ConfState(ids(words), ids([options.get("learners", "")]))
        elif how == "simple":
            self.conf = simple(self.conf, changes)
        elif how == "enter":
            self.conf = enter_joint(self.conf, changes, auto_leave=options.get("autoleave") == "yes")
        elif how == "auto":
            self.conf = next_conf_state(self.conf, text.several(words, "auto"))
        else:
            self.conf = leave_joint(self.conf)
        self.lines.append(text.conf(self.conf))
