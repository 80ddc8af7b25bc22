-- The start page leads somebody who is new to the first mailing. Whoever does not want that says so once, and for good.

alter table staff add column first_steps_dismissed_at timestamptz;
