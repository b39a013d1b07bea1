#!/usr/bin/env bash
# The database for development: the Postgres of docker-compose.yml where there is
# a Docker engine, else one that is installed on this machine, as a private
# cluster in a folder, reached through a socket that only its user can open, never
# as root. Where there is neither the journal alone serves, which is no failure.
#
#   scripts/database.sh start   start it, make the archive in it, print its URL
#   scripts/database.sh url     print the URL if it runs
#   scripts/database.sh stop    stop it; what is in it stays
#   scripts/database.sh where   say in one line which one it would be
#
# VMO_DEV_DATABASE=FOLDER makes it a Postgres of this machine with its data there.
# What is not the URL goes to standard error.
set -euo pipefail
cd "$(dirname "$0")/.."

home=${VMO_DEV_DATABASE:-${XDG_STATE_HOME:-$HOME/.local/state}/vm-orchestrator-dev/postgres}
[ "$(id -u)" != 0 ] || home=${VMO_DEV_DATABASE:-/var/lib/vm-orchestrator-dev/postgres}
port=${VMO_POSTGRES_PORT:-5432}

say() { printf 'database: %s\n' "$*" >&2; }

has_docker() { [ -z "${VMO_DEV_DATABASE:-}" ] && command -v docker >/dev/null && docker compose version >/dev/null 2>&1 && timeout 10 docker info >/dev/null 2>&1; }

# --- Docker

compose() { docker compose --env-file "$home/env" "$@"; }

docker_start() {
	mkdir -p "$home"
	if [ ! -s "$home/env" ]; then
		(umask 077 && printf 'VMO_POSTGRES_PASSWORD=%s\n' "$(head -c 24 /dev/urandom | base64 | tr '+/' '-_')" >"$home/env")
	fi
	compose up -d --wait >&2 || {
		say "Docker could not start Postgres 16, see above. Is the port taken, name another: VMO_POSTGRES_PORT=5433."
		say "Without Docker a Postgres of this machine serves, with its data where VMO_DEV_DATABASE=FOLDER says."
		exit 1
	}
}

docker_url() { printf 'postgres://vmo@127.0.0.1:%s/vmo?sslmode=disable\n' "$port"; }

# --- a Postgres of this machine

server() {
	local found
	found=$(command -v pg_ctl || true)
	[ -n "$found" ] || found=$(printf '%s\n' /usr/lib/postgresql/*/bin/pg_ctl /usr/pgsql-*/bin/pg_ctl /opt/homebrew/opt/postgresql*/bin/pg_ctl | sort -V | tail -n 1)
	[ -x "$found" ] && dirname "$(readlink -f "$found")"
}

# as_server COMMAND...: root may not run Postgres, so nobody in particular does.
as_server() {
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid "$(id -u "$account")" --regid "$(id -g "$account")" --clear-groups -- "$@"
	else
		"$@"
	fi
}
account=nobody
id postgres >/dev/null 2>&1 && account=postgres

# The path of a socket has at most 107 bytes, so it is not below the data, unless
# somebody chose where that is.
socket_dir() {
	if [ -n "${VMO_DEV_DATABASE:-}" ]; then
		printf '%s\n' "$VMO_DEV_DATABASE/socket"
	else
		printf '/tmp/vmo-dev-postgres-%s\n' "$(id -u)"
	fi
}

local_url() { printf 'postgres://vmo@/vmo?host=%s\n' "$(socket_dir)"; }

local_runs() { as_server "$bin/pg_ctl" -D "$home/data" status >/dev/null 2>&1; }

local_start() {
	local socket
	socket=$(socket_dir)
	mkdir -p "$home"
	if [ ! -s "$home/data/PG_VERSION" ]; then
		mkdir -p "$home/data"
		chmod 700 "$home" "$home/data"
		[ "$(id -u)" != 0 ] || chown -R "$account" "$home"
		say "making a cluster in $home/data"
		as_server "$bin/initdb" -D "$home/data" -U vmo -A trust -E UTF8 --locale=C.UTF-8 >&2
	fi
	if [ -e "$socket" ] && [ ! -O "$socket" ] && [ "$(id -u)" != 0 ]; then
		say "$socket belongs to somebody else. Remove it."
		exit 1
	fi
	mkdir -p -m 700 "$socket"
	[ "$(id -u)" != 0 ] || chown "$account" "$socket"
	if ! local_runs; then
		as_server "$bin/pg_ctl" -D "$home/data" -s -w -t 60 -l "$home/log" \
			-o "-c listen_addresses='' -c unix_socket_directories='$socket' -c unix_socket_permissions=0700" start >&2 || {
			say "it does not start; its last words:"
			tail -n 5 "$home/log" >&2
			exit 1
		}
	fi
	as_server "$bin/psql" -h "$socket" -U vmo -d postgres -Atqc "SELECT 1 FROM pg_database WHERE datname = 'vmo'" | grep -q 1 ||
		as_server "$bin/createdb" -h "$socket" -U vmo vmo
}

kind() {
	if has_docker; then
		echo docker
	elif bin=$(server); then
		echo local
	else
		echo none
	fi
}

nothing() { say "no Docker engine and no Postgres here: jobs are recorded in the journal alone, and everything else works"; }

case ${1:-} in
where)
	case $(kind) in
	docker) echo "Postgres 16 by Docker, on 127.0.0.1:$port" ;;
	local) echo "the Postgres of this machine, in $home" ;;
	none) nothing ;;
	esac
	;;
start)
	case $(kind) in
	docker)
		docker_start
		url=$(docker_url)
		export PGPASSWORD=$(sed 's/^[^=]*=//' "$home/env")
		;;
	local)
		bin=$(server)
		local_start
		url=$(local_url)
		;;
	none)
		nothing
		exit 0
		;;
	esac
	# A settings folder of its own: the archive is made there, whatever the operator uses.
	settings=$(mktemp -d)
	trap 'rm -rf "$settings"' EXIT
	VMO_DATABASE_URL=$url VMO_DATA_DIR=$settings/journal XDG_CONFIG_HOME=$settings VMO_KEYCHAIN=off bin/vmo db init >&2
	echo "$url"
	;;
url)
	case $(kind) in
	docker) [ -z "$(compose ps -q 2>/dev/null)" ] || docker_url ;;
	local) bin=$(server) && local_runs && local_url ;;
	esac
	;;
password) [ ! -s "$home/env" ] || sed 's/^[^=]*=//' "$home/env" ;;
stop)
	case $(kind) in
	docker) [ ! -s "$home/env" ] || compose stop >&2 ;;
	local)
		bin=$(server)
		if [ -d "$home" ] && local_runs; then
			as_server "$bin/pg_ctl" -D "$home/data" -s -w -m fast stop >&2
			say "stopped"
		fi
		;;
	esac
	;;
*)
	echo "usage: scripts/database.sh start|url|password|stop|where" >&2
	exit 2
	;;
esac
