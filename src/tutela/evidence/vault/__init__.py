"""The evidence vault: media kept encrypted, each under a key of its own that can be destroyed.

`master` says where the master key is; `sealed` is the format of an object, `book` of the wrapped
keys; `vault` puts, opens and shreds; `check` reads everything again; `rotate` changes the master
key; `objects` is what the database knows of it.
"""

from tutela.evidence.vault.master import MasterKey, master_key
from tutela.evidence.vault.vault import Vault

__all__ = ["MasterKey", "Vault", "master_key"]
