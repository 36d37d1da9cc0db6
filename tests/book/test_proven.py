"""What the README says was proven where is what 'make hosts' wrote down."""

import proven


def test_the_readme_has_the_table_of_the_data() -> None:
    """Neither is changed by hand; 'make hosts' renews both."""
    rows = proven.read()

    assert proven.shown() == proven.table(rows)
    assert len(rows) > 0
