-- Looking sessions up: by a key that was given back, and what was archived.

CREATE INDEX sessions_key_given_back ON sessions (channel_id, transaction_id) WHERE NOT holds_key;
CREATE INDEX sessions_archive_key ON sessions_archive (channel_id, transaction_id);
CREATE INDEX sessions_archive_closed_by_client ON sessions_archive (client_id, status, closed_at, id);
