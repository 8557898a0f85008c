# ruff: noqa: E501, PLR0917 pages are written as their software writes them
"""Pages as common software lays them out, made by code; what they say is harmless and invented."""

from __future__ import annotations

import msgspec

from tutela.observation.model import Layout


class Sample(msgspec.Struct, frozen=True):
    """A page of two posts, the second of which quotes the first and answers it.

    Everybody's first post is by Anna (key `a`), at 2024-01-05 10:00 UTC, with a picture; the second by
    Bert, a quarter of an hour later, with a link to another site.
    """

    name: str
    layout: Layout
    url: str
    html: str
    keys: tuple[str, str]
    accounts: tuple[str, str] = ("", "")
    roles: tuple[str, str] = ("", "")
    thread: str = ""
    title: str = "Swapping stamps"
    quoted: bool = True
    answered: bool = False
    pictured: bool = True
    content_type: str = "text/html; charset=utf-8"


def _page(body: str, title: str = "Swapping stamps - A board") -> str:
    return f"<!DOCTYPE html><html><head><title>{title}</title></head><body>{body}</body></html>"


ONE = 'I have a blue one.<br><img src="/files/stamp.png" alt="">'
QUOTED = "I have a blue one."
TWO = 'I would like it. <a href="https://album.test/blue">Album</a>'


def _phpbb() -> Sample:
    def post(number: int, name: str, user: int, when: str, words: str, rank: str = "") -> str:
        return f"""<div id="p{number}" class="post has-profile bg2"><div class="inner">
<dl class="postprofile" id="profile{number}"><dt><div class="avatar-container"><img class="avatar"
src="./download/file.php?avatar={user}.png"></div><a href="./memberlist.php?mode=viewprofile&amp;u={user}"
class="username">{name}</a></dt><dd class="profile-rank">{rank}</dd></dl>
<div class="postbody"><h3><a href="#p{number}">Swapping stamps</a></h3><p class="author">
<a href="./viewtopic.php?p={number}#p{number}">Post</a> by <strong><a class="username"
href="./memberlist.php?mode=viewprofile&amp;u={user}">{name}</a></strong> &raquo; {when}</p>
<div class="content">{words}</div><div class="signature">My albums: 12</div></div></div></div>"""

    quote = f'<blockquote cite="./viewtopic.php?p=11#p11"><div><cite>Anna wrote:</cite>{QUOTED}</div></blockquote>'
    body = (
        '<div class="action-bar">127 posts</div><h2 class="topic-title">Swapping stamps</h2>'
        + post(11, "Anna", 5, "Fri Jan 05, 2024 11:00 am", ONE, "Site Admin")
        + post(12, "Bert", 6, "Fri Jan 05, 2024 11:15 am", quote + TWO)
        + '<div class="pagination"><a href="./viewtopic.php?t=7&amp;start=20">2</a></div>'
        + '<div id="page-footer">All times are <span>UTC+01:00</span></div>'
    )
    body = body.replace("<span>UTC+01:00</span>", "UTC+01:00")
    return Sample(
        "phpBB", Layout.FORUM, "http://board.test/viewtopic.php?t=7", _page(body), ("11", "12"),
        accounts=("5", "6"), roles=("admin", ""), thread="7", answered=True,
    )  # fmt: skip


def _mybb() -> Sample:
    def post(number: int, name: str, user: int, when: str, words: str, title: str) -> str:
        return f"""<div class="post classic" id="post_{number}"><div class="post_author">
<div class="author_avatar"><img src="avatar_{user}.png"></div><div class="author_information">
<strong><span class="largetext"><a href="member.php?action=profile&amp;uid={user}">{name}</a></span></strong>
<br><span class="smalltext">{title}</span></div></div><div class="post_content"><div class="post_head">
<span class="post_date">{when}</span></div><div class="post_body scaleimages" id="pid_{number}">{words}</div>
<div class="signature scaleimages">My albums: 12</div></div></div>"""

    quote = f'<blockquote class="mycode_quote"><cite><span> (01-05-2024, 10:00 AM)</span>Anna Wrote: <a href="showthread.php?pid=21#pid21">\u2191</a></cite>{QUOTED}</blockquote>'
    body = (
        '<h1 class="thread_title">Swapping stamps</h1>'
        + post(21, "Anna", 5, "01-05-2024, 10:00 AM", ONE, "Administrator")
        + post(22, "Bert", 6, "01-05-2024, 10:15 AM", quote + TWO, "Junior Member")
        + "<p>Current time: 01-05-2024, 11:00 AM</p>"
    )
    return Sample(
        "MyBB", Layout.FORUM, "http://board.test/showthread.php?tid=7", _page(body), ("21", "22"),
        accounts=("5", "6"), roles=("admin", ""), thread="7", answered=True,
    )  # fmt: skip


def _smf() -> Sample:
    def post(number: int, name: str, user: int, when: str, words: str, group: str) -> str:
        return f"""<div class="windowbg"><div class="post_wrapper"><div class="poster"><h4>
<a href="http://board.test/index.php?action=profile;u={user}">{name}</a></h4><ul><li class="membergroup">{group}</li>
<li class="avatar"><img src="/avatars/{user}.png"></li></ul></div><div class="postarea"><div class="keyinfo">
<div class="smalltext">\u00ab <strong>on:</strong> {when} \u00bb</div></div><div class="post">
<div class="inner" id="msg_{number}">{words}</div></div></div>
<div class="moderatorbar"><div class="signature">My albums: 12</div></div></div></div>"""

    quote = f'<div class="quoteheader"><a href="http://board.test/index.php?topic=7.msg31#msg31">Quote from: Anna</a></div><blockquote class="bbc_standard_quote">{QUOTED}</blockquote>'
    body = (
        '<h2 class="display_title">Swapping stamps</h2><div>(Read 1,204 times)</div>'
        + post(31, "Anna", 5, "January 05, 2024, 10:00:00 AM", ONE, "Global Moderator")
        + post(32, "Bert", 6, "January 05, 2024, 10:15:00 AM", quote + TWO, "Newbie")
    )
    return Sample(
        "SMF", Layout.FORUM, "http://board.test/index.php?topic=7.0", _page(body), ("31", "32"),
        accounts=("5", "6"), roles=("moderator", ""), thread="7", answered=True,
    )  # fmt: skip


def _vbulletin() -> Sample:
    def post(number: int, name: str, user: int, when: str, words: str, title: str) -> str:
        return f"""<li class="postbitlegacy postbitim postcontainer" id="post_{number}"><div class="posthead">
<span class="postdate"><span class="date">{when}</span></span></div><div class="postdetails"><div class="userinfo">
<a class="username offline" href="member.php?u={user}">{name}</a><span class="usertitle">{title}</span></div>
<div class="postbody"><div class="content"><div id="post_message_{number}">
<blockquote class="postcontent restore ">{words}</blockquote></div></div>
<blockquote class="signature restore">My albums: 12</blockquote></div></div></li>"""

    quote = f'<div class="bbcode_container"><div class="bbcode_quote"><div class="quote_container">Originally Posted by <strong>Anna</strong> <a href="showthread.php?p=41#post41">x</a><div class="message">{QUOTED}</div></div></div></div>'
    body = (
        '<span class="threadtitle"><a href="showthread.php?7">Swapping stamps</a></span><ol>'
        + post(41, "Anna", 5, "5th January 2024, 10:00", ONE, "Administrator")
        + post(42, "Bert", 6, "5th January 2024, 10:15", quote + TWO, "Member")
        + "</ol>"
    )
    return Sample(
        "vBulletin", Layout.FORUM, "http://board.test/showthread.php?7-stamps", _page(body),
        ("41", "42"), accounts=("5", "6"), roles=("admin", ""), thread="7", answered=True,
    )  # fmt: skip


def _xenforo() -> Sample:
    def post(number: int, name: str, user: int, when: str, words: str, banner: str) -> str:
        return f"""<article class="message message--post" data-author="{name}" data-content="post-{number}"
id="js-post-{number}"><div class="message-cell message-cell--user"><h4 class="message-name">
<a href="/members/{name}.{user}/" class="username" data-user-id="{user}">{name}</a></h4>
<div class="userBanner"><strong>{banner}</strong></div></div><div class="message-cell message-cell--main">
<time class="u-dt" datetime="{when}">Jan 5</time><div class="message-body">
<div class="bbWrapper">{words}</div></div><aside class="message-signature">My albums: 12</aside></div></article>"""

    quote = f'<blockquote class="bbCodeBlock bbCodeBlock--quote" data-quote="Anna" data-source="post: 51"><div>Anna said:</div><div>{QUOTED}</div></blockquote>'
    body = (
        '<h1 class="p-title-value">Swapping stamps</h1>'
        + post(51, "Anna", 5, "2024-01-05T11:00:00+0100", ONE, "Moderator")
        + post(52, "Bert", 6, "2024-01-05T11:15:00+0100", quote + TWO, "")
    )
    return Sample(
        "XenForo", Layout.FORUM, "http://board.test/threads/swapping-stamps.7/", _page(body),
        ("51", "52"), accounts=("5", "6"), roles=("moderator", ""), thread="7", answered=True,
    )  # fmt: skip


def _discourse() -> Sample:
    def post(number: int, name: str, when: str, words: str) -> str:
        return f"""<div id="post_{number}" itemprop="comment" class="topic-body crawler-post">
<div class="crawler-post-meta"><span class="creator" itemprop="author"><a rel="nofollow"
href="http://board.test/u/{name.lower()}"><span itemprop="name">{name}</span></a></span>
<span class="crawler-post-infos"><time datetime="{when}" class="post-time">January 5</time></span></div>
<div class="post" itemprop="text">{words}</div></div>"""

    quote = f'<aside class="quote" data-post="1" data-topic="7"><div class="title">Anna:</div><blockquote>{QUOTED}</blockquote></aside>'
    body = (
        "<h1>Swapping stamps</h1>"
        + post(1, "Anna", "2024-01-05T10:00:00Z", ONE)
        + post(2, "Bert", "2024-01-05T10:15:00Z", quote + TWO)
    )
    return Sample(
        "Discourse", Layout.FORUM, "http://board.test/t/swapping-stamps/7", _page(body), ("1", "2"),
        accounts=("anna", "bert"), thread="7", answered=True,
    )  # fmt: skip


def _subsilver() -> Sample:
    def post(number: int, name: str, when: str, words: str) -> str:
        return f"""<tr class="row1"><td><a name="p{number}"></a><b class="postauthor">{name}</b></td>
<td><b>Post subject:</b> Swapping stamps <b>Posted:</b> {when}</td></tr><tr class="row1"><td>
<span class="postdetails"><b>Joined:</b> Mon Jan 01, 2023 9:00 am</span></td>
<td><div class="postbody">{words}</div></td></tr>"""

    quote = f'<div class="quotetitle">Anna wrote:</div><div class="quotecontent">{QUOTED}</div>'
    body = (
        "<h2>Swapping stamps</h2><table>"
        + post(15, "Anna", "Fri Jan 05, 2024 10:00 am", ONE)
        + post(16, "Bert", "Fri Jan 05, 2024 10:15 am", quote + TWO)
        + "</table>"
    )
    return Sample(
        "phpBB in rows", Layout.FORUM, "http://board.test/viewtopic.php?t=7", _page(body),
        ("15", "16"), thread="7",
    )  # fmt: skip


def _unknown_forum() -> Sample:
    def post(number: int, name: str, when: str, words: str) -> str:
        return f"""<div class="post" id="post-{number}"><div class="head"><span class="author">{name}</span>
<span class="date">{when}</span></div><div class="post-content">{words}</div></div>"""

    body = (
        "<h1>Swapping stamps</h1>"
        + post(61, "Anna", "2024-01-05 10:00", ONE)
        + post(62, "Bert", "2024-01-05 10:15", f"[quote=Anna]{QUOTED}[/quote]{TWO}")
    )
    return Sample(
        "a forum", Layout.FORUM, "http://board.test/thread/7", _page(body), ("61", "62"), thread="7",
    )  # fmt: skip


def _vichan() -> Sample:
    def post(number: int, kind: str, name: str, trip: str, when: str, words: str) -> str:
        return f"""<div class="post {kind}" id="{kind}_{number}"><p class="intro">
<span class="subject">Swapping stamps</span><span class="name">{name}</span><span class="trip">{trip}</span>
<time datetime="{when}">01/05/24</time> <a class="post_no" href="/s/res/71.html#q{number}">{number}</a></p>
<div class="body">{words}</div></div>"""

    one = "I have a blue one."
    two = f'<a onclick="highlightReply(71)" href="/s/res/71.html#71">&gt;&gt;71</a><br><span class="quote">&gt;{QUOTED}</span><br><span class="quote">&gt;being without stamps</span><br>{TWO}'
    body = (
        '<div class="thread" id="thread_71"><div class="files"><div class="file"><a href="/s/src/1704.png">'
        '<img class="post-image" src="/s/thumb/1704.png"></a></div></div>'
        + post(71, "op", "Anna", "!abcDEF1234", "2024-01-05T10:00:00Z", one)
        + post(72, "reply", "Bert", "", "2024-01-05T10:15:00Z", two)
        + "</div>"
    )
    return Sample(
        "vichan", Layout.IMAGEBOARD, "http://board.test/s/res/71.html", _page(body), ("71", "72"),
        accounts=("!abcDEF1234", ""), thread="s/71", answered=True,
    )  # fmt: skip


def _lynxchan() -> Sample:
    def post(number: int, cell: str, name: str, when: str, words: str, files: str = "") -> str:
        return f"""<div class="{cell}" id="{number}"><div class="innerPost"><div class="postInfo title">
<span class="labelSubject">Swapping stamps</span><a class="linkName noEmailName">{name}</a>
<span class="labelRole"></span><span class="labelCreated">{when}</span><span class="labelId">a1b2c3</span></div>
<div class="panelUploads">{files}</div><div class="divMessage">{words}</div></div></div>"""

    files = '<figure class="uploadCell"><a class="imgLink" href="/.media/blue.png"><img src="/.media/t_blue"></a></figure>'
    two = f'<a class="quoteLink" href="/s/res/81.html#81">&gt;&gt;81</a><br><span class="greenText">&gt;{QUOTED}</span><br>{TWO}'
    body = post(
        81, "opCell", "Anna", "01/05/2024 (Fri) 10:00:00", "I have a blue one.", files
    ) + post(82, "postCell", "Bert", "01/05/2024 (Fri) 10:15:00", two)
    return Sample(
        "LynxChan", Layout.IMAGEBOARD, "http://board.test/s/res/81.html", _page(body), ("81", "82"),
        accounts=("a1b2c3", "a1b2c3"), thread="s/81", answered=True,
    )  # fmt: skip


def _fourchan() -> Sample:
    def post(number: int, kind: str, name: str, utc: int, words: str, files: str = "") -> str:
        return f"""<div class="postContainer {kind}Container" id="pc{number}"><div id="p{number}" class="post {kind}">
<div class="postInfo desktop"><span class="subject">Swapping stamps</span><span class="nameBlock">
<span class="name">{name}</span></span><span class="dateTime" data-utc="{utc}">01/05/24(Fri)05:00:00</span></div>
{files}<blockquote class="postMessage" id="m{number}">{words}</blockquote></div></div>"""

    files = '<div class="file"><a class="fileThumb" href="//media.test/s/1.jpg"><img src="//media.test/s/1s.jpg"></a></div>'
    two = f'<a href="#p91" class="quotelink">&gt;&gt;91</a><br><span class="quote">&gt;{QUOTED}</span><br>{TWO}'
    body = post(91, "op", "Anna", 1704448800, "I have a blue one.", files) + post(
        92, "reply", "Bert", 1704449700, two
    )
    return Sample(
        "4chan", Layout.IMAGEBOARD, "http://board.test/s/thread/91", _page(body), ("91", "92"),
        thread="s/91", answered=True,
    )  # fmt: skip


def _irc() -> Sample:
    text = (
        "--- Log opened Fri Jan 05 2024\n"
        "[2024-01-05 10:00:00] <@Anna> I have a blue one.\n"
        "[2024-01-05 10:15:00] <Bert> I would like it.\n"
        "[2024-01-05 10:16:00] <Anna> Fine.\n"
    )
    return Sample(
        "IRC", Layout.CHAT_LOG, "http://logs.test/stamps.log", text, ("2", "3"), roles=("operator", ""),
        thread="stamps.log", title="", quoted=False, pictured=False, content_type="text/plain",
    )  # fmt: skip


def _chat_table() -> Sample:
    def row(when: str, name: str, words: str) -> str:
        return f"<tr><td>{when}</td><td>&lt;{name}&gt;</td><td>{words}</td></tr>"

    body = (
        "<table>"
        + row("2024-01-05 10:00", "Anna", ONE)
        + row("2024-01-05 10:15", "Bert", f"<blockquote>{QUOTED}</blockquote>{TWO}")
        + row("2024-01-05 10:16", "Anna", "Fine, then.")
        + "</table>"
    )
    return Sample(
        "table", Layout.CHAT_LOG, "http://logs.test/stamps", _page(body), ("1", "2"), thread="stamps",
        title="Swapping stamps - A board",
    )  # fmt: skip


def _generic() -> Sample:
    def part(name: str, when: str, words: str) -> str:
        return f'<li id="e-{name}"><b>{name}</b> <small>{when}</small><p>{words}</p></li>'

    body = (
        "<ul><li>Home</li><li>Help</li></ul><h1>Swapping stamps</h1><ul>"
        + part("Anna", "2024-01-05 10:00", ONE)
        + part("Bert", "2024-01-05 10:15", f"<blockquote>{QUOTED}</blockquote>{TWO}")
        + part("Carl", "2024-01-05 10:16", "Nothing to add from my side.")
        + "</ul>"
    )
    return Sample(
        "generic", Layout.GENERIC, "http://board.test/guestbook", _page(body), ("e-Anna", "e-Bert"),
        thread="guestbook",
    )  # fmt: skip


SAMPLES = (
    _phpbb(),
    _subsilver(),
    _mybb(),
    _smf(),
    _vbulletin(),
    _xenforo(),
    _discourse(),
    _unknown_forum(),
    _vichan(),
    _lynxchan(),
    _fourchan(),
    _irc(),
    _chat_table(),
    _generic(),
)
