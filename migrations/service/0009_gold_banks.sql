-- Gold banks
--
-- A bank holds a team's gold for jobs of one kind: the same task, so the same label values and payload fields. Its items
-- are versioned as the gold of a job is, and version counts the bank's changes. A job's gold that was copied from a bank
-- says from which item and which version of it; what is corrected later in the bank is not corrected in the job, nor the
-- reverse, as a job's scores rest on what was in force in it.

CREATE TABLE gold_bank (
    bank_no     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    team_id     text NOT NULL REFERENCES team,
    name        text NOT NULL CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'),
    task        jsonb NOT NULL CHECK (jsonb_typeof(task) = 'object'),
    version     int4 NOT NULL DEFAULT 0 CHECK (version >= 0),
    next_no     int4 NOT NULL DEFAULT 0 CHECK (next_no >= 0),
    created_at  timestamptz NOT NULL,
    UNIQUE (team_id, name)
);

CREATE TABLE gold_bank_item (
    bank_no      bigint NOT NULL REFERENCES gold_bank,
    bank_item    int4 NOT NULL CHECK (bank_item >= 0),
    external_id  text NOT NULL CHECK (length(external_id) BETWEEN 1 AND 255),
    payload      jsonb NOT NULL CHECK (jsonb_typeof(payload) = 'object'),
    version      int4 NOT NULL DEFAULT 1 CHECK (version > 0),
    state        text NOT NULL DEFAULT 'asked' CHECK (state IN ('asked', 'retired', 'excluded')),
    accepted     jsonb NOT NULL CHECK (jsonb_typeof(accepted) = 'array'),
    PRIMARY KEY (bank_no, bank_item),
    UNIQUE (bank_no, external_id)
);

CREATE TABLE gold_bank_version (
    bank_no       bigint NOT NULL,
    bank_item     int4 NOT NULL,
    version       int4 NOT NULL CHECK (version > 0),
    bank_version  int4 NOT NULL CHECK (bank_version > 0),
    at            timestamptz NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('import', 'edit', 'retire', 'exclude')),
    by            text NOT NULL CHECK (by <> ''),
    cause         text NOT NULL DEFAULT '',
    state         text NOT NULL CHECK (state IN ('asked', 'retired', 'excluded')),
    accepted      jsonb NOT NULL CHECK (jsonb_typeof(accepted) = 'array'),
    PRIMARY KEY (bank_no, bank_item, version),
    FOREIGN KEY (bank_no, bank_item) REFERENCES gold_bank_item,
    CONSTRAINT an_import_comes_first CHECK ((kind = 'import') = (version = 1)),
    CONSTRAINT a_change_says_why CHECK (kind = 'import' OR cause <> '')
);

ALTER TABLE gold
    ADD COLUMN bank_no      bigint,
    ADD COLUMN bank_item    int4,
    ADD COLUMN bank_version int4,
    ADD FOREIGN KEY (bank_no, bank_item, bank_version) REFERENCES gold_bank_version (bank_no, bank_item, version),
    ADD CONSTRAINT copied_gold_says_from_where
        CHECK ((bank_no IS NULL) = (bank_item IS NULL) AND (bank_no IS NULL) = (bank_version IS NULL));
CREATE INDEX gold_from_bank ON gold (bank_no, bank_item) WHERE bank_no IS NOT NULL;
