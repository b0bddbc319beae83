-- What markets lose, mix up and keep to themselves.
--
-- A HIT that somebody deletes on the market behind our back is gone: nothing can come of it, but what came is still to
-- be paid. Once that is done it is closed like any other, and the slots of its open items are marked as gone with it,
-- so that the items can stand in a new hit. (A plain unique index takes the place of the constraint for that.)
--
-- An assignment that the market lists under a second worker is one piece of work: the second entry is kept as a stray,
-- with a problem that says so, no answers, and no payment of its own.
--
-- A market that does not answer is silent since its first failed call; its jobs are told once of each silence.

ALTER TABLE hit DROP CONSTRAINT hit_state_check;
ALTER TABLE hit ADD CONSTRAINT hit_state_check CHECK (state IN ('planned', 'open', 'shut', 'gone', 'closed'));

ALTER TABLE hit_slot ADD COLUMN gone boolean NOT NULL DEFAULT false;
ALTER TABLE hit_slot DROP CONSTRAINT item_stands_in_one_hit;
CREATE UNIQUE INDEX item_stands_in_one_hit ON hit_slot (job_no, item_no) WHERE NOT gone;
CREATE INDEX hit_slot_gone ON hit_slot (job_no, item_no) WHERE gone;

-- How many workers' answers each item has from hits that are gone: so many fewer are wanted of its next.
CREATE VIEW answered_before AS
SELECT g.job_no, g.item_no, count(DISTINCT a.worker_no)::int2 AS n
FROM (SELECT DISTINCT job_no, item_no FROM hit_slot WHERE gone) g
JOIN counting_answer a ON a.job_no = g.job_no AND a.item_no = g.item_no
GROUP BY g.job_no, g.item_no;

ALTER TABLE assignment DROP CONSTRAINT assignment_state_check;
ALTER TABLE assignment ADD CONSTRAINT assignment_state_check
    CHECK (state IN ('submitted', 'approved', 'rejected', 'stray'));
ALTER TABLE assignment ADD CONSTRAINT stray_says_why CHECK (state <> 'stray' OR problem IS NOT NULL);
CREATE INDEX assignment_with_problem ON assignment (job_no, assignment_no) WHERE problem IS NOT NULL;

ALTER TABLE market ADD COLUMN silent_since timestamptz;
ALTER TABLE market ADD COLUMN silence_told boolean NOT NULL DEFAULT false;
ALTER TABLE market ADD CONSTRAINT told_of_a_silence CHECK (NOT silence_told OR silent_since IS NOT NULL);
