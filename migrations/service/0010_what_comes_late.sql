-- What comes of a HIT after it was closed.
--
-- Closing gives back what was reserved for slots that nobody is paid for. An assignment that comes all the same, as when
-- its HIT was deleted while it was being fetched, is surplus, like what others ask for: its pay is reserved before it is
-- spent. funded is for how many assignments a closed HIT's pay was or is reserved; of others their slots say that.

ALTER TABLE hit ADD COLUMN funded int2 CHECK (funded IS NULL OR (funded >= 0 AND state = 'closed'));
UPDATE hit SET funded = collected WHERE state = 'closed';
DROP INDEX hit_with_surplus;
CREATE INDEX hit_with_surplus ON hit (job_no, hit_no) WHERE collected > coalesce(funded, slots);
