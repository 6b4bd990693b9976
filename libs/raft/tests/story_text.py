"""How a story writes values down: one line per message, entry list, state or configuration.

Everything that decides behaviour is printed (terms, indexes, commits, hints, rounds), so that a deviation shows as a
changed line. Payload that is not text is printed as its length.
"""

from collections.abc import Sequence

from lictor_raft import ConfChange, ConfChangeKind, ConfChanges, ConfState, Entry, EntryKind, Message, Ready, Status
from lictor_raft.confchange import Transition, decode_conf_change
from lictor_raft.messages import LOCAL_APPEND, LOCAL_APPLY, HardState, MessageKind, Snapshot

SIGNS = {
    "+": ConfChangeKind.ADD_VOTER,
    "~": ConfChangeKind.ADD_LEARNER,
    "^": ConfChangeKind.PROMOTE,
    "-": ConfChangeKind.REMOVE,
}
"""The compact notation of changes: +4 add a voter, ~4 add a learner, ^4 promote a learner, -4 remove."""
_SIGN_OF = {kind: sign for sign, kind in SIGNS.items()}


def name(member: int) -> str:
    """A member's id, or the name of the own storage."""
    return {LOCAL_APPEND: "writer", LOCAL_APPLY: "applier"}.get(member, str(member))


def parse_change(word: str) -> ConfChange:
    """One change in the compact notation."""
    return ConfChange(SIGNS[word[0]], int(word[1:]))


def conf(state: ConfState) -> str:
    """A configuration: (incoming)&&(outgoing), learners, learners to be, auto-leave."""
    text = f"({' '.join(map(str, state.voters))})"
    if state.voters_outgoing:
        text += f"&&({' '.join(map(str, state.voters_outgoing))})"
    if state.learners:
        text += f" learners({' '.join(map(str, state.learners))})"
    if state.learners_next:
        text += f" learners_next({' '.join(map(str, state.learners_next))})"
    return text + (" auto-leave" if state.auto_leave else "")


def change_of(entry: Entry) -> str:
    """The change in an entry."""
    change = decode_conf_change(entry)
    if isinstance(change, ConfChange):
        return f"{_SIGN_OF[change.kind]}{change.member}"
    if not change.changes:
        return "leave"
    words = " ".join(f"{_SIGN_OF[one.kind]}{one.member}" for one in change.changes)
    return f"{change.transition.name.lower()} {words}"


def several(words: Sequence[str], transition: str) -> ConfChanges:
    """Several changes with a transition."""
    return ConfChanges(tuple(parse_change(word) for word in words), Transition[transition.upper()])


def entry(one: Entry) -> str:
    """term/index and what it holds."""
    if one.kind is not EntryKind.NORMAL:
        return f"{one.term}/{one.index} [{change_of(one)}]"
    data = one.data.decode() if len(one.data) <= 20 else f"{len(one.data)} bytes"
    return f"{one.term}/{one.index} {data or '-'}"


def entries(many: Sequence[Entry]) -> str:
    """Several entries."""
    return ", ".join(map(entry, many))


def snapshot(value: Snapshot) -> str:
    """Where a snapshot stands and the configuration in it."""
    return f"{value.meta.term}/{value.meta.index} {conf(value.meta.conf_state)}"


def hard(state: HardState) -> str:
    """What must be durable."""
    return f"term={state.term} vote={state.vote} commit={state.commit}"


def _fields(message: Message) -> list[str]:
    kind, words = message.kind, []
    if kind is MessageKind.APPEND:
        words += [f"after {message.log_term}/{message.index}", f"commit={message.commit}"]
    elif kind is MessageKind.HEARTBEAT:
        words.append(f"commit={message.commit}")
    elif kind in (MessageKind.VOTE, MessageKind.PRE_VOTE):
        words.append(f"log {message.log_term}/{message.index}")
    elif kind is MessageKind.APPEND_RESPONSE:
        words.append(f"index={message.index}")
    elif kind is MessageKind.STORAGE_APPEND_RESPONSE:
        words.append(f"durable {message.log_term}/{message.index}")
    if message.reject:
        words.append("REJECT")
        if kind is MessageKind.APPEND_RESPONSE:
            words.append(f"hint {message.log_term}/{message.reject_hint}")
        elif kind in (MessageKind.VOTE_RESPONSE, MessageKind.PRE_VOTE_RESPONSE):
            words.append(f"committed {message.log_term}/{message.commit}")
    if message.context:
        words.append("transfer" if kind in (MessageKind.VOTE, MessageKind.PRE_VOTE) else f"round={message.context}")
    if message.hard_state is not None:
        words.append(f"state({hard(message.hard_state)})")
    if message.snapshot is not None:
        words.append(f"snapshot {snapshot(message.snapshot)}")
    if message.entries:
        words.append(f"[{entries(message.entries)}]")
    return words


def message(value: Message) -> str:
    """One message with every field that its kind uses."""
    head = f"{name(value.from_)}>{name(value.to)} {value.kind.name} term={value.term}"
    return " ".join([head, *_fields(value)])


def ready(value: Ready) -> list[str]:
    """A Ready in the order in which a driver works it off."""
    lines = []
    if value.soft_state is not None:
        lines.append(f"  {value.soft_state.role.name} leader={value.soft_state.leader}")
    lines += messages("send", value.messages)
    if value.hard_state is not None:
        lines.append(f"  state {hard(value.hard_state)}{'' if value.must_sync else ' (no sync)'}")
    if value.snapshot is not None:
        lines.append(f"  install {snapshot(value.snapshot)}")
    if value.entries:
        lines.append(f"  persist {entries(value.entries)}")
    lines += messages("synced, send", value.messages_after_append)
    if value.committed_entries:
        lines.append(f"  apply {entries(value.committed_entries)}")
    lines += [f"  read {state.context} at {state.index}" for state in value.read_states]
    return lines + [f"  read {context} dropped" for context in value.reads_dropped]


def messages(label: str, many: Sequence[Message]) -> list[str]:
    """Messages with the responses that wait for them."""
    lines = []
    for one in many:
        lines.append(f"  {label} {message(one)}")
        lines += [f"    then {message(response)}" for response in one.responses]
    return lines


def status(value: Status) -> list[str]:
    """A member at a glance, and its peers if it leads."""
    lines = [
        f"{value.role.name} term={value.term} vote={value.vote} leader={value.leader} commit={value.commit} "
        f"applied={value.applied} log={value.first_index}..{value.last_index} durable={value.durable_index} "
        f"{conf(value.conf_state)}" + (f" transferee={value.transferee}" if value.transferee else "")
    ]
    for member, peer in value.peers.items():
        words = f"  {member}: {peer.state.name} match={peer.match} next={peer.next}"
        words += f" inflight={peer.inflight_messages}" if peer.inflight_messages else ""
        words += f" pending={peer.pending_snapshot}" if peer.pending_snapshot else ""
        words += "".join(
            f" {flag}"
            for flag, on in (
                ("paused", peer.paused),
                ("inactive", not peer.recent_active),
                ("learner", peer.is_learner),
            )
            if on
        )
        lines.append(words)
    return lines
