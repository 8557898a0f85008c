"""Identifiers of what we keep: numbers of one installation, never bare integers in a signature."""

from __future__ import annotations

from typing import NewType

OrganisationId = NewType("OrganisationId", int)
AccountId = NewType("AccountId", int)
AuthorityId = NewType("AuthorityId", int)
CaseId = NewType("CaseId", int)
ExhibitId = NewType("ExhibitId", int)
MediaId = NewType("MediaId", int)
SightingId = NewType("SightingId", int)
StackId = NewType("StackId", int)
GradeId = NewType("GradeId", int)
SeriesId = NewType("SeriesId", int)
VictimId = NewType("VictimId", int)
ApprovalId = NewType("ApprovalId", int)
ListId = NewType("ListId", int)
EntryId = NewType("EntryId", int)
FeedbackId = NewType("FeedbackId", int)
NodeId = NewType("NodeId", int)
CrawlOrderId = NewType("CrawlOrderId", int)
