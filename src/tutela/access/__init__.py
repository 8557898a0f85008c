"""Who may do what: accounts and their credentials, roles, case teams, sessions, two persons.

`model` says which role may do what; `authorise` asks it (and the case team) for one act; `accounts`
enrols people; `signin` lets them in; `sessions` keeps them in for a while; `approvals` is the
two-person rule.
"""
