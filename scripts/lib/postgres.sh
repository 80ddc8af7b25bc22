# shellcheck shell=sh
# Where the PostgreSQL server programs are. Sourced by scripts/setup and scripts/sqlx-prepare.
#
# initdb, pg_ctl and postgres must stand in one folder. The one on PATH wins; after it the newest of
# the usual places (Debian and Ubuntu keep the server programs off PATH on purpose).

# The oldest PostgreSQL that Rundbrief works with.
PG_OLDEST=14

# Prints the major version of the server programs in folder $1, or nothing.
pg_major() {
    [ -x "$1/initdb" ] && [ -x "$1/pg_ctl" ] && [ -x "$1/postgres" ] || return 0
    "$1/postgres" --version 2>/dev/null | sed -n 's/^.*PostgreSQL) \([0-9][0-9]*\).*$/\1/p'
}

# Prints the folder of the server programs to use; fails when there is none of a good version.
pg_bindir() {
    pg_best=
    pg_best_major=0

    if pg_initdb=$(command -v initdb); then
        pg_dir=$(dirname "$pg_initdb")
        pg_found=$(pg_major "$pg_dir")
        if [ "${pg_found:-0}" -ge "$PG_OLDEST" ]; then
            printf '%s\n' "$pg_dir"
            return 0
        fi
    fi

    pg_brew=${HOMEBREW_PREFIX:-}
    if [ -z "$pg_brew" ] && command -v brew >/dev/null 2>&1; then
        pg_brew=$(brew --prefix)
    fi

    for pg_dir in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin "${pg_brew:-/opt/homebrew}"/opt/postgresql@*/bin; do
        pg_found=$(pg_major "$pg_dir")
        if [ "${pg_found:-0}" -ge "$PG_OLDEST" ] && [ "$pg_found" -gt "$pg_best_major" ]; then
            pg_best=$pg_dir
            pg_best_major=$pg_found
        fi
    done

    [ -n "$pg_best" ] || return 1
    printf '%s\n' "$pg_best"
}
