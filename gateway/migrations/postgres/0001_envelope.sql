-- One row per envelope, for ever: the row is what makes a second delivery harmless.
-- Ciphertext only; a citizen's answer in clear is in no column.
CREATE TABLE envelope (
    unit       TEXT    NOT NULL,                            -- the unit's name, from its certificate
    id         BYTEA    NOT NULL CHECK (octet_length(id) = 16),
    service    TEXT    NOT NULL,
    claim      BYTEA    NOT NULL CHECK (octet_length(claim) = 32),
    sha256     BYTEA    NOT NULL CHECK (octet_length(sha256) = 32), -- of the sealed request
    made_at    BIGINT  NOT NULL,                            -- by the unit's clock; all times are unix ms
    stored_at  BIGINT  NOT NULL,
    receipt    BYTEA    NOT NULL,
    sealed     BYTEA,                                        -- NULL once the service answered
    state      TEXT    NOT NULL DEFAULT 'stored'
               CHECK (state IN ('stored', 'calling', 'answered', 'needs-staff')),
    attempts   BIGINT  NOT NULL DEFAULT 0,                  -- calls begun
    not_before BIGINT  NOT NULL DEFAULT 0,                  -- no work on it earlier
    reply      BYTEA,                                        -- sealed, for the shell that sealed the request
    reference  TEXT,
    code       TEXT,
    detail     TEXT,
    PRIMARY KEY (unit, id)
);

CREATE INDEX envelope_by_claim ON envelope (claim);
CREATE INDEX envelope_open ON envelope (not_before) WHERE state IN ('stored', 'calling');
