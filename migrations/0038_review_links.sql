-- A colleague without a login is to see an update before it is sent, and say what is wrong with it.
--
-- The token of a link is its id, signed: the page of the update shows it again, and the database holds no secret. A link
-- ends by itself, or when staff revoke it; its row stays for a while, so that the page can say what became of it.
create table review_links (
    id         uuid primary key,
    update_id  uuid not null references updates on delete cascade,
    made_at    timestamptz not null,
    -- By name, as it was then.
    made_by    text not null check (made_by <> ''),
    expires_at timestamptz not null,
    revoked_at timestamptz
);
create index review_links_update on review_links (update_id);
create index review_links_expires on review_links (expires_at);

-- What somebody with such a link wrote.
create table review_remarks (
    id      uuid primary key,
    link_id uuid not null references review_links on delete cascade,
    made_at timestamptz not null,
    -- As they called themselves: nobody has checked it.
    name    text not null check (name <> '' and length(name) <= 100),
    remark  text not null check (remark <> '' and length(remark) <= 2000),
    -- When staff put it aside.
    done_at timestamptz
);
create index review_remarks_link on review_remarks (link_id);
