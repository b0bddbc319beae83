-- What other clients of the account ask for in our place.
--
-- Somebody who extends one of our HITs offers more assignments than we wanted, and more than may be reserved for.
-- offered is MaxAssignments as the market listed it when it was last above what we wanted: a HIT has places left until
-- so many have come. What comes in beyond slots is surplus: its pay is reserved, and slots raised by it, as soon as the
-- budget holds it; until then its approvals stay parked.

ALTER TABLE hit ADD COLUMN offered int2 NOT NULL DEFAULT 0 CHECK (offered >= 0);
CREATE INDEX hit_with_surplus ON hit (job_no, hit_no) WHERE collected > slots;
