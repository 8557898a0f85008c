from __future__ import annotations

import schemes_page


def test_the_reference_page_says_what_the_data_files_say() -> None:
    written = schemes_page.PAGE.read_text(encoding="utf-8")
    assert written == schemes_page.page(), "run python tests/casework/schemes_page.py"
