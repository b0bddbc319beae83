-- What is over is let go.
--
-- What a market last said is pending on a HIT is over once the HIT is closed, and was kept there for ever before. The
-- Idempotency-Key of a request is known for thirty days, and rows past that age are deleted a few at a time.

UPDATE hit SET pending = 0 WHERE state = 'closed' AND pending > 0;
ALTER TABLE hit ADD CONSTRAINT pending_is_on_the_market CHECK (pending = 0 OR state IN ('open', 'shut'));

CREATE INDEX idempotency_by_age ON idempotency (created_at);
