-- Trust
--
-- What a job believes of a worker has a state: probation until enough is known, trusted, watched where something
-- speaks against them, suspended. job_worker holds the present one with its reason and the numbers behind it;
-- trust_history a row for each change of state. A person's word stands until a person takes it back.
--
-- A suspended worker's answers stay and have no weight: counting_answer is what inference and redundancy go by. The gate
-- is a qualification of the market that the job's HITs exclude: `barred` is what the market is known to hold, and decide
-- writes an effect where that differs from the state. What they handed in stays paid; a HIT that lost assignments this
-- way, or to a rejection, may get as many more (`replaced`), once each and where the budget holds them.

ALTER TABLE job ADD COLUMN gate_id text;

ALTER TABLE job_worker
    ADD COLUMN trust_state    text NOT NULL DEFAULT 'probation'
        CHECK (trust_state IN ('probation', 'trusted', 'watched', 'suspended')),
    ADD COLUMN trust_by       text NOT NULL DEFAULT 'policy' CHECK (trust_by IN ('policy', 'person')),
    ADD COLUMN trust_reason   text NOT NULL DEFAULT '',
    ADD COLUMN trust          jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(trust) = 'object'),
    ADD COLUMN trust_revision int4 NOT NULL DEFAULT 0 CHECK (trust_revision >= 0),
    ADD COLUMN barred         boolean NOT NULL DEFAULT false;

CREATE TABLE trust_history (
    job_no     bigint NOT NULL,
    worker_no  int4 NOT NULL,
    revision   int4 NOT NULL CHECK (revision > 0),
    at         timestamptz NOT NULL,
    state      text NOT NULL CHECK (state IN ('probation', 'trusted', 'watched', 'suspended')),
    by         text NOT NULL CHECK (by IN ('policy', 'person')),
    reason     text NOT NULL CHECK (reason <> ''),
    evidence   jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (job_no, worker_no, revision),
    FOREIGN KEY (job_no, worker_no) REFERENCES job_worker
);

ALTER TABLE hit ADD COLUMN replaced int2 NOT NULL DEFAULT 0 CHECK (replaced >= 0 AND replaced < slots);

ALTER TABLE effect
    ALTER COLUMN hit_no DROP NOT NULL,
    ADD COLUMN worker_no int4,
    DROP CONSTRAINT effect_kind_check,
    ADD CONSTRAINT effect_kind_check
        CHECK (kind IN ('create', 'extend', 'expire', 'renew', 'approve', 'delete', 'bar', 'admit')),
    ADD CONSTRAINT effect_is_about_a_hit_or_a_worker CHECK ((hit_no IS NULL) = (worker_no IS NOT NULL)),
    ADD CONSTRAINT worker_is_barred_or_admitted CHECK ((worker_no IS NOT NULL) = (kind IN ('bar', 'admit'))),
    ADD FOREIGN KEY (job_no, worker_no) REFERENCES job_worker;
CREATE INDEX effect_open_of_worker ON effect (job_no, worker_no)
    WHERE state IN ('due', 'parked') AND worker_no IS NOT NULL;

-- The answers that count: of assignments that nobody rejected, by workers who are not suspended.
CREATE VIEW counting_answer AS
SELECT n.*, a.market_assignment_id
FROM answer n
JOIN assignment a ON a.job_no = n.job_no AND a.assignment_no = n.assignment_no
JOIN job_worker w ON w.job_no = n.job_no AND w.worker_no = n.worker_no
WHERE a.state <> 'rejected' AND w.trust_state <> 'suspended';
