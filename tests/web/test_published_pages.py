"""Pages of published lists: proposals are decided and members answered by people of the owner."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select

from tutela.core.entry import Role as ListRole
from tutela.core.ids import EntryId
from tutela.core.media import Digests
from tutela.core.principal import Principal, Role, Via
from tutela.core.time import now
from tutela.exchange import entries, feedback, generation, lists, members
from tutela.exchange.candidate import Candidate
from tutela.exchange.model import Coded, EntryState, MemberPermission, Verdict
from tutela.store.tables.access import Account, Organisation
from tutela.store.tables.audit import AuditEvent

NAME = "known-2026"
PAGE = f"/lists/published/{NAME}"


def _content(number: int, **words) -> Candidate:
    code = Coded("GB", "uk-abc", "A")
    return Candidate(digests=Digests(sha256=number.to_bytes(32)), codes=(code,), **words)


class Setting:
    """A list of the installation's own organisation, and a contributor from another."""

    def __init__(self, installation) -> None:
        self.database = installation.database
        self.owner = Principal(
            installation.accounts["supervisor"], 1, "owner", frozenset({Role.SUPERVISOR}), Via.WEB
        )
        with self.database.write() as tx:
            home = tx.execute(
                insert(Organisation)
                .values(name="Other <b>Hotline</b>", country="DE", created_at=now())
                .returning(Organisation.id)
            ).scalar_one()
            account = tx.execute(
                insert(Account)
                .values(
                    organisation_id=home,
                    name="theirs",
                    display_name="theirs",
                    kind="person",
                    state="active",
                    created_at=now(),
                )
                .returning(Account.id)
            ).scalar_one()
            self.list_id = lists.create(
                tx,
                self.owner,
                NAME,
                title="Known & graded",
                purpose="Matching of uploads",
                role=ListRole.ALERT,
            )
            contribute = MemberPermission.CONTRIBUTE
            members.add(tx, self.owner, self.list_id, home, contribute, ["GB"])
        self.other = Principal(account, home, "theirs", frozenset({Role.SUPERVISOR}), Via.WEB)

    def add(self, who: Principal, *contents: Candidate) -> list[EntryId]:
        with self.database.write() as tx:
            return list(entries.add(tx, who, self.list_id, contents).ids)

    def say(self, entry: EntryId, note: str) -> None:
        with self.database.write() as tx:
            verdict = Verdict.FALSE_POSITIVE
            feedback.submit(tx, self.other, self.list_id, entry, verdict, note=note)

    def waiting(self) -> list[int]:
        with self.database.read() as tx:
            return [one.id for one in feedback.queue(tx, self.owner, self.list_id)]

    def state(self, entry: EntryId) -> EntryState:
        with self.database.read() as tx:
            return entries.states(tx, self.list_id, [entry])[entry]


@pytest.fixture(scope="module")
def setting(installation):
    return Setting(installation)


@pytest.fixture
def ask(client, installation):
    def asked(method, path, role=Role.SUPERVISOR, **form):
        headers = {"cookie": f"tutela={installation.tokens[role]}", "sec-fetch-site": "same-origin"}
        return client.request(method, path, headers=headers, data=form, follow_redirects=False)

    return asked


def test_all_lists_are_on_one_page_with_what_waits(ask, setting):
    (entry,) = setting.add(setting.owner, _content(1))
    setting.add(setting.other, _content(2), _content(3))
    setting.say(entry, "a landscape")
    page = ask("GET", "/lists").text
    assert f'<a href="{PAGE}">Known &amp; graded</a>' in page
    row = page[page.index("Known &amp; graded") :].partition("</tr>")[0]
    assert row.count('<td class="number">2</td>') == 1  # proposals
    assert row.count('<td class="number">1</td>') == 2  # entries, unanswered
    seen = ask("GET", "/lists", Role.GRADER).text
    assert "Known &amp; graded" in seen
    assert PAGE not in seen


def test_proposals_are_ticked_and_decided(ask, setting):
    first, second, third = setting.add(
        setting.other, _content(11, reference="<i>R-11</i>"), _content(12), _content(13)
    )
    page = ask("GET", PAGE).text
    assert "&lt;i&gt;R-11&lt;/i&gt;" in page
    assert "Other &lt;b&gt;Hotline&lt;/b&gt;" in page
    assert (11).to_bytes(32).hex() in page
    path = f"{PAGE}/proposals"
    done = ask("POST", path, entries=[str(first), str(second)], decision="accept", reason="seen")
    assert (done.status_code, done.headers["location"]) == (303, PAGE)
    assert ask("POST", path, entries=str(third), decision="decline", reason="no").status_code == 303
    states = [setting.state(one) for one in (first, second, third)]
    assert states == [EntryState.ACTIVE, EntryState.ACTIVE, EntryState.DECLINED]


def test_a_decision_that_lacks_something_is_shown_again(ask, setting):
    first, second = setting.add(setting.other, _content(21), _content(22))
    path = f"{PAGE}/proposals"
    for form in (
        {"decision": "accept", "reason": "a reason kept"},
        {"entries": str(first), "decision": "perhaps", "reason": "a reason kept"},
        {"entries": str(first), "decision": "accept", "reason": " "},
        {"entries": "99999", "decision": "accept", "reason": "a reason kept"},
    ):
        answer = ask("POST", path, **form)
        assert answer.status_code in {400, 404}, form
        assert 'role="alert"' in answer.text
        assert f'value="{form["reason"].strip()}"' in answer.text.replace('value=" "', 'value=""')
        ticked = f'value="{first}" aria-label="Decide proposal {first}" checked'
        assert (ticked in answer.text) == (form.get("entries") == str(first))
    assert {setting.state(one) for one in (first, second)} == {EntryState.PROPOSED}


def test_members_are_answered_once(ask, setting):
    (entry,) = setting.add(setting.owner, _content(31))
    setting.say(entry, "ours & mild")
    number = setting.waiting()[-1]
    assert "ours &amp; mild" in ask("GET", PAGE).text
    path = f"{PAGE}/feedback"
    refused = ask("POST", path, feedback=number, decision="accept", reason="")
    assert refused.status_code == 400
    assert setting.state(entry) is EntryState.ACTIVE
    done = ask("POST", path, feedback=number, decision="accept", reason="a landscape indeed")
    assert done.status_code == 303
    assert setting.state(entry) is EntryState.WITHDRAWN
    again = ask("POST", path, feedback=number, decision="decline", reason="no")
    assert again.status_code == 409
    assert number not in setting.waiting()
    with setting.database.read() as tx:
        bodies = select(AuditEvent.body).where(AuditEvent.action == "feedback.answered")
        assert all(b"landscape" not in bytes(one) for one in tx.execute(bodies).scalars())


def test_generations_members_and_counts_are_told(ask, setting):
    with setting.database.write() as tx:
        generation.seal(tx, setting.owner, setting.list_id)
    page = ask("GET", PAGE).text
    for text in ("Generations", "contribute", "GB", "false positive"):
        assert text in page


@pytest.mark.usefixtures("setting")
def test_a_list_that_is_not_there_is_not_found(ask):
    assert ask("GET", "/lists/published/nothing").status_code == 404
    assert ask("GET", PAGE, Role.GRADER).status_code == 403
