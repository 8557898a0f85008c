"""Forums: phpBB, MyBB, SMF, vBulletin, XenForo, Discourse without scripts, and their likes."""

from __future__ import annotations

from tutela.crawl.layouts import grammar, paired, threads
from tutela.crawl.layouts.grammar import Grammar
from tutela.crawl.layouts.layout import MAX_POSTS, Finding, Page, Posts
from tutela.observation.model import Layout

# So sure, a grammar knows what is around posts: it is not asked whether they lie in rows.
_FITS = 0.6
_THANKS = ("thanks", "thanked", "thankyou", "thanks_list", "likes", "post_thanks", "thanks-list")

GRAMMARS = (
    Grammar(
        name="phpBB",
        containers=("post",),
        container_id=("p",),
        bodies=("content", "postbody"),
        authors=("username", "username-coloured", "author-name", "postauthor"),
        times=("<time", "author", "postdate"),
        roles=("profile-rank", "rank"),
        files=("attachbox", "attachments"),
        asides=("signature", "notice", "attachbox"),
        edits=("notice",),
        thanks=_THANKS,
        titles=("topic-title",),
        marks=("postprofile", "viewtopic"),
    ),
    Grammar(
        name="MyBB",
        containers=("post",),
        container_id=("post_",),
        bodies=("post_body",),
        authors=("post_author_name", "largetext", "author_information", "post_author"),
        times=("post_date",),
        roles=("usertitle", "author_title", "smalltext"),
        files=("attachments", "post_attachments"),
        asides=("signature", "post_edit"),
        edits=("post_edit", "edited_post"),
        thanks=_THANKS,
        titles=("thread_title", "thead"),
        marks=("post_content", "author_statistics"),
    ),
    Grammar(
        name="SMF",
        containers=("post_wrapper",),
        bodies=("#msg_", "inner", "post"),
        authors=("poster_name", "<h4", "poster"),
        times=("page_number", "keyinfo", "smalltext"),
        roles=("membergroup",),
        files=("attachments",),
        asides=("signature", "modified"),
        edits=("modified",),
        thanks=_THANKS,
        titles=("display_title",),
        marks=("postarea", "poster"),
    ),
    Grammar(
        name="vBulletin",
        containers=("postbit", "postbitlegacy", "postcontainer", "tborder"),
        container_id=("post", "post_"),
        bodies=("postcontent", "#post_message_"),
        authors=("username", "bigusername"),
        times=("date", "postdate", "thead"),
        roles=("usertitle",),
        files=("attachments", "attachment"),
        asides=("signature", "signaturecontainer"),
        edits=("lastedited", "edited"),
        thanks=_THANKS,
        titles=("threadtitle",),
        marks=("postbitlegacy", "bigusername", "postcontainer"),
    ),
    Grammar(
        name="XenForo",
        containers=("message--post", "message"),
        bodies=("bbwrapper", "messagetext", "message-body"),
        authors=("message-name", "username"),
        times=("<time", "datetime"),
        roles=("userbanner", "usertitle"),
        files=("message-attachments", "attachedfiles"),
        asides=("message-signature",),
        edits=("message-lastedit",),
        thanks=("reactionsbar", "likessummary"),
        titles=("p-title-value",),
        marks=("message-cell", "bbwrapper"),
        sure=0.65,
    ),
    Grammar(
        name="Discourse",
        containers=("crawler-post", "topic-post"),
        bodies=("post", "cooked"),
        authors=("creator", "username"),
        times=("post-time", "<time", "relative-date"),
        roles=("user-title",),
        titles=("topic-title",),
        marks=("crawler-post", "crawler-post-meta"),
        sure=0.65,
    ),
    Grammar(
        name="a forum",
        containers=(
            "post", "forum-post", "postbox", "comment", "reply", "message", "topic-reply",
            "post-item",
        ),
        bodies=(
            "post-body", "post_body", "postbody", "post-content", "post_content", "postcontent",
            "post-text", "post_text", "posttext", "post_message", "comment-body", "comment-content",
            "comment-text",
            "message-body", "message-text", "content", "body", "text", "message", "entry-content",
        ),
        authors=(
            "author", "post-author", "post_author", "username", "user-name", "user", "nick",
            "nickname",
            "poster", "author-name", "comment-author", "name", "member", "by",
        ),
        times=(
            "<time", "date", "post-date", "post_date", "time", "timestamp", "posted",
            "comment-date",
            "when",
        ),
        roles=("rank", "role", "group", "usergroup", "user-role", "badge"),
        files=("attachments", "attachment", "attachbox"),
        edits=("edited", "edit-note", "last-edited"),
        thanks=_THANKS,
        titles=("thread-title", "topic-title", "subject", "title"),
        outermost=True,
        sure=0.45,
    ),
)  # fmt: skip


class Forum:
    """Pages of forums."""

    kind = Layout.FORUM

    def recognise(self, page: Page) -> Finding:
        """Take the grammar that fits best, or rows of names and words."""
        finding = _best(page)[1]
        return finding if finding.confidence >= _FITS else max(finding, paired.recognise(page.tree))

    def read(self, page: Page) -> Posts:
        """Find the posts by that grammar."""
        best, finding = _best(page)
        titles = () if best is None else best.titles
        rows = Finding(0.0) if finding.confidence >= _FITS else paired.recognise(page.tree)
        if best is not None and finding >= rows:
            found = list(grammar.posts(best, page))
        else:
            found = paired.posts(page.tree)
        return Posts(
            found[:MAX_POSTS],
            thread=threads.key_of(page.url),
            thread_title=threads.title_of(page.tree, titles, found),
            more=len(found) > MAX_POSTS,
        )


def _best(page: Page) -> tuple[Grammar | None, Finding]:
    return best_of(GRAMMARS, page)


def best_of(grammars: tuple[Grammar, ...], page: Page) -> tuple[Grammar | None, Finding]:
    """Return the grammar that fits a page best, None where none does."""
    best: tuple[Grammar | None, Finding] = (None, Finding(0.0))
    for one in grammars:
        finding = grammar.recognise(one, page.tree)
        if finding.confidence > best[1].confidence:
            best = (one, finding)
    return best
