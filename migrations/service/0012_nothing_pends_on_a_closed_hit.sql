-- What a market last said is pending on a HIT is over once the HIT is closed, and was kept there for ever before.

UPDATE hit SET pending = 0 WHERE state = 'closed' AND pending > 0;
ALTER TABLE hit ADD CONSTRAINT pending_is_on_the_market CHECK (pending = 0 OR state IN ('open', 'shut'));
