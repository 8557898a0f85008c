from __future__ import annotations

import pickle
import subprocess
import sys

from tutela.fingerprint.content import fingerprint

PROGRAM = """
import pickle, sys
from tutela.fingerprint.content import examine, warm_up
warm_up()
pictures = pickle.load(sys.stdin.buffer)
opened = []
sys.addaudithook(lambda event, args: opened.append((event, args[0])) if event in WATCHED else None)
for data in pictures:
    examine(data, thumbnail=True)
    for end in (len(data) // 2, len(data) - 3):
        try:
            examine(data[:end], thumbnail=True)
        except Exception as error:
            assert type(error).__name__ == "MediaError", error
print(opened)
""".replace("WATCHED", repr({"open", "import", "os.listdir", "subprocess.Popen", "ctypes.dlopen"}))


def test_nothing_is_opened_or_imported_afterwards(small_pictures):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=pickle.dumps(list(small_pictures.values())),
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"[]\n"


def test_a_machine_with_no_room_for_kernels_still_hashes(small_pictures):
    # As where neither the package's folder nor the user's can be written.
    program = (
        "import numba.core.caching as c; c.CacheImpl._locator_classes = [];"
        "from tutela.fingerprint.content import fingerprint; import sys;"
        "print(fingerprint(sys.stdin.buffer.read())[0].bits.hex())"
    )
    data = small_pictures["png"]
    done = subprocess.run(
        [sys.executable, "-c", program], input=data, capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == fingerprint(data)[0].bits.hex()
