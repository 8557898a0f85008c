from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import access_support as support
import pytest
from sqlalchemy import delete, func, insert, select, update

from tutela.access import accounts, attempts, changes, passwords, secondfactor, sessions, signin
from tutela.access.sessions import State
from tutela.access.signin import Credentials
from tutela.audit import log
from tutela.core.errors import AccessError
from tutela.core.principal import Role, Via
from tutela.core.time import now
from tutela.store.tables.access import Account, Attempt, RecoveryCode, WebSession
from tutela.store.tables.audit import AuditEvent, AuditText

ADDRESS = "192.0.2.7"


def enter(home, name, password, code, address=ADDRESS):
    return signin.password(
        home.database, support.SEALER, support.WEB, Credentials(name, password, code, address)
    )


def refusal(home, *given) -> AccessError:
    with pytest.raises(AccessError) as caught:
        enter(home, *given)
    return caught.value


def test_password_and_code_let_in_and_a_code_works_once(home):
    ann = support.come_in(home, Role.GRADER)
    code = ann.code(1)
    token = enter(home, " Ann.Lee ", support.PASSWORD, code)
    with home.database.read() as tx:
        session = sessions.find(tx, token, support.WEB)
        assert session.state == "active"
        who = accounts.principal(tx, session.account_id, Via.WEB)
    assert who.roles == {Role.GRADER}
    assert refusal(home, "ann.lee", support.PASSWORD, code).code == "sign_in"
    # The step before the one that was used is spent too.
    assert refusal(home, "ann.lee", support.PASSWORD, ann.code()).code == "sign_in"
    assert ("session.started", f"account:{ann.account_id}") in support.actions(home.database)


def test_whatever_is_wrong_is_answered_alike(home):
    ann = support.come_in(home, Role.GRADER)
    program = home.program(Role.EXAMINER)
    closed = home.person(Role.GRADER)
    with home.database.write() as tx:
        changes.close(tx, support.GLASS, closed.account_id, "left")
    answers = [
        refusal(home, "nobody", support.PASSWORD, "123456"),
        refusal(home, ann.name, "another password", ann.code(1)),
        refusal(home, ann.name, support.PASSWORD, "123456"),
        refusal(home, ann.name, support.PASSWORD, ""),
        refusal(home, program.name, "", ""),
        refusal(home, closed.name, "", ""),
        refusal(home, "", "", ""),
    ]
    assert len({(one.code, one.message, one.hint) for one in answers}) == 1
    failed = [
        subject for action, subject in support.actions(home.database) if action == "signin.failed"
    ]
    assert failed == [
        "account:unknown",
        f"account:{ann.account_id}",
        f"account:{ann.account_id}",
        f"account:{ann.account_id}",
        *["account:unknown"] * 3,
    ]
    # The code that came with a wrong password was not used up by it.
    assert enter(home, ann.name, support.PASSWORD, ann.code(1))


def test_unknown_and_known_names_cost_the_same_work(small, monkeypatch):
    ann = support.come_in(small, Role.GRADER)
    checked, logged, compared = [], [], []
    monkeypatch.setattr(passwords, "_hasher", support.GENUINE)
    passwords._nobodys.cache_clear()
    with small.database.write() as tx:
        tx.execute(update(Account).values(password_hash=passwords.hashed("something else")))
    monkeypatch.setattr(
        passwords._hasher.__class__,
        "verify",
        lambda _self, kept, _password: checked.append(kept) or False,
    )
    genuine = log.record_many
    monkeypatch.setattr(log, "record_many", lambda *a: logged.append(1) or genuine(*a))
    genuine_step = secondfactor.step_of
    monkeypatch.setattr(secondfactor, "step_of", lambda *a: compared.append(1) or genuine_step(*a))
    for name in (ann.name, "nobody"):
        refusal(small, name, "another password", "123456")
    assert len(checked) == len(logged) == len(compared) == 2
    assert {kept.split("$")[3] for kept in checked} == {"m=65536,t=3,p=4"}


def test_the_log_holds_no_name_and_the_address_can_be_erased(small):
    refusal(small, "the password typed as a name", "", "")
    with small.database.write() as tx:
        bodies = b" ".join(tx.execute(select(AuditEvent.body)).scalars())
        assert b"typed as" not in bodies
        assert ADDRESS.encode() not in bodies
        assert ADDRESS in tx.execute(select(AuditText.text)).scalars().all()
        assert tx.execute(delete(AuditText)).rowcount


def test_recovery_codes_stand_in_once(home):
    ann = support.come_in(home, Role.GRADER)
    assert len(set(ann.recovery_codes)) == secondfactor.RECOVERY_CODES
    typed = ann.recovery_codes[3].upper().replace("-", " ")
    assert enter(home, ann.name, support.PASSWORD, typed)
    assert refusal(home, ann.name, support.PASSWORD, typed).code == "sign_in"
    with home.database.read() as tx:
        kept = tx.execute(select(RecoveryCode.code_hash)).scalars().all()
    assert len(kept) == secondfactor.RECOVERY_CODES - 1
    assert not any(code.encode() in one for one in kept for code in ann.recovery_codes)


def test_many_tries_close_the_door_whether_the_account_is_there_or_not(home):
    ann = support.come_in(home, Role.GRADER)
    locked = {}
    for name in (ann.name, "nobody"):
        with home.database.write() as tx:
            tx.execute(delete(Attempt))
        codes = [refusal(home, name, "wrong password", "1").code for _ in range(6)]
        assert codes == ["sign_in"] * 5 + ["locked"]
        locked[name] = refusal(home, name, support.PASSWORD, ann.code(1))
    assert locked[ann.name].hint == locked["nobody"].hint == "try again in 1 minute"
    assert locked[ann.name].message == locked["nobody"].message
    failed = [one for one in support.actions(home.database) if one[0] == "signin.failed"]
    assert len(failed) == 14


def test_the_door_opens_again_and_closes_for_longer(small):
    ann = support.come_in(small, Role.GRADER)
    for _ in range(5):
        refusal(small, ann.name, "wrong password", "1")
    for minutes in (1, 2, 4, 8, 16, 30, 30):
        error = refusal(small, ann.name, support.PASSWORD, ann.code(1))
        assert error.hint.startswith(f"try again in {minutes} minute")
        age(small, minutes)
        refusal(small, ann.name, "wrong password", "1")
    age(small, 30)
    assert enter(small, ann.name, support.PASSWORD, ann.code(1))
    with small.database.read() as tx:  # success forgets them
        kept = tx.execute(select(Attempt.subject)).scalars().all()
    assert attempts._hash("account", ann.name) not in kept
    assert set(kept) == {attempts._hash("address", ADDRESS)}


def age(home, minutes: int) -> None:
    """Let all tries be so much older."""
    with home.database.write() as tx:
        for id_, at in tx.execute(select(Attempt.id, Attempt.at)).all():
            older = at - timedelta(minutes=minutes)
            tx.execute(update(Attempt).where(Attempt.id == id_).values(at=older))


def test_an_address_is_limited_over_all_names_and_so_is_its_network(small):
    def tries(address: str) -> list[str]:
        codes = []
        for number in range(attempts.FREE_BY_ADDRESS + 1):
            try:
                attempts.begin(small.database, f"name-{number}", address)
            except AccessError as error:
                codes.append(error.code)
        return codes

    assert tries("192.0.2.9") == ["locked"]
    assert tries("2001:db8:1:2::1") == ["locked"]
    with pytest.raises(AccessError):
        attempts.begin(small.database, "somebody", "2001:db8:1:2:ffff::9")
    assert attempts.begin(small.database, "somebody", "2001:db8:1:3::1")
    with pytest.raises(AccessError):
        attempts.begin(small.database, "somebody", "::ffff:192.0.2.9")


def test_tries_at_one_moment_do_not_slip_past_the_limit(home):
    def one(_: int) -> bool:
        try:
            attempts.begin(home.database, "ann", ADDRESS)
        except AccessError:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        passed = sum(pool.map(one, range(24)))
    assert passed <= attempts.FREE_BY_NAME


def test_a_code_cannot_be_used_by_two_at_once(home):
    ann = support.come_in(home, Role.GRADER)
    code = ann.code(1)

    def use(_: int) -> str:
        with home.database.write() as tx:
            return secondfactor.consume(tx, support.SEALER, ann.account_id, code)

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(use, range(6))) == [""] * 5 + ["totp"]


def test_an_account_closed_while_the_password_is_looked_at_stays_out(small, monkeypatch):
    ann = support.come_in(small, Role.GRADER)
    genuine = passwords.matches

    def slow(kept, password):
        with small.database.write() as tx:
            changes.close(tx, support.GLASS, ann.account_id, "left")
        return genuine(kept, password)

    monkeypatch.setattr(passwords, "matches", slow)
    assert refusal(small, ann.name, support.PASSWORD, ann.code(1)).code == "sign_in"


def test_a_password_hashed_with_weaker_parameters_is_hashed_anew(small, monkeypatch):
    ann = support.come_in(small, Role.GRADER)
    mine = Account.id == ann.account_id
    monkeypatch.setattr(passwords, "_hasher", support.GENUINE)
    enter(small, ann.name, support.PASSWORD, ann.code(1))
    with small.database.read() as tx:
        kept = tx.execute(select(Account.password_hash).where(mine)).scalar_one()
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_a_half_open_session_is_finished_by_a_code_or_lost(home):
    ann = support.come_in(home, Role.GRADER)

    def half() -> str:
        with home.database.write() as tx:
            return sessions.start(
                tx, ann.account_id, State.SECOND_FACTOR, support.WEB, {"by": "oidc"}
            )

    def finish(token: str, code: str) -> str:
        return signin.code(home.database, support.SEALER, support.WEB, token, code, ADDRESS)

    first = half()
    with pytest.raises(AccessError, match="do not go together"):
        finish(first, "000000")
    with pytest.raises(AccessError, match="expired or was used"):
        finish(first, ann.code(1))
    second = half()
    token = finish(second, ann.code(1))
    assert token != second
    with home.database.read() as tx:
        assert sessions.find(tx, token, support.WEB).state == "active"
        assert sessions.find(tx, second, support.WEB) is None


def test_sessions_end_by_themselves_and_by_hand(home):
    ann = support.come_in(home, Role.GRADER)
    with home.database.write() as tx:
        tokens = [sessions.start(tx, ann.account_id, State.ACTIVE, support.WEB) for _ in range(5)]
        kept = tx.execute(select(WebSession.token_hash)).scalars().all()
    assert not any(token.encode() in one for one in kept for token in tokens)
    idle, over, single, mine, last = tokens
    with home.database.write() as tx:
        who = accounts.principal(tx, ann.account_id, Via.WEB)
        moment = now()
        for token, values in (
            (idle, {"seen_at": moment - timedelta(minutes=support.WEB.idle_minutes, seconds=1)}),
            (over, {"expires_at": moment - timedelta(seconds=1)}),
        ):
            same = WebSession.token_hash == sessions.tokens.hashed(token)
            tx.execute(update(WebSession).where(same).values(**values))
            assert sessions.find(tx, token, support.WEB) is None
        assert len(sessions.of(tx, who)) == 5  # idle, and the one that the invitation gave
        sessions.end_one(tx, who, sessions.tokens.hashed(single))
        sessions.end(tx, last)
        sessions.end(tx, "nobody's")
        sessions.end_all(tx, ann.account_id, who, but=mine)
        assert [one.token_hash for one in sessions.of(tx, who)] == [sessions.tokens.hashed(mine)]
    ended = [one for one in support.actions(home.database) if one[0] == "session.ended"]
    assert len(ended) == 5


def test_nobody_ends_the_session_of_another(small):
    ann = support.come_in(small, Role.GRADER)
    other = small.person(Role.ADMINISTRATOR)
    with small.database.write() as tx:
        sessions.end_one(tx, other, sessions.tokens.hashed(ann.session))
        assert sessions.find(tx, ann.session, support.WEB)


def test_being_used_is_written_once_a_minute(home):
    ann = support.come_in(home, Role.GRADER)
    same = WebSession.token_hash == sessions.tokens.hashed(ann.session)

    def seen():
        with home.database.read() as tx:
            return tx.execute(select(WebSession.seen_at).where(same)).scalar_one()

    first = seen()
    sessions.touch(home.database, ann.session)
    assert seen() == first
    with home.database.write() as tx:
        tx.execute(update(WebSession).where(same).values(seen_at=first - timedelta(minutes=2)))
    sessions.touch(home.database, ann.session)
    assert seen() > first
    sessions.touch(home.database, "nobody's")


def test_a_closed_account_is_out_at_once(home):
    ann = support.come_in(home, Role.GRADER)
    with home.database.write() as tx:
        tx.execute(update(Account).where(Account.id == ann.account_id).values(state="closed"))
        assert sessions.find(tx, ann.session, support.WEB) is None
        with pytest.raises(AccessError, match="not active"):
            accounts.principal(tx, ann.account_id, Via.WEB)


def test_old_sessions_are_swept_when_new_ones_begin(small):
    with small.database.write() as tx:
        tx.execute(
            insert(WebSession).values(
                token_hash=b"old",
                account_id=None,
                state="before",
                created_at=now(),
                seen_at=now(),
                expires_at=now() - timedelta(seconds=1),
                data={},
            )
        )
        sessions.start(tx, None, State.BEFORE, support.WEB)
        assert tx.execute(select(func.count()).select_from(WebSession)).scalar_one() == 1
