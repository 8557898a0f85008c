"""Pages made to attack who reads them, or to lay words into the mouths of others."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.core.errors import InputError
from tutela.crawl.events import Terms
from tutela.crawl.reading import MAX_LINKS, read
from tutela.observation.model import EventKind, MediaRole, PageSeen

URL = "http://board.test/viewtopic.php?t=7"


def page(html: str | bytes, url: str = URL, content_type: str = "text/html") -> PageSeen:
    body = html if isinstance(html, bytes) else html.encode("utf-8", "surrogatepass")
    return read(body, url, content_type, Terms())


def post(number: int, name: str, words: str, extra: str = "") -> str:
    return (
        f'<div class="post" id="p{number}"><p class="author"><a class="username">{name}</a>'
        ' <time datetime="2024-01-05T10:00:00Z"></time></p>'
        f'<div class="content">{words}</div>{extra}</div>'
    )


# -- size and shape ------------------------------------------------------------------------------

BOMBS = {
    "50 MB of open tags": b"<div><p><b x=1>" * (50 << 20 >> 4),
    "50 MB of attributes": b"<p " + b"a=1 " * (50 << 18),
    "nested": b"<div>" * 100_000,
    "nested and closed": b"<div>" * 100_000 + b"</div>" * 100_000,
    "attributes": b"<p " + b" ".join(b"a%d=1" % n for n in range(1_000_000)) + b">x",
    "attributes in quotes": b"<p " + b" ".join(b'a%d="<>"' % n for n in range(400_000)) + b">x",
    "formatting reopened": b"".join(b"<b x=%d>" % n for n in range(2_000)) + b"<p>" * 100_000,
    "slashes": b"<p " + b"/a" * 1_000_000 + b">",
}
LARGE = {
    "50 MB of text": b"word " * (10 << 20),
    "paragraphs": b"<p>a" * 1_000_000,
    "angles": b"<" * (4 << 20),
    "quotes": b"<blockquote>" * 150 + b"a" * (4 << 20),
    "tables": b"<table><tr><td>" * 2_000,
    "links": b"".join(b'<a href="/%d">x</a>' % n for n in range(100_000)),
    "comments": b"<!--" * 1_000_000,
    "entities": b"&amp;&#0;&#x110000;&lt" * 100_000,
    "lines": b"> > a\n" * 700_000,
    "wrote": b"a wrote:\n" * 400_000,
    "codes": b"[quote]" * 500_000,
    "one line": b"<pre>" + b"<a> " * 10 + b"10:00 " * 600_000,
    "spaces in a style": b'<p style="display' + b" " * 500_000 + b'">x' * 4,
    "style sheet": b"<style>.a{none" + b".a { display " * 100_000 + b"</style>x",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_what_would_keep_the_parser_busy_is_refused(name):
    begin = time.process_time()
    with pytest.raises(InputError) as refused:
        page(BOMBS[name])
    assert refused.value.code in {"nesting", "attributes"}
    assert time.process_time() - begin < 5


@pytest.mark.parametrize("name", LARGE)
def test_what_is_large_is_read_in_bounded_time(name):
    begin = time.process_time()
    seen = page(LARGE[name])
    assert time.process_time() - begin < 8
    assert len(seen.links) <= MAX_LINKS
    assert sum(len(one.text) for one in seen.posts) <= 8 << 20


def test_what_was_left_out_is_said():
    assert "bytes" in page(b"<p>a</p>" * 600_000).truncated
    assert "links" in page("".join(f'<a href="/{n}">x</a>' for n in range(MAX_LINKS + 1))).truncated
    many = page("".join(post(n, "Anna", "words") for n in range(2_001)))
    assert len(many.posts) == 2_000
    assert "posts" in many.truncated
    assert "depth" in page("<div>" * 1_000 + "x").truncated


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data):
    for kind in ("text/html", "text/plain", "text/html; charset=utf-16"):
        page(b'<div class="post" id="p1"><div class="content">' + data, content_type=kind)


@given(st.text(alphabet="<>/=\"' abp&;!-[]:@0\u202e", max_size=300))
def test_any_markup_is_read(text):
    page(text)


def test_other_content_is_no_page():
    with pytest.raises(InputError) as refused:
        page(b"\x89PNG", content_type="image/png")
    assert refused.value.code == "not_a_page"


# -- bytes and characters ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("<title>Bär</title>".encode(), "text/html"),
        ("<title>Bär</title>".encode("latin-1"), "text/html; charset=ISO-8859-1"),
        ('<meta charset="windows-1252"><title>Bär</title>'.encode("cp1252"), "text/html"),
        ("\ufeff<title>Bär</title>".encode("utf-16-le"), "text/html; charset=latin-1"),
        ("\ufeff<title>Bär</title>".encode(), "text/html; charset=koi8-r"),
        ("<title>Bär</title>".encode(), "text/html; charset=zlib_codec"),
        ("<title>Bär</title>".encode(), "text/html; charset=no-such"),
    ],
)
def test_a_page_is_read_in_its_charset(body, content_type):
    assert page(body, content_type=content_type).title == "Bär"


def test_mixed_charsets_lose_only_what_is_wrong():
    seen = page(post(1, "Anna", "Bär ").encode() + post(2, "Bert", "Bär ").encode("latin-1"))
    assert seen.posts[0].text == "Bär"
    assert seen.posts[1].text == "B\ufffdr"


def test_null_bytes_hide_nothing():
    (seen,) = page(post(1, "Anna", "blue\0stamp <a hr\0ef='/x'>x</a>")).posts
    assert seen.text.startswith("blue\ufffdstamp")


def test_handles_are_kept_as_written():
    written = "\u202eannA\u200b"
    assert page(post(1, written, "words")).posts[0].author.handle == written


# -- words of others -----------------------------------------------------------------------------

FORGED = post(1, "Victor", "I offer stamps. <img src=/forged.png>")


@pytest.mark.parametrize(
    "words",
    [
        f"before {FORGED} after",
        f'before <div class="inner">{FORGED}</div> after',
        f'before <div class="post" id="p99"><div class="postbody">{FORGED}</div></div> after',
        "before " + FORGED * 50 + " after",
    ],
)
def test_markup_like_a_post_makes_no_post_of_another(words):
    seen = page(post(1, "Anna", "first") + post(2, "Mallory", words) + post(3, "Bert", "last"))
    assert [one.author.handle for one in seen.posts] == ["Anna", "Mallory", "Bert"]
    assert seen.posts[1].text.startswith("before")
    assert "I offer stamps." in seen.posts[1].text


def test_a_lone_post_cannot_say_who_wrote_it():
    forged = '<span class="author">Victor</span><div class="post-body">I offer stamps.</div>'
    html = (
        '<div class="post" id="x1"><span class="username">Mallory</span>'
        f'<div class="content">words {forged}</div></div>'
    )
    (seen,) = page(html, "http://board.test/thread/7").posts
    assert seen.author.handle == "Mallory"
    assert "I offer stamps." in seen.text


def test_a_generic_part_inside_a_part_is_its_content():
    inner = (
        "<ul>"
        + "<li><b>Victor</b> <small>2024-01-05 10:00</small> I offer many stamps.</li>" * 9
        + "</ul>"
    )
    parts = [
        f"<li><b>{name}</b> <small>2024-01-05 10:00</small><p>{words}</p></li>"
        for name, words in (
            ("Anna", "hello to all of you"),
            ("Mallory", inner),
            ("Bert", "bye to all of you"),
        )
    ]
    seen = page(f"<ul>{''.join(parts)}</ul>", "http://a.test/guests")
    assert [one.author.handle for one in seen.posts] == ["Anna", "Mallory", "Bert"]


def test_a_forged_double_does_not_take_the_place_of_a_post():
    seen = page(post(1, "Anna", "first") + post(1, "Mallory", "second"))
    assert [one.key for one in seen.posts] == ["1", "1~2"]


@pytest.mark.parametrize(
    "words",
    [
        "<blockquote>I offer stamps</blockquote>mine",
        "<q>I offer stamps</q> mine",
        "[quote=Victor]I offer stamps[/quote]\nmine",
        "[QUOTE]a[quote]I offer stamps[/quote]b[/quote] mine",
        "mine<br>[quote]I offer stamps",
        "&gt; I offer stamps<br>&gt; many<br>mine",
        "On Fri, 5 Jan 2024, Victor wrote:<br>&gt; I offer stamps<br><br>mine",
        "mine<br>-----Original Message-----<br>From: Victor<br>I offer stamps",
        '<p class="quotetitle">Victor wrote:</p><p class="quotecontent">I offer stamps</p>mine',
        '<table><tr><td class="alt2">Originally Posted: I offer stamps</td></tr></table>mine',
        '<span style="display:none">I offer stamps</span>mine',
        '<p hidden>I offer stamps</p><div style="VISIBILITY : hidden">I offer stamps</div>mine',
        '<style>.z9{color:red;display:none}</style><i class="z9">I offer stamps</i>mine',
        "<template>I offer stamps</template><script>I offer stamps</script>mine",
    ],
)
def test_words_of_others_are_not_credited(words):
    terms = Terms(offer=("offer stamps",))
    html = post(1, "Anna", words).encode()
    (seen,) = read(html, URL, "text/html", terms).posts
    assert seen.text.strip() == "mine"
    assert not any(event.kind is EventKind.OFFER for event in seen.events)


def test_media_links_and_names_in_quotes_are_not_the_quoters():
    quote = '<q>see <img src="/a.png"> <a href="https://x.test/">x</a> v@x.example</q>'
    (seen,) = page(post(1, "Anna", f"{quote} mine, a@x.example")).posts
    assert [(media.url, media.role) for media in seen.media] == [
        ("http://board.test/a.png", MediaRole.QUOTED)
    ]
    assert seen.links == ()
    assert {(e.value, e.quoted) for e in seen.entities} == {
        ("v@x.example", True),
        ("a@x.example", False),
    }
    assert seen.events == ()


def test_media_within_quote_codes_are_quoted():
    (seen,) = page(post(1, "Anna", '[quote]<img src="/a.png">[/quote] <img src="/b.png">')).posts
    assert [media.role for media in seen.media] == [MediaRole.QUOTED, MediaRole.POSTED]


def test_hidden_media_are_looked_at_but_are_nobodys():
    seen = page(post(1, "Anna", '<div style="display:none"><img src="/a.png"></div>words'))
    assert seen.posts[0].media == ()
    assert [media.url for media in seen.media] == ["http://board.test/a.png"]


def test_a_post_cannot_set_the_clock_or_the_views_of_its_page():
    words = "It is currently Fri Jan 05, 2024 3:10 pm. Views: 99999. All times are UTC+12"
    html = post(1, "Anna", words).replace("<time", "<i").replace("</time>", "</i>")
    seen = page(
        html.replace('<i datetime="2024-01-05T10:00:00Z">', '<i class="postdate">yesterday 10:32')
    )
    assert seen.views is None
    assert seen.posts[0].posted_at is None


# -- addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "base",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//",
        "http://",
        "ftp://x.test/",
        "http://onion.onion/",
    ],
)
def test_a_base_that_is_none_changes_nothing(base):
    seen = page(f'<base href="{base}"><a href="next">x</a>')
    assert seen.links == ("http://board.test/next",)


def test_a_base_of_the_web_counts():
    assert page('<base href="/deep/er/"><a href="next">x</a>').links == (
        "http://board.test/deep/er/next",
    )


@pytest.mark.parametrize(
    ("pointer", "wanted"),
    [
        ("javascript:alert(1)", ()),
        ("java\nscript:alert(1)", ()),
        (" \x01javascript:alert(1)", ()),
        ("data:text/html,x", ()),
        ("mailto:a@x.example", ()),
        ("file:///etc/passwd", ()),
        ("#top", ()),
        ("http://u:p@x.test/", ()),
        ("http://[::1", ()),
        ("http:///x", ()),
        ("//x.test/a", ("http://x.test/a",)),
        ("/a#b", ("http://board.test/a",)),
        ("../a", ("http://board.test/a",)),
        ("a?b=c&amp;d=e", ("http://board.test/a?b=c&d=e",)),
        ("?start=20", ("http://board.test/viewtopic.php?start=20",)),
        ("HTTP://x.test/a", ("http://x.test/a",)),
        ("\\\\x.test\\a", ("http://x.test/a",)),
        ("ht\ntp://x.test/a", ("http://x.test/a",)),
        ("a" * 3_000, ()),
    ],
)
def test_links_are_absolute_and_of_the_web(pointer, wanted):
    assert page(f'<a href="{pointer}">x</a>').links == wanted


def test_a_refresh_is_a_link():
    html = '<meta http-equiv="Refresh" content="0; URL=\'/next\'"><meta http-equiv="refresh">'
    assert page(html).links == ("http://board.test/next",)
