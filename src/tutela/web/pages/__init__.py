"""Pages, one module a noun: each lists its handlers in `ROUTES`."""

from tutela.web.pages import (
    account,
    administration,
    agency,
    approvals,
    audit,
    board,
    cases,
    conversation,
    conversations,
    credentials,
    disputes,
    export,
    items,
    language,
    leads,
    lists,
    own_keys,
    passkeys,
    published,
    review,
    rules,
    sign_in,
    site_accounts,
    sites,
    team,
    thumbnails,
    welcome,
    work,
)

_MODULES = (
    *(language, sign_in, agency, welcome, account, credentials, own_keys, passkeys),
    *(cases, board, review, thumbnails, items, work, team, export),
    *(leads, site_accounts, sites, conversations, conversation),
    *(disputes, lists, published, approvals, audit, administration, rules),
)
ROUTES = [handler for module in _MODULES for handler in module.ROUTES]
