# $1: the folder with PostgreSQL's programs; $2: a folder for the server, which goes with it; $3: where its data
# is, or will be: in that folder, or elsewhere, where it stays; the rest: options of the server.
bin=$1
folder=$2
data=$3
shift 3
server=

start() {
    "$bin/postgres" -D "$data" -k "$folder" "$@" </dev/null >>"$folder/log" 2>&1 &
    server=$!
    until "$bin/pg_isready" -q -h "$folder" -U scim -d postgres; do
        kill -0 "$server" 2>/dev/null || return 1
        sleep 0.03
    done
}

end() {
    [ -n "$server" ] || return 0
    kill "$1" "$server" 2>/dev/null
    wait "$server" 2>/dev/null
    server=
}

# What follows a killed server may find that its processes are not all gone yet.
try() {
    for attempt in 1 2 3 4 5 6 7 8 9 10; do
        start "$@" && return 0
        sleep 0.2
    done
    return 1
}

answer() {
    if [ "$1" -eq 0 ]; then echo done; else echo "PostgreSQL does not start: $(tail -n 1 "$folder/log" 2>/dev/null)"; fi
}

prepare() {
    [ -e "$data/PG_VERSION" ] || "$bin/initdb" -D "$data" -U scim -A trust -E UTF8 --locale=C --no-sync >"$folder/log" 2>&1
}

prepare && start "$@"
answer $?

while read -r command; do
    case $command in
        stop) end -INT; answer 0 ;;
        kill) end -KILL; answer 0 ;;
        start) try "$@"; answer $? ;;
    esac
done

# The pipe is closed: the tests are over, however they ended.
case $data in
    "$folder"/*) end -QUIT ;;
    *) end -INT ;;
esac
rm -rf "$folder"
