-- Challenges that were solved and used: each is good for one signup.
--
-- Why a table, when a challenge is signed and ends by itself: within its ten minutes one solution would do for any
-- number of signups, and the work it proves would be worth nothing. The primary key refuses the second use, also when
-- two come at once and to different processes, and in the transaction of the signup, so that a signup which fails costs
-- nobody their solution. Challenges that are merely handed out leave nothing here.
create table spent_challenges (
    -- The challenge itself: the SHA-256 of random bytes and the number that was to be found. It tells nothing of anybody.
    challenge_sha256 bytea primary key check (octet_length(challenge_sha256) = 32),
    -- When it would have ended anyway. Some time after that the row goes.
    expires_at       timestamptz not null
);

create index spent_challenges_by_expiry on spent_challenges (expires_at);
