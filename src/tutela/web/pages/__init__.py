"""Pages, one module a noun: each lists its handlers in `ROUTES`."""

from tutela.web.pages import board, cases, items, language, lists, review, team, thumbnails, work

ROUTES = [
    handler
    for module in (language, cases, board, review, thumbnails, items, team, work, lists)
    for handler in module.ROUTES
]
