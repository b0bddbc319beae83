"""What is due, and when: by what is wanted, and by when a stage may run again."""

from datetime import timedelta

from service.store import dues

SUBJECT = 7


async def waiting(conn, now):
    return [(due.stage, due.subject) for due in await dues.ready(conn, now)]


async def test_a_stage_that_rests_is_not_run_however_early_it_is_wanted(service_pool, clock):
    start = clock.now()
    async with service_pool.acquire() as conn:
        await dues.want(conn, "infer", SUBJECT, start)
        due = await dues.claim(conn, "infer", SUBJECT, start)
        await dues.finish(conn, due, now=start)
        await dues.rest(conn, due, start + timedelta(seconds=40))
        await dues.release(conn, "infer", SUBJECT)
        for seconds in (0, 3):
            await dues.want(conn, "infer", SUBJECT, start + timedelta(seconds=seconds))
        clock.advance(seconds=39)
        assert await waiting(conn, clock.now()) == []
        assert await dues.claim(conn, "infer", SUBJECT, clock.now()) is None
        assert await dues.next_at(conn, clock.now()) == start + timedelta(seconds=40)
        clock.advance(seconds=1)
        assert await waiting(conn, clock.now()) == [("infer", SUBJECT)]


async def test_a_stage_can_be_woken(service_pool, clock):
    start = clock.now()
    async with service_pool.acquire() as conn:
        await dues.want(conn, "score", SUBJECT, start)
        await dues.want(conn, "score", SUBJECT + 1, start)
        for subject in (SUBJECT, SUBJECT + 1):
            await dues.rest(conn, dues.Due("score", subject, 1), start + timedelta(hours=1))
        assert await waiting(conn, start) == []
        await dues.wake(conn, "score", SUBJECT)
        assert await waiting(conn, start) == [("score", SUBJECT)]
