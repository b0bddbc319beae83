-- What counts of a suspended worker
--
-- Who worked well and then turned is suspended, and what they gave before counts on. So a suspension says from which
-- answer on the worker's answers have no weight: void_from, void_assignment and void_slot are that answer's place in the
-- order in which answers supersede (submit time, assignment, slot). A person who suspends somebody voids all of it.
-- counting_answer goes by this, and whatever reads what counts goes by counting_answer.

ALTER TABLE job_worker
    ADD COLUMN void_from       timestamptz,
    ADD COLUMN void_assignment text,
    ADD COLUMN void_slot       int2;
UPDATE job_worker SET void_from = '-infinity', void_assignment = '', void_slot = 0 WHERE trust_state = 'suspended';
ALTER TABLE job_worker
    ADD CONSTRAINT suspended_says_from_where CHECK ((trust_state = 'suspended') = (void_from IS NOT NULL)),
    ADD CONSTRAINT void_from_is_a_place
        CHECK ((void_from IS NULL) = (void_assignment IS NULL) AND (void_from IS NULL) = (void_slot IS NULL));

-- The same worker's standing in other jobs.
CREATE INDEX job_worker_by_worker ON job_worker (worker_id, job_no);

CREATE OR REPLACE VIEW counting_answer AS
SELECT n.job_no, n.assignment_no, n.slot, n.item_no, n.worker_no, n.label, n.submitted_at, a.market_assignment_id
FROM answer n
JOIN assignment a ON a.job_no = n.job_no AND a.assignment_no = n.assignment_no
JOIN job_worker w ON w.job_no = n.job_no AND w.worker_no = n.worker_no
WHERE a.state <> 'rejected'
  AND (w.void_from IS NULL
       OR (n.submitted_at, a.market_assignment_id, n.slot) < (w.void_from, w.void_assignment, w.void_slot));
