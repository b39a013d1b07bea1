-- +goose Up

-- What is noted, labelled, pinned, removed or set is little beside the beginnings
-- and ends of jobs, and is found without looking at those. This is all that is
-- new, so programs that know the first version go on as before.
CREATE INDEX ledger_said ON vmo.ledger (kind, at) WHERE kind NOT IN ('begin', 'seal', 'adopt');
INSERT INTO vmo.schema_version (version, oldest) VALUES (2, 1);
