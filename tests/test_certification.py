"""What an answer says about its document in law: found under every spelling, and never guessed from anything else."""

from __future__ import annotations

import json

import pytest

from toc_sync import document
from toc_sync.model import Certification

FLAT = {
    "document_no": "FT 2026/12",
    "atcud": "CSDF7T5H-12",
    "document_hash": "AbC+1/x=",
    "communication_status": "sent",
}
ALL = Certification(atcud="CSDF7T5H-12", hash="AbC+1/x=", communicated="sent")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(FLAT, ALL, id="flat"),
        pytest.param({"toc_data": FLAT}, ALL, id="under toc_data"),
        pytest.param({"toc_data": {"data": {"id": "7", "attributes": FLAT}}}, ALL, id="JSON:API"),
        pytest.param({"data": {"attributes": FLAT}}, ALL, id="JSON:API at the top"),
        pytest.param({"toc_data": json.dumps(FLAT)}, ALL, id="as text"),
        pytest.param({"ATCUD": "X-1", "Hash": "h"}, Certification(atcud="X-1", hash="h"), id="in capitals"),
        pytest.param({"document_hash_sum": "abc="}, Certification(hash="abc="), id="as TOC Online was seen to call it"),
        pytest.param({"at-communication-status": "ok"}, Certification(communicated="ok"), id="with dashes"),
        pytest.param({"communicated": True}, Certification(communicated="Yes"), id="true"),
        pytest.param({"communicated": False}, Certification(communicated="No"), id="false"),
        pytest.param({"communicated_at": "2026-11-20"}, Certification(communicated="2026-11-20"), id="when"),
        pytest.param({"at_communication": {"status": "sent"}}, Certification(communicated="sent"), id="with its state"),
        pytest.param({"atcud": "", "at_cud": "X-2"}, Certification(atcud="X-2"), id="an empty one is passed over"),
        pytest.param({"atcud": "X-1", "toc_data": {"atcud": "X-2"}}, Certification(atcud="X-1"), id="the outer first"),
        pytest.param({"lines": [{"hash": "h"}]}, Certification(), id="of a line, not of the document"),
        pytest.param({"atcud": 7, "hash": ["h"], "communicated": 1}, Certification(), id="of the wrong type"),
        pytest.param({"at_communication": {"code": 3}}, Certification(), id="an object without a state"),
        pytest.param({"hash": "h" * 513}, Certification(), id="endless"),
        pytest.param({"atcud": "X\x00-1\n"}, Certification(atcud="X-1"), id="with what no database takes"),
        pytest.param(None, Certification(), id="nothing"),
        pytest.param([FLAT], Certification(), id="a list"),
        pytest.param("not JSON", Certification(), id="a text"),
        pytest.param(7, Certification(), id="a number"),
    ],
)
def test_a_document_s_marks_are_found_where_its_number_may_stand(value, expected):
    assert document.certification(value) == expected


def test_an_answer_that_says_nothing_has_nothing_to_show():
    assert not Certification().says_anything
    assert ALL.says_anything
