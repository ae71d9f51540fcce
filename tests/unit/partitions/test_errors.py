from __future__ import annotations

from partitions.errors import SIGNPOST, NotBootable, Verbs

OURS = Verbs(confirm="yes", apply="go", cancel="no", rollback="back")


def test_a_refusal_names_the_commands_of_whoever_shows_it() -> None:
    refused = NotBootable("apply it with '{apply}', or '{rollback}'")
    assert refused.told(OURS) == "apply it with 'go', or 'back'"
    assert str(refused) == f"apply it with '{SIGNPOST.apply}', or '{SIGNPOST.rollback}'"


def test_braces_of_a_path_stay_as_they_are() -> None:
    assert str(NotBootable("/srv/{a}/{}/disk.img {confirm}")).startswith("/srv/{a}/{}/disk.img s")
