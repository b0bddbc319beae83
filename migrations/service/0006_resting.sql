-- Who rests
--
-- A worker whose answers tell clearly less than the crowd's may rest where a job's spec asks for it: they get no new HITs
-- while others do the work. What they gave counts and is paid; resting is no state of trust. The market holds it by the
-- same qualification as a suspension, so `barred` says of both what the market is known to hold.

ALTER TABLE job_worker
    ADD COLUMN resting boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT suspended_is_not_resting CHECK (NOT resting OR trust_state <> 'suspended');
