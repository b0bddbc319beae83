-- What a correction of gold wants judged anew.
--
-- Once a job is over its workers' states stand, whatever comes late. A correction of its gold is the exception: it equals
-- never having had the error. corrections counts them; judged says by how many of them the states are judged.
ALTER TABLE job
    ADD COLUMN corrections int4 NOT NULL DEFAULT 0,
    ADD COLUMN judged      int4 NOT NULL DEFAULT 0,
    ADD CONSTRAINT judged_by_what_was_corrected CHECK (judged BETWEEN 0 AND corrections);
