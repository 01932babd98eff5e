#!/bin/sh
# A private Postgres for the tests: no Docker, no port, no password. It touches no other server.
#
#   deployments/test-postgres.sh start   starts it, or finds it running; prints its postgres:// URL
#   deployments/test-postgres.sh url     prints the URL of the running server; fails when there is none
#   deployments/test-postgres.sh stop    ends it and deletes its data; ends no other server
#
# Only the URL goes to standard output. The server listens on a socket in a folder that only its user (and
# root) can enter, so it needs neither a free port nor a password. Data checksums and fsync are on.
#
#   TEST_POSTGRES_FSYNC=off   trades durability for speed; for tests that do not care
#   TEST_POSTGRES_DIR=folder  where to make the server's folder; default: TMPDIR, else /tmp
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
cache=$here/.cache
state=$cache/test-postgres # holds the path of the server's folder

say() { printf 'test-postgres: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# as runs a command as the user that owns the server: initdb and postgres refuse to run as root.
as() {
	if [ "$(id -u)" -ne 0 ]; then
		"$@"
	elif command -v runuser >/dev/null 2>&1; then
		runuser -u "$owner" -- "$@"
	else
		setpriv --reuid "$owner" --regid "$(id -g "$owner")" --clear-groups -- "$@"
	fi
}

choose_owner() {
	owner=$(id -un)
	[ "$(id -u)" -eq 0 ] || return 0
	for owner in postgres nobody; do
		id "$owner" >/dev/null 2>&1 && return 0
	done
	die "running as root, and there is neither a user postgres nor a user nobody to run the server as"
}

# find_binaries sets bin to the newest installed server's folder.
find_binaries() {
	for bin in $(ls -d /usr/lib/postgresql/*/bin /usr/libexec/postgresql* /usr/pgsql-*/bin \
		/opt/homebrew/opt/postgresql*/bin 2>/dev/null | sort -t/ -k5 -Vr); do
		[ -x "$bin/initdb" ] && [ -x "$bin/pg_ctl" ] && return 0
	done
	if command -v pg_config >/dev/null 2>&1; then
		bin=$(pg_config --bindir)
		[ -x "$bin/initdb" ] && [ -x "$bin/pg_ctl" ] && return 0
	fi
	return 1
}

need_binaries() {
	find_binaries && return 0
	if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
		say "Postgres is not installed; installing Debian's package postgresql"
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql; } >&2 ||
			die "apt-get could not install the package postgresql; see above"
		find_binaries && return 0
	fi
	die "no Postgres server found. Install one (Debian: apt-get install postgresql; Fedora: dnf install postgresql-server;" \
		"macOS: brew install postgresql) or set TEST_DATABASE_URL to a database of your own"
}

url() { printf 'postgres://plugboard@/plugboard?host=%s\n' "$dir"; }

# running sets dir and tells whether our server runs.
running() {
	[ -r "$state" ] || return 1
	dir=$(cat "$state")
	[ -d "$dir/data" ] || return 1
	as "$bin/pg_ctl" -D "$dir/data" status >/dev/null 2>&1
}

init() {
	dir=$(mktemp -d "${TEST_POSTGRES_DIR:-${TMPDIR:-/tmp}}/plugboard-pg.XXXXXX")
	chmod 700 "$dir"
	[ "$(id -u)" -ne 0 ] || chown "$owner" "$dir"
	cd "$dir"
	as "$bin/initdb" -D "$dir/data" --username=plugboard --auth=trust --data-checksums \
		--locale=C.UTF-8 --encoding=UTF8 --no-sync >"$dir/initdb.log" 2>&1 ||
		{ cat "$dir/initdb.log" >&2; die "initdb failed"; }
	mkdir -p "$cache"
	printf '%s\n' "$dir" >"$state"
}

start() {
	if running; then
		url
		return 0
	fi
	[ -n "${dir:-}" ] && [ -d "$dir/data" ] && say "the server in $dir is gone; starting it again"
	[ -n "${dir:-}" ] && [ -d "$dir/data" ] || init
	cd "$dir"
	options="-c listen_addresses= -c unix_socket_directories=$dir -c unix_socket_permissions=0700"
	options="$options -c max_connections=300 -c fsync=${TEST_POSTGRES_FSYNC:-on} -c timezone=UTC -c max_prepared_transactions=0"
	as "$bin/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -t 60 -o "$options" start >/dev/null 2>&1 9>&- ||
		{ tail -n 20 "$dir/server.log" >&2; die "the server did not start; its log is $dir/server.log"; }
	as "$bin/psql" -h "$dir" -U plugboard -d postgres -qtAc \
		"SELECT 1 FROM pg_database WHERE datname = 'plugboard'" | grep -q 1 ||
		as "$bin/createdb" -h "$dir" -U plugboard plugboard
	url
}

stop() {
	cd / # a folder the server's user may enter
	if running; then
		as "$bin/pg_ctl" -D "$dir/data" -w -t 60 -m immediate stop >/dev/null
	fi
	if [ -n "${dir:-}" ]; then
		case $dir in
		*/plugboard-pg.*) rm -rf -- "$dir" ;;
		esac
	fi
	rm -f "$state"
}

# locked runs one of the above while no other call of this script does.
locked() {
	mkdir -p "$cache"
	if command -v flock >/dev/null 2>&1; then
		exec 9>"$cache/test-postgres.lock"
		flock -w 120 9 || die "another call has held $cache/test-postgres.lock for two minutes"
	fi
	choose_owner
	"$@"
}

case ${1:-} in
start) need_binaries && locked start ;;
stop)
	[ -r "$state" ] || exit 0
	find_binaries || die "no Postgres server found"
	locked stop
	;;
url)
	find_binaries || die "no Postgres server found"
	choose_owner
	running || die "not running; start it with: $0 start"
	url
	;;
*)
	sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
