"""The Mechanical Turk Requester API as a market, by boto3: the only module that knows it."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from foundation.clock import Clock
from service.markets.answer_xml import read_answer_xml
from service.markets.market import (
    Gone,
    HandedIn,
    HitProperties,
    HitRequest,
    ListedHit,
    NotYet,
    OutOfFunds,
    Refused,
    RejectedElsewhere,
    Unavailable,
)
from service.markets.requester_api import STATES, assignment_of, error_of, hit_of, hit_type_fields
from service.metrics import MARKET_CPU_SECONDS

ENDPOINTS = {
    "production": "https://mturk-requester.us-east-1.amazonaws.com",
    "sandbox": "https://mturk-requester-sandbox.us-east-1.amazonaws.com",
}
_PAGE = 100
_TOKEN_LIVES = timedelta(hours=23)
_NOT_HELD = {"qualificationdoesnotexist", "invalidqualificationstate", "workerdoesnotexist"}
_HIT_ID = re.compile(r"\b[A-Z0-9]{20,64}\b")


class MTurkMarket:
    """One Requester account at one endpoint.

    boto3 blocks, so calls run on threads of their own, as many as there are connections. Its hidden retries are off:
    the outbox asks again, and knows why.
    """

    def __init__(
        self,
        name: str,
        *,
        endpoint: str,
        access_key: str,
        secret_key: str,
        region: str,
        fees: str,
        connections: int,
        clock: Clock,
    ) -> None:
        self.name = name
        self.fees = fees
        self._clock = clock
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix=f"market-{name}")
        self._client: Any = boto3.client(
            "mturk",
            endpoint_url=ENDPOINTS.get(endpoint, endpoint),
            region_name=region,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=Config(
                max_pool_connections=connections,
                retries={"total_max_attempts": 1, "mode": "standard"},
                connect_timeout=10,
                read_timeout=60,
            ),
        )

    async def hit_type(self, properties: HitProperties) -> str:
        """Return the id of the HIT type with these properties; the market makes it where there is none."""
        answer = await self._call("create_hit_type", **hit_type_fields(properties))
        return str(answer["HITTypeId"])

    async def create_hit(self, request: HitRequest, *, in_doubt_since: datetime | None) -> ListedHit:
        """Create a HIT, or return the one that the token, or once that is too old the annotation, made before."""
        if in_doubt_since is not None and self._clock.now() - in_doubt_since > _TOKEN_LIVES:
            earlier = await self._find(request.annotation)
            if earlier is not None:
                return earlier
        try:
            answer = await self._call(
                "create_hit_with_hit_type",
                HITTypeId=request.hit_type_id,
                MaxAssignments=request.max_assignments,
                LifetimeInSeconds=request.lifetime_seconds,
                Question=request.question,
                RequesterAnnotation=request.annotation,
                UniqueRequestToken=request.token,
            )
        except Refused as error:
            if error.code != "hitalreadyexists":
                raise
            return await self._made_before(request.annotation, str(error))
        return hit_of(answer["HIT"])

    async def extend_hit(self, market_hit_id: str, *, to: int, token: str) -> None:
        """Raise MaxAssignments to `to`: read first, as a second request would add to the first."""
        hit = await self._hit(market_hit_id)
        if hit.max_assignments >= to:
            return
        try:
            await self._call(
                "create_additional_assignments_for_hit",
                HITId=market_hit_id,
                NumberOfAdditionalAssignments=to - hit.max_assignments,
                UniqueRequestToken=token,
            )
        except Refused:
            if (await self._hit(market_hit_id)).max_assignments < to:
                raise

    async def expire_hit(self, market_hit_id: str) -> None:
        """Expire a HIT now; a second time may be refused, and is no failure."""
        try:
            await self._expire_at(market_hit_id, datetime(2015, 1, 1, tzinfo=UTC))
        except Refused:
            if (await self._hit(market_hit_id)).expires_at > self._clock.now():
                raise

    async def renew_hit(self, market_hit_id: str, until: datetime) -> None:
        """Offer a HIT again until then."""
        try:
            await self._expire_at(market_hit_id, until)
        except Refused:
            await self._hit(market_hit_id)  # which says whether it is gone
            raise

    async def delete_hit(self, market_hit_id: str) -> None:
        """Delete a HIT; one that is gone or disposed of already is no failure."""
        try:
            await self._call("delete_hit", HITId=market_hit_id)
        except Refused as refusal:
            if isinstance(refusal, Gone) or await self.find_hit(market_hit_id) is None:
                return
            raise NotYet(str(refusal)) from None

    async def find_hit(self, market_hit_id: str) -> ListedHit | None:
        """Look one HIT up; None where it is deleted or disposed of."""
        try:
            return await self._hit(market_hit_id)
        except Gone:
            return None

    async def list_hits(self) -> AsyncIterator[Sequence[ListedHit]]:
        """Page through all HITs of the account, to the end: an empty page is not the end, no next token is."""
        page: dict[str, Any] = {"MaxResults": _PAGE}
        while True:
            answer = await self._call("list_hits", **page)
            yield [hit_of(hit) for hit in answer.get("HITs", ())]
            if not answer.get("NextToken"):
                return
            page["NextToken"] = answer["NextToken"]

    async def handed_in(self, market_hit_id: str) -> Sequence[HandedIn]:
        """Return all assignments of a HIT that have been handed in, one each however often listed."""
        page: dict[str, Any] = {"HITId": market_hit_id, "MaxResults": _PAGE}
        found: dict[tuple[str, str], HandedIn] = {}
        while True:
            answer = await self._call("list_assignments_for_hit", **page)
            for row in answer.get("Assignments", ()):
                if row.get("AssignmentStatus") in STATES:
                    found[row["AssignmentId"], row["WorkerId"]] = assignment_of(row)
            if not answer.get("NextToken"):
                return list(found.values())
            page["NextToken"] = answer["NextToken"]

    async def worker_of(self, market_assignment_id: str) -> str:
        """Look up whose work an assignment is: a listing proves less."""
        answer = await self._call("get_assignment", AssignmentId=market_assignment_id)
        return str(answer["Assignment"]["WorkerId"])

    async def approve(self, market_assignment_id: str) -> None:
        """Approve an assignment. Just after a submit the market may say that its state is wrong: that is NotYet."""
        try:
            await self._call("approve_assignment", AssignmentId=market_assignment_id)
        except Refused as refusal:
            if isinstance(refusal, OutOfFunds | Gone):
                raise
            answer = await self._call("get_assignment", AssignmentId=market_assignment_id)
            state = answer["Assignment"]["AssignmentStatus"]
            if state == "Submitted":
                raise NotYet(str(refusal)) from None
            if state == "Rejected":
                raise RejectedElsewhere(str(refusal)) from None
            if state != "Approved":
                raise

    async def qualification(self, name: str, description: str) -> str:
        """Return the id of our qualification type of this name; a second with the name is refused, and is the first."""
        try:
            answer = await self._call(
                "create_qualification_type", Name=name, Description=description, QualificationTypeStatus="Active"
            )
        except Refused as refusal:
            found = await self._own_qualification(name)
            if found is None:
                raise refusal from None
            return found
        return str(answer["QualificationType"]["QualificationTypeId"])

    async def give_qualification(self, qualification_id: str, market_worker_id: str) -> None:
        """Give a worker a qualification, and see that no mail goes out about it."""
        try:
            await self._call(
                "associate_qualification_with_worker",
                QualificationTypeId=qualification_id,
                WorkerId=market_worker_id,
                IntegerValue=1,
                SendNotification=False,
            )
        except Refused as refusal:
            if refusal.code != "workerdoesnotexist":
                raise

    async def take_qualification(self, qualification_id: str, market_worker_id: str) -> None:
        """Take a qualification from a worker; one that is not held any more is no failure."""
        try:
            await self._call(
                "disassociate_qualification_from_worker",
                QualificationTypeId=qualification_id,
                WorkerId=market_worker_id,
            )
        except Refused as refusal:
            if refusal.code not in _NOT_HELD:
                raise

    def read_answers(self, raw: str) -> Mapping[str, str]:
        """Return the fields of QuestionFormAnswers XML."""
        return read_answer_xml(raw)

    async def close(self) -> None:
        """Let running calls end, and let go of threads and connections."""
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)
        self._client.close()

    async def _expire_at(self, market_hit_id: str, at: datetime) -> None:
        await self._call("update_expiration_for_hit", HITId=market_hit_id, ExpireAt=at)

    async def _hit(self, market_hit_id: str) -> ListedHit:
        hit = (await self._call("get_hit", HITId=market_hit_id))["HIT"]
        if hit.get("HITStatus") == "Disposed":
            raise Gone(f"HIT {market_hit_id} has been disposed of", "hitdoesnotexist")
        return hit_of(hit)

    async def _made_before(self, annotation: str, message: str) -> ListedHit:
        """Return the HIT of an earlier request: its id is somewhere in the message, its annotation proves it.

        Raises
        ------
        Refused
            Where the HIT has another annotation: it is somebody else's, and not to be taken for ours.
        """
        foreign = None
        for market_hit_id in _HIT_ID.findall(message):
            try:
                answer = await self._call("get_hit", HITId=market_hit_id)
            except Refused:
                continue
            hit = hit_of(answer["HIT"])
            if hit.annotation == annotation:
                return hit
            foreign = hit
        earlier = await self._find(annotation)
        if earlier is None and foreign is not None:
            raise Refused(
                f"HIT {foreign.market_hit_id} has been made under this request's token and is annotated "
                f"{foreign.annotation!r}, not {annotation!r}: it is not ours, and is left alone",
                "hitalreadyexists",
            )
        if earlier is None:
            raise Unavailable(
                f"the market says that a HIT exists already, and lists none with the annotation {annotation}"
            )
        return earlier

    async def _own_qualification(self, name: str) -> str | None:
        page: dict[str, Any] = {"MaxResults": _PAGE}
        while True:
            answer = await self._call(
                "list_qualification_types", Query=name, MustBeRequestable=False, MustBeOwnedByCaller=True, **page
            )
            for each in answer.get("QualificationTypes", ()):
                if each["Name"] == name:
                    return str(each["QualificationTypeId"])
            if not answer.get("NextToken"):
                return None
            page["NextToken"] = answer["NextToken"]

    async def _find(self, annotation: str) -> ListedHit | None:
        async for page in self.list_hits():
            for hit in page:
                if hit.annotation == annotation:
                    return hit
        return None

    async def _call(self, operation: str, **fields: Any) -> Any:
        def call() -> Any:
            began = time.thread_time()
            try:
                return getattr(self._client, operation)(**fields)
            finally:
                MARKET_CPU_SECONDS.labels(operation=operation).inc(time.thread_time() - began)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except ParamValidationError as error:
            raise Refused(" ".join(str(error).split())) from None
        except BotoCoreError as error:
            raise Unavailable(f"{operation}: {error}") from None
        except ClientError as error:
            raise error_of(operation, error.response, worker=fields.get("WorkerId")) from None
