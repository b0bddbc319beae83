-- Candidates for gold
--
-- An item of whose label the consensus is sure may become gold of a bank, once a person has looked at it. What persons
-- said of candidates is only ever added to; what holds is the latest revision. evidence is what the person was shown. An
-- accepted candidate names the version of the bank's item that it became, and is not refused afterwards: it is edited,
-- retired and excluded in the bank. In its own job the item stays what it is.

CREATE TABLE gold_candidate (
    job_no        bigint NOT NULL,
    item_no       int4 NOT NULL,
    revision      int4 NOT NULL CHECK (revision > 0),
    at            timestamptz NOT NULL,
    by            text NOT NULL CHECK (by <> ''),
    verdict       text NOT NULL CHECK (verdict IN ('accepted', 'refused')),
    reason        text NOT NULL DEFAULT '',
    evidence      jsonb NOT NULL CHECK (jsonb_typeof(evidence) = 'object'),
    bank_no       bigint,
    bank_item     int4,
    bank_version  int4,
    PRIMARY KEY (job_no, item_no, revision),
    FOREIGN KEY (job_no, item_no) REFERENCES item,
    FOREIGN KEY (bank_no, bank_item, bank_version) REFERENCES gold_bank_version (bank_no, bank_item, version),
    CONSTRAINT a_refusal_says_why CHECK ((verdict = 'refused') = (reason <> '')),
    CONSTRAINT accepted_says_where_it_went CHECK ((verdict = 'accepted') = (bank_no IS NOT NULL)
        AND (bank_no IS NULL) = (bank_item IS NULL) AND (bank_no IS NULL) = (bank_version IS NULL))
);
CREATE UNIQUE INDEX gold_candidate_accepted_once ON gold_candidate (job_no, item_no) WHERE verdict = 'accepted';
