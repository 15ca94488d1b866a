# $1: the program; $2: a folder for the server, which goes with it. In it is the configuration, with a port of -1:
# the server takes one that is free and keeps it.
program=$1
folder=$2
server=
port=

start() {
    rm -f "$folder"/*.ports
    "$program" -c "$folder/nats.conf" ${port:+-p "$port"} </dev/null >>"$folder/log" 2>&1 &
    server=$!
    until [ -s "$folder/nats-server_$server.ports" ]; do
        kill -0 "$server" 2>/dev/null || return 1
        sleep 0.03
    done
    # The file has all addresses on one line; the first number behind the address of this machine is the port.
    port=$(tr -d '\n' <"$folder/nats-server_$server.ports" | sed 's/.*127\.0\.0\.1:\([0-9]*\).*/\1/')
}

end() {
    [ -n "$server" ] || return 0
    kill "$1" "$server" 2>/dev/null
    wait "$server" 2>/dev/null
    server=
}

# The port may still be in use by a connection that was there.
try() {
    for attempt in 1 2 3 4 5 6 7 8 9 10; do
        start && return 0
        sleep 0.3
    done
    return 1
}

answer() {
    if [ "$1" -eq 0 ]; then echo "done $port"; else echo "nats-server does not start: $(tail -n 1 "$folder/log" 2>/dev/null)"; fi
}

try
answer $?

while read -r command; do
    case $command in
        stop) end -TERM; answer 0 ;;
        kill) end -KILL; answer 0 ;;
        start) try; answer $? ;;
    esac
done

# The pipe is closed: the tests are over, however they ended.
end -KILL
rm -rf "$folder"
