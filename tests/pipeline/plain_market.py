"""A market in memory that keeps the Requester API's rules, and its books, and fails when told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from service.markets.answer_xml import read_answer_xml
from service.markets.market import Gone, HandedIn, ListedHit, NotYet, Refused, RejectedElsewhere

XML = "http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/2005-10-01/QuestionFormAnswers.xsd"


def answers_xml(labels):
    fields = "".join(
        f"<Answer><QuestionIdentifier>q{slot}</QuestionIdentifier><FreeText>{label}</FreeText></Answer>"
        for slot, label in enumerate(labels, start=1)
    )
    return f'<?xml version="1.0" encoding="ASCII"?><QuestionFormAnswers xmlns="{XML}">{fields}</QuestionFormAnswers>'


@dataclass
class BookedHit:
    id: str
    annotation: str
    question: str
    most: int
    expires_at: object
    assignments: dict = field(default_factory=dict)  # id -> [worker, state, raw, submitted_at]
    deleted: bool = False
    requirements: tuple = ()

    def count(self, *states):
        return sum(one[1] in states for one in self.assignments.values())


class PlainMarket:
    """Implements service.markets.Market.

    `fault(operation, moment)` is called before and after every change, and may raise what a market or a dying process
    would; after the change it stands for a response that was lost.
    """

    name = "house"
    fees = "mturk"

    def __init__(self, clock, fault: Callable[[str, str], None] = lambda *_: None):
        self.clock, self.fault = clock, fault
        self.hits: dict[str, BookedHit] = {}
        self.tokens: dict[str, str] = {}
        self.approvals: list[str] = []
        self.types: dict[str, tuple] = {}
        self.qualifications: dict[str, str] = {}
        self.qualified: set[tuple[str, str]] = set()
        self.calls = 0

    # What the service calls.

    async def hit_type(self, properties):
        self._around("hit_type")
        name = f"TYPE{abs(hash(properties)) % 10**8}"
        self.types[name] = properties.requirements
        return name

    async def create_hit(self, request, *, in_doubt_since):
        await self._enter("create")
        if request.token not in self.tokens:
            if request.max_assignments < 1 or len(request.question.encode()) > 65_535:
                raise Refused("invalid", "parameterouttorange")
            hit = BookedHit(
                f"HIT{len(self.hits):017d}",
                request.annotation,
                request.question,
                request.max_assignments,
                self.clock.now() + timedelta(seconds=request.lifetime_seconds),
                requirements=self.types[request.hit_type_id],
            )
            self.hits[hit.id] = hit
            self.tokens[request.token] = hit.id
        self.fault("create", "after")
        return self._listed(self.hits[self.tokens[request.token]])

    async def extend_hit(self, market_hit_id, *, to, token):
        await self._enter("extend")
        hit = self._hit(market_hit_id)
        if hit.most < 10 <= to:
            raise Refused("a HIT made with fewer than 10 assignments can never reach 10", "invalidmaximumassignments")
        hit.most = max(hit.most, to)
        self.fault("extend", "after")

    async def expire_hit(self, market_hit_id):
        await self._enter("expire")
        self._hit(market_hit_id).expires_at = self.clock.now()
        self.fault("expire", "after")

    async def renew_hit(self, market_hit_id, until):
        await self._enter("renew")
        self._hit(market_hit_id).expires_at = until
        self.fault("renew", "after")

    async def delete_hit(self, market_hit_id):
        await self._enter("delete")
        hit = self.hits[market_hit_id]
        if not hit.deleted:
            open_slots = self._available(hit) > 0 and hit.expires_at > self.clock.now()
            if hit.count("accepted", "submitted") or open_slots:
                raise NotYet("not reviewable, or not reviewed")
            hit.deleted = True
        self.fault("delete", "after")

    async def find_hit(self, market_hit_id):
        await self._enter("find")
        hit = self.hits.get(market_hit_id)
        return None if hit is None or hit.deleted else self._listed(hit)

    async def worker_of(self, market_assignment_id):
        return next(
            hit.assignments[market_assignment_id][0]
            for hit in self.hits.values()
            if market_assignment_id in hit.assignments
        )

    async def list_hits(self):
        await self._enter("list")
        hits = [self._listed(hit) for hit in self.hits.values() if not hit.deleted]
        for first in range(0, len(hits), 3):
            yield hits[first : first + 3]

    async def handed_in(self, market_hit_id):
        await self._enter("handed_in")
        return [
            HandedIn(id_, one[0], None, one[3], None, one[1], one[2])
            for id_, one in self._hit(market_hit_id).assignments.items()
            if one[1] in ("submitted", "approved", "rejected")
        ]

    async def approve(self, market_assignment_id):
        await self._enter("approve")
        for hit in self.hits.values():
            one = hit.assignments.get(market_assignment_id)
            if one is not None and one[1] == "rejected":
                raise RejectedElsewhere("it was rejected")
            if one is not None and one[1] == "submitted":
                one[1] = "approved"
                self.approvals.append(market_assignment_id)
        self.fault("approve", "after")

    async def qualification(self, name, description):
        await self._enter("qualification")
        return self.qualifications.setdefault(name, f"QUAL{len(self.qualifications):04d}")

    async def give_qualification(self, qualification_id, market_worker_id):
        await self._enter("give")
        self.qualified.add((qualification_id, market_worker_id))
        self.fault("give", "after")

    async def take_qualification(self, qualification_id, market_worker_id):
        await self._enter("take")
        self.qualified.discard((qualification_id, market_worker_id))
        self.fault("take", "after")

    def read_answers(self, raw):
        return read_answer_xml(raw)

    async def close(self):
        pass

    # What workers do.

    def accept(self, hit, worker):
        """Take an assignment of a HIT; None where that is not possible."""
        taken = any(one[0] == worker and one[1] != "returned" for one in hit.assignments.values())
        if (
            taken
            or hit.deleted
            or not self._qualified(hit, worker)
            or self._available(hit) < 1
            or hit.expires_at <= self.clock.now()
        ):
            return None
        id_ = f"{hit.id}A{len(hit.assignments):04d}"
        hit.assignments[id_] = [worker, "accepted", "", None]
        return id_

    def submit(self, hit, assignment_id, raw):
        hit.assignments[assignment_id][1:] = ["submitted", raw, self.clock.now()]

    def give_back(self, hit, assignment_id):
        hit.assignments[assignment_id][1] = "returned"

    def work(self, worker, label_of, *, limit=None):
        """Let a worker do every HIT they can, choosing labels by the visible text of each slot; returns how many."""
        done = 0
        for hit in list(self.hits.values()):
            if limit is not None and done >= limit:
                break
            assignment = self.accept(hit, worker)
            if assignment is not None:
                self.submit(hit, assignment, answers_xml([label_of(text) for text in slot_texts(hit.question)]))
                done += 1
        return done

    def _qualified(self, hit, worker):
        """Tell whether a worker has what a HIT asks for: this market knows presence and absence alone."""
        return all(
            ((asked.qualification, worker) in self.qualified) == (asked.comparator == "Exists")
            for asked in hit.requirements
        )

    def _listed(self, hit):
        return ListedHit(hit.id, hit.annotation, hit.most, self._available(hit), hit.count("accepted"), hit.expires_at)

    def _available(self, hit):
        return hit.most - hit.count("accepted", "submitted", "approved", "rejected")

    def _hit(self, market_hit_id):
        hit = self.hits.get(market_hit_id)
        if hit is None or hit.deleted:
            raise Gone("no such HIT", "hitdoesnotexist")
        return hit

    async def _enter(self, operation):
        await asyncio.sleep(0)
        self._around(operation)

    def _around(self, operation):
        self.calls += 1
        self.fault(operation, "before")


def slot_texts(question):
    """Return what each slot of a page shows, in order."""
    from selectolax.lexbor import LexborHTMLParser as HTMLParser

    html = question.partition("<![CDATA[")[2].partition("]]>")[0]
    return [shown.css_first(".shown").text(strip=True) for shown in HTMLParser(html).css("fieldset")]
