-- One row per envelope, for ever: the row is what makes a second delivery harmless.
-- Ciphertext only; a citizen's answer in clear is in no column.
CREATE TABLE envelope (
    unit       TEXT    NOT NULL,                            -- the unit's name, from its certificate
    id         BLOB    NOT NULL CHECK (length(id) = 16),
    service    TEXT    NOT NULL,
    claim      BLOB    NOT NULL CHECK (length(claim) = 32),
    sha256     BLOB    NOT NULL CHECK (length(sha256) = 32), -- of the sealed request
    made_at    INTEGER NOT NULL,                            -- by the unit's clock; all times are unix ms
    stored_at  INTEGER NOT NULL,
    receipt    BLOB    NOT NULL,
    sealed     BLOB,                                        -- NULL once the service answered
    state      TEXT    NOT NULL DEFAULT 'stored'
               CHECK (state IN ('stored', 'calling', 'answered', 'needs-staff')),
    attempts   INTEGER NOT NULL DEFAULT 0,                  -- calls begun
    not_before INTEGER NOT NULL DEFAULT 0,                  -- no work on it earlier
    reply      BLOB,                                        -- sealed, for the shell that sealed the request
    reference  TEXT,
    code       TEXT,
    detail     TEXT,
    PRIMARY KEY (unit, id)
) STRICT;

CREATE INDEX envelope_by_claim ON envelope (claim);
CREATE INDEX envelope_open ON envelope (not_before) WHERE state IN ('stored', 'calling');
