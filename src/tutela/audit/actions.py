"""Every action that the log may hold, with what it says; the reference page is made from this.

A test reads the code and fails for an action that is written and not named here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

# By noun, in the order of the page: action -> what happened.
_ACCOUNTS: Mapping[str, str] = {
    "organisation.created": "An organisation was made; its name is kept beside the log.",
    "account.invited": "A person was invited, or again; the name is kept beside the log.",
    "account.accepted": "An invited person set a password or passkey, or came in by the agency.",
    "account.enrolled": "A program got an account and its token.",
    "account.answered-for": "A person answers for a program.",
    "account.token-renewed": "A program got another token; the one before is void.",
    "account.subject-bound": "An account was bound to a subject of the agency's OpenID Connect.",
    "account.roles-set": "The roles of an account were set.",
    "account.closed": "An account was closed, and its sessions with it.",
    "account.reset": "Every way in of an account was taken away, and it was invited anew.",
    "account.bootstrap": "A change that needs two persons was made by one: there was no second.",
    "account.password-changed": "Somebody changed the own password.",
    "account.authenticator-changed": "Somebody set up another authenticator.",
    "account.recovery-renewed": "Somebody got other recovery codes; those before are void.",
    "passkey.added": "A passkey was added to an account.",
    "passkey.removed": "A passkey was taken off an account.",
    "preference.set": "A preference of an account was set; its name only.",
}
_SIGN_IN: Mapping[str, str] = {
    "session.started": "Somebody signed in, and how.",
    "session.ended": "A session was ended before its time.",
    "signin.failed": "A try to sign in failed; the address is kept beside the log.",
    "glass.broken": "Somebody acted directly on the database; the reason is kept beside the log.",
}
_TWO_PERSONS: Mapping[str, str] = {
    "approval.asked": "Something that needs two persons was asked for.",
    "approval.granted": "Another person granted it.",
    "approval.refused": "Another person refused it.",
    "approval.used": "What was granted was carried out, once.",
}
_CASES: Mapping[str, str] = {
    "case.created": "A case was opened.",
    "case.authorised": "A legal authority was recorded for a case.",
    "case.closed": "A case was closed.",
    "case.reopened": "A closed case was opened again.",
    "case.held": "A legal hold was laid on a case: nothing of it is deleted.",
    "case.released": "The legal hold of a case was lifted after two persons agreed.",
    "case.deleted": "A case was deleted after two persons agreed.",
    "case.arranged": "Known media were graded on arrival, similar ones stacked, all put in order.",
    "case.imported": "A case came from a file of another system.",
    "case.exported": "Rows, a report or a case file were made, with or without media.",
    "team.joined": "An account was put on the team of a case.",
    "team.left": "An account was taken off the team of a case.",
}
_EVIDENCE: Mapping[str, str] = {
    "exhibit.begun": "Reading of an exhibit began, or went on.",
    "exhibit.completed": "An exhibit was read to its end.",
    "evidence.added": "Media of an exhibit were added to a case.",
    "evidence.compared": "Media that came as hashes alone were held against the hash lists.",
    "evidence.imported": "Media of a case file were added to a case.",
    "media.viewed": "Somebody saw a clear picture, and why.",
    "vault.checked": "Everything in the vault was decrypted and compared.",
    "vault.rotated": "The keys of the vault were wrapped by another master key.",
    "vault.shredded": "The key of a media was destroyed, and the media with it.",
}
_GRADES: Mapping[str, str] = {
    "grade.given": "A media was graded: by a person, by its stack, or by a trusted list.",
    "grade.cleared": "A grade was taken back.",
    "grade.imported": "A grade came with a case file of another system.",
    "stack.split": "A media was taken out of its stack.",
    "agreement.indicative": "An agreement went back to being indicative.",
    "agreement.trusted": "Enough organisations agree about a media, undisputed.",
    "agreement.disputed": "Organisations disagree about a media.",
    "agreement.none": "No vote about a media is left.",
    "agreement.settled": "A dispute was settled; the reason is kept beside the log.",
    "grade.read_again": "A second reader, blind to the first, graded a media; it is no vote.",
    "reading.agreed": "The second reader gave the same grade as the first.",
    "reading.differed": "The second reader gave another grade than the first.",
    "reading.settled": "A supervisor decided between two readings; the reason is kept beside.",
}
_LEADS: Mapping[str, str] = {
    "series.created": "A series was named.",
    "series.joined": "A media was put into a series; the reason is kept beside the log.",
    "series.left": "A media was taken out of a series.",
    "victim.created": "A pseudonym was given to somebody whom media depict.",
    "victim.changed": "A victim is unidentified, identified or safe.",
    "victim.seen": "A media depicts a victim.",
    "victim.unseen": "A media does not depict a victim after all.",
    "tag.added": "A media was tagged; the word is kept beside the log.",
    "tag.removed": "A tag was taken off a media.",
    "note.written": "A note was written; its text is kept beside the log.",
}
_MATCHING: Mapping[str, str] = {
    "entry.quarantined": "A noisy entry of a list does not answer any more, and why.",
    "entry.released": "The owner of a list let an entry answer again.",
    "prefix.enumerated": "A member asked for too many prefixes of digests: refused for the day.",
}
_SCORING: Mapping[str, str] = {
    "chat.service_started": "Conversations are scored for programs; the legal basis is beside.",
}
_EXCHANGE: Mapping[str, str] = {
    "list.created": "A list was made; its name is kept beside the log.",
    "list.closed": "Nothing more is added to a list.",
    "list.member-set": "An organisation became a member of a list, or may and gets other things.",
    "list.member-removed": "An organisation is no member of a list any more.",
    "list.recipient-set": "A member said to which public key its copies are encrypted.",
    "list.sealed": "A generation of a list was numbered.",
    "list.published": "A generation of a list was laid where members get it.",
    "entry.added": "A content was put on a list, or proposed for it.",
    "entry.changed": "An entry of a list gained values, codes or tags.",
    "entry.accepted": "The owner took a proposed entry onto the list.",
    "entry.declined": "The owner declined a proposed entry; the reason is kept beside the log.",
    "entry.disputed": "An entry was marked as disputed; the reason is kept beside the log.",
    "entry.restored": "An entry matches again; the reason is kept beside the log.",
    "entry.withdrawn": "An entry matches no more; the reason is kept beside the log.",
    "entry.deleted": "What an entry says was deleted; the reason is kept beside the log.",
    "feedback.given": "A member confirmed, disputed or reported an entry.",
    "feedback.answered": "The owner accepted or declined feedback; the reason is kept beside.",
}
_PUBLICATION: Mapping[str, str] = {
    "publication.begun": "A publication of lists was begun; `waits` for signatures or not.",
    "publication.rotated": "Other keys sign for a role of the publication.",
    "publication.renewed": "Root and targets of the publication run for another year.",
    "publication.accepted": "Drafts that were signed elsewhere were published.",
    "subscription.begun": "A source of lists is followed; its address is kept beside the log.",
    "subscription.ended": "A source of lists is followed no more.",
    "subscription.applied": "A generation or pages of a list of others came into the library.",
    "subscription.refused": "A source, a list or the rest of it was refused, and why; said once.",
    "subscription.reported": "Something was said of an entry to its source; the words are beside.",
}
_FEDERATION: Mapping[str, str] = {
    "node.added": "A partner node is trusted by its key; its name is kept beside the log.",
    "node.changed": "A partner node may do other things, or has another key or address.",
    "node.removed": "A partner node is trusted no more.",
    "node.restarted": "Messages with a partner node are numbered anew, on both sides.",
    "node.sent": "A message for a partner node was made: kind, number, SHA-256, what it counts.",
    "node.answered": "It was answered: SHA-256 of both.",
    "node.taken": "A message of a partner node was taken and answered: SHA-256 of both.",
    "node.refused": "A message of a partner node was refused as it came, and why; nothing changed.",
    "node.asked": "A partner node asked what is known here; its purpose is kept beside the log.",
    "node.capped": "A partner node asked about as many contents as it may in a day.",
    "node.pointed": "A partner node was told that a media or an entry is known here.",
    "node.listed": "Changes of a list were given to a partner node.",
    "node.followed": "Changes of a list of a partner node came into the library.",
    "vote.partner": "The vote of another nation on a media was counted, or taken back.",
}
_OBSERVATIONS: Mapping[str, str] = {
    "media.raised": "A media that a list has was found at a place of a site; which list and how.",
    "notice.drafted": "A page with known media became a hotline item or a police referral.",
    "notice.passed": "A person passed a notice on; the reference is kept beside the log.",
    "notice.dismissed": "A person dismissed a notice; the reason is kept beside the log.",
    "notice.exported": "Open notices with their addresses were exported.",
    "words.destroyed": "The keys of words that were read under a source in a week were destroyed.",
    "media.compared": "Media seen on sites were held against the lists of another generation.",
    "site.judged": "A person said whether a site is a copy of another; the reason is kept beside.",
}
_CRAWL: Mapping[str, str] = {
    "crawl.worker": "A worker began to crawl, on whose account.",
    "crawl.ordered": "A crawl order was made after two persons agreed; its words are beside.",
    "crawl.started": "An order is worked on from now on, or again.",
    "crawl.paused": "An order is not worked on until it is started; the reason is beside.",
    "crawl.revoked": "An order is void for ever; the reason is kept beside the log.",
    "crawl.dropped": "A host of an order is not crawled any more; it is kept beside the log.",
    "crawl.seeded": "URLs were given to begin with: how many.",
    "crawl.asked": "A URL was asked for, or refused: its MAC, state, reason, status and bytes.",
    "crawl.robots": "The robots.txt of a host was read: the host's MAC, status and SHA-256.",
    "crawl.reclaimed": "URLs whose worker was lost wait again: how many.",
    "crawl.grouped": "Hosts were named as mirrors that share one pace; they are kept beside.",
    "crawl.stopped": "The kill switch was raised: nothing is crawled; the reason is beside.",
    "crawl.released": "The kill switch was lowered; the reason is kept beside the log.",
}
_ACTORS: Mapping[str, str] = {
    "post.read": "Somebody had the words of posts of an account shown; how many.",
    "ranking.made": "Accounts of a case were put in order: by which weights, how many, withheld.",
    "link.confirmed": "Two accounts are taken for one's; the reason is kept beside the log.",
    "link.undone": "Two accounts are not taken for one's (any more); the reason is beside.",
    "mark.set": "A person said something of an account; the reason is kept beside the log.",
    "mark.undone": "That does not count any more; the reason is kept beside the log.",
    "lead.proposed": "An account was proposed as a lead, with its place in which ranking.",
    "lead.released": "A lead was released after two persons agreed; until when.",
    "lead.withdrawn": "A lead was taken back; the reason is kept beside the log.",
    "lead.restored": "A lead that was taken back is proposed again.",
    "lead.exported": "A released lead was written to a file, with the file's SHA-256.",
    "deconfliction.added": "Identifiers that no lead may carry were added; how many.",
    "deconfliction.removed": "Identifiers may be carried by leads again; how many.",
    "deconfliction.asked": "It was asked, blindly, whether accounts must be left out; how many.",
}
_CONVERSATIONS: Mapping[str, str] = {
    "conversations.begun": "Reading conversations into a case began: which format, and SHA-256.",
    "conversations.imported": "They were read to the end: how many, what was left out and why.",
    "conversations.scored": "They were put in order: how many, how many alerts, by which parts.",
    "conversation.read": "Messages of a conversation were shown, or posts read as some; how many.",
    "conversation.revealed": "Names of speakers were shown; the reason is kept beside the log.",
    "conversation.judged": "Somebody said of a score that it is right, wrong, or unsure.",
    "conversation.handed-over": "A conversation was handed over; the reason is kept beside.",
    "conversation.dismissed": "A person set a conversation aside; the reason is kept beside.",
    "conversation.reopened": "A conversation is to be decided again; the reason is beside.",
    "conversation.exported": "A report of a conversation was written, with the file's SHA-256.",
}
_INSTALLATION: Mapping[str, str] = {
    "audit.exported": "Events of the log were exported, in which format.",
    "audit.erased": "Words kept beside an event were erased; why, and by what authority, is kept.",
    "policy.changed": "A rule of this installation was changed.",
    "scheme.changed": "The codes of an editable grading scheme were set.",
    "db.upgraded": "The database was brought to another revision.",
    "db.backed_up": "A backup of the database was made.",
    "db.restored": "The database came back from a backup.",
}
GROUPS: Final[Mapping[str, Mapping[str, str]]] = {
    "Accounts": _ACCOUNTS,
    "Signing in": _SIGN_IN,
    "Two persons": _TWO_PERSONS,
    "Cases": _CASES,
    "Evidence": _EVIDENCE,
    "Grades": _GRADES,
    "Series, victims, tags and notes": _LEADS,
    "Exchange of lists": _EXCHANGE,
    "Matching for platforms": _MATCHING,
    "Scoring of conversations for platforms": _SCORING,
    "Publications and subscriptions": _PUBLICATION,
    "Partner nodes": _FEDERATION,
    "Observations": _OBSERVATIONS,
    "Crawling": _CRAWL,
    "Leads": _ACTORS,
    "Conversations": _CONVERSATIONS,
    "Installation": _INSTALLATION,
}
ACTIONS: Final[Mapping[str, str]] = {
    action: sentence for group in GROUPS.values() for action, sentence in group.items()
}

_HEAD = """# Events of the audit log

Every change and every view of a clear picture is one event. An event is canonical JSON (RFC 8785):

| key | what it holds |
| --- | --- |
| `seq` | the number of the event, from 0 without a gap |
| `at` | when, in UTC, to the microsecond |
| `by` | number of the account, or null for the system and for direct use of the database |
| `via` | `web`, `cli`, `api`, `node` (a partner node), `system` or `break-glass` |
| `act` | what happened: an action of the tables below |
| `on` | what it concerns: `case:3`, `media:12`, `account:4`, ... |
| `data` | facts: numbers, codes, truths; never names, addresses, paths or free words |
| `prev` | first 8 bytes of the leaf hash of the event before, in hexadecimal |
| `v` | 1 |

Words, such as a reason or a name, are kept beside the event and can be erased. In their place
`data` holds `salted:` and the SHA-256 of a random salt and the words.
"""


def page() -> str:
    """Return the reference page of all actions."""
    return "".join(_page())


def _page() -> Iterator[str]:
    yield "<!-- Made by `make docs` from the code; changes here are lost. -->\n\n"
    yield _HEAD
    for title, group in GROUPS.items():
        yield f"\n## {title}\n\n| action | meaning |\n| --- | --- |\n"
        for action, sentence in group.items():
            yield f"| `{action}` | {sentence} |\n"
