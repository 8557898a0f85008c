"""The index: fingerprints and digests in, keys of list entries out.

`index.Index` reads, `writer.IndexWriter` changes; `key` packs list and entry number into one key.
"""
