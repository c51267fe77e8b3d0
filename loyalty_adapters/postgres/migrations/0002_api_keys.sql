-- API keys: who may call, for which channels, and what is kept of the secret (an HMAC under a pepper that is not here).

CREATE TABLE api_keys (
    id text COLLATE "C" PRIMARY KEY,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    pepper_id text COLLATE "C" NOT NULL,
    client_id text COLLATE "C" NOT NULL,
    channels text[] COLLATE "C" NOT NULL CHECK (cardinality(channels) > 0),
    scopes text[] COLLATE "C" NOT NULL CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['ops', 'pos']),
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz
);
