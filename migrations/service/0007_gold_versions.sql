-- Gold that can be corrected
--
-- A gold item has versions, and gold_version keeps every one of them: who made it, when and why. gold itself holds the
-- version in force, and whatever judges workers or infers labels goes by that one alone, so an error that was corrected
-- leaves no trace in a score. Gold that is retired goes into no more HITs, and what was answered to it counts on.
-- Gold that is excluded never was fit to be gold: it counts for nobody, and its item is withdrawn.

ALTER TABLE gold
    ADD COLUMN version int4 NOT NULL DEFAULT 1 CHECK (version > 0),
    ADD COLUMN state   text NOT NULL DEFAULT 'asked' CHECK (state IN ('asked', 'retired', 'excluded'));

CREATE TABLE gold_version (
    job_no    bigint NOT NULL,
    item_no   int4 NOT NULL,
    version   int4 NOT NULL CHECK (version > 0),
    at        timestamptz NOT NULL,
    kind      text NOT NULL CHECK (kind IN ('import', 'edit', 'retire', 'exclude')),
    by        text NOT NULL CHECK (by <> ''),
    cause     text NOT NULL DEFAULT '',
    state     text NOT NULL CHECK (state IN ('asked', 'retired', 'excluded')),
    accepted  jsonb NOT NULL CHECK (jsonb_typeof(accepted) = 'array'),
    PRIMARY KEY (job_no, item_no, version),
    FOREIGN KEY (job_no, item_no) REFERENCES gold,
    CONSTRAINT an_import_comes_first CHECK ((kind = 'import') = (version = 1)),
    CONSTRAINT a_change_says_why CHECK (kind = 'import' OR cause <> '')
);

INSERT INTO gold_version (job_no, item_no, version, at, kind, by, state, accepted)
SELECT g.job_no, g.item_no, 1, i.created_at, 'import', 'an upload', 'asked', g.accepted
FROM gold g JOIN item i USING (job_no, item_no);

WITH withdrawn AS (
    UPDATE gold g SET version = 2, state = 'excluded' FROM item i
    WHERE i.job_no = g.job_no AND i.item_no = g.item_no AND i.state = 'settled'
    RETURNING g.job_no, g.item_no, i.settled_at, g.accepted
)
INSERT INTO gold_version (job_no, item_no, version, at, kind, by, cause, state, accepted)
SELECT job_no, item_no, 2, settled_at, 'exclude', 'a withdrawal', 'its item was withdrawn', 'excluded', accepted
FROM withdrawn;
