"""One form for each URL; what cannot be crawled is refused by a code."""

from __future__ import annotations

import pytest
from crawl_support import onion_host
from hypothesis import example, given
from hypothesis import strategies as st

from tutela.core.errors import InputError
from tutela.crawl import onion, urls
from tutela.crawl.model import Net

SITE = "http://a.test"
FORMS = [
    ("HTTP://A.Test:80", f"{SITE}/"),
    ("https://a.test:443/x#part", "https://a.test/x"),
    (f"{SITE}:8080/x", f"{SITE}:8080/x"),
    (f"{SITE}./x", f"{SITE}/x"),
    (f"{SITE}/a/../b/./c/", f"{SITE}/b/c/"),
    (f"{SITE}/a/..", f"{SITE}/"),
    (f"{SITE}/../../x", f"{SITE}/x"),
    (f"{SITE}/%7Euser/%41%2f%c3%a9", f"{SITE}/~user/A%2F%C3%A9"),
    (f"{SITE}/%2e%2e/x", f"{SITE}/x"),
    (f"{SITE}/é?q=ü", f"{SITE}/%C3%A9?q=%C3%BC"),
    (f"{SITE}/100%", f"{SITE}/100%25"),
    (f"{SITE}\\x\\y", f"{SITE}/x/y"),
    (f"{SITE}/x?", f"{SITE}/x"),
    (f"{SITE}/x?b=2&a=1&&b=2", f"{SITE}/x?b=2&a=1&b=2"),
    (f"{SITE}/x?utm_source=y&id=3&fbclid=q", f"{SITE}/x?id=3"),
    (f"{SITE}/x?sid=0123456789abcdef0123456789abcdef&t=4", f"{SITE}/x?t=4"),
    (f"{SITE}/x?PHPSESSID=abcdefghij0123456789", f"{SITE}/x"),
    (f"{SITE}/x?s=shoes", f"{SITE}/x?s=shoes"),
    (f"{SITE}/x;jsessionid=ABC123?p=1", f"{SITE}/x?p=1"),
    ("http://bücher.test/", "http://xn--bcher-kva.test/"),
    ("http://127.0.0.1:9000/x", "http://127.0.0.1:9000/x"),
    ("http://[0:0::1]/x", "http://[::1]/x"),
    ("  http://a.test/x\n", f"{SITE}/x"),
]
REFUSED = [
    ("ftp://a.test/", "url_scheme"),
    ("javascript:alert(1)", "url_scheme"),
    ("/relative", "url_scheme"),
    ("", "url_scheme"),
    ("http://name:word@a.test/", "url_userinfo"),
    ("http://@a.test/", "url_userinfo"),
    ("http:///x", "url_host"),
    ("http://a..test/", "url_host"),
    ("http://-a.test/", "url_host"),
    ("http://a%2etest/", "url_host"),
    ("http://a b.test/", "url_host"),
    ("http://0x7f000001/", "url_host"),
    ("http://2130706433/", "url_host"),
    ("http://127.1/", "url_host"),
    ("http://a.test:0/", "url_port"),
    ("http://a.test:99999/", "url"),
    ("http://[::1/", "url"),
    (f"{SITE}/{'x' * 2048}", "url_long"),
    (f"http://{'a' * 16}.onion/", "onion_v2"),
    ("http://short.onion/", "onion"),
    ("http://onion/", "onion"),
]


@pytest.mark.parametrize(("given_url", "form"), FORMS)
def test_each_url_has_one_form(given_url, form):
    found = urls.canonical(given_url)
    assert found.url == form
    assert urls.canonical(found.url) == found


@pytest.mark.parametrize(("given_url", "code"), REFUSED)
def test_what_is_not_crawled_is_refused_by_its_code(given_url, code):
    with pytest.raises(InputError) as refused:
        urls.canonical(given_url)
    assert refused.value.code == code


def test_an_error_does_not_repeat_the_url():
    with pytest.raises(InputError) as refused:
        urls.canonical("http://name:secretword@a.test/")
    assert "secretword" not in str(refused.value) + refused.value.hint


TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)


@given(
    st.sampled_from(["http", "https", "HTTP"]),
    st.sampled_from(["a.test", "b.c.test:81", "127.0.0.1", "[::1]:7"]),
    TEXT,
    TEXT,
)
@example("http", "a.test", ";jsess;jsessionid=aionid=b", "")
@example("http", "a.test", "%%34%31/..;sid=x/..", "a=%2541&&utm_x=&;")
def test_the_form_of_a_form_is_itself(scheme, where, path, query):
    try:
        once = urls.canonical(f"{scheme}://{where}/{path}?{query}")
    except InputError:
        return
    assert urls.canonical(once.url) == once
    assert once.url.isascii()
    assert once.url.isprintable()
    assert "#" not in once.url
    assert not {".", ".."}.intersection(once.path.split("/"))


def code_of(text: str) -> str:
    try:
        urls.canonical(text)
    except InputError as error:
        return error.code
    return "url"


@given(TEXT)
def test_no_text_breaks_it(text):
    assert code_of(text).startswith(("url", "onion"))
    assert code_of(f"http://{text}/").startswith(("url", "onion"))


def test_a_path_lies_under_another_at_a_slash():
    assert urls.under("/forum/x", "/forum")
    assert urls.under("/forum/x", "/forum/")
    assert urls.under("/forum", "/forum")
    assert urls.under("/anything", "/")
    assert not urls.under("/forums", "/forum")
    assert not urls.under("/forum", "/forum/")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_is_known_by_its_name(host):
    assert urls.is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.test", "10.0.0.1", "128.0.0.1", "a.test"])
def test_nothing_else_is_loopback(host):
    assert not urls.is_loopback(host)


@given(st.binary(min_size=32, max_size=32), st.integers(0, 55), st.sampled_from("abcz27"))
def test_an_onion_address_holds_and_no_other_character_does(key, place, letter):
    label = onion.address(key).removesuffix(".onion")
    assert onion.holds(label)
    assert onion.holds(label.upper())
    changed = label[:place] + letter + label[place + 1 :]
    # The checksum has 16 bits: a changed key is found out nearly always, a changed end always.
    if changed != label and place >= 52:
        assert not onion.holds(changed)
    assert not onion.holds(label[:-1])
    assert not onion.holds("1" + label[1:])


def test_an_onion_host_and_its_parts_are_known():
    host = onion_host("shop")
    found = urls.canonical(f"http://www.{host.upper()}/x")
    assert (found.net, found.host) == (Net.ONION, f"www.{host}")
    assert urls.canonical("http://a.test/").net is Net.CLEAR
    with pytest.raises(InputError) as refused:
        urls.canonical(f"http://{host[:3]}{'b' if host[3] != 'b' else 'c'}{host[4:]}/")
    assert refused.value.code == "onion"


def test_a_key_of_another_length_has_no_address():
    with pytest.raises(ValueError, match="31 bytes"):
        onion.address(bytes(31))
