#!/bin/bash
# The examples in contrib/proxy, with the ports changed, through each proxy that is
# installed (nginx must be): an upload that breaks off and is resumed, a long header, and
# a client that names another host.
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin
need nginx
examples=$here/../../contrib/proxy

free_port() {
	/usr/bin/python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# example FILE: the example, between our ports.
example() {
	sed -e "s/127\.0\.0\.1:1080/127.0.0.1:$port/" -e '/listen \[::\]/d' \
		-e "s/listen 80;/listen 127.0.0.1:$front;/" -e "s/^:80 /http:\/\/127.0.0.1:$front /" \
		"$examples/$1"
}

start_nginx() {
	{
		echo "daemon off; master_process off; pid $dir/nginx.pid; error_log $dir/nginx.log; events {}"
		echo "http { access_log off;"
		for kind in client_body proxy fastcgi uwsgi scgi; do
			echo "${kind}_temp_path $dir/nginx-$kind;"
		done
		example nginx.conf
		echo "}"
	} >"$dir/nginx.conf"
	[ "$(id -u)" != 0 ] || sed -i '1s/^/user root; /' "$dir/nginx.conf"
	nginx -c "$dir/nginx.conf" -e "$dir/nginx.log" &
	others=($!)
}

start_caddy() {
	{
		echo "{"
		echo "	admin off"
		echo "}"
		example Caddyfile
	} >"$dir/Caddyfile"
	HOME=$dir caddy run --adapter caddyfile --config "$dir/Caddyfile" 2>"$dir/caddy.log" &
	others=($!)
}

answers() { curl -sS -o /dev/null -X OPTIONS "http://127.0.0.1:$1$base" 2>/dev/null; }

at_least() { [ "$(offset_of "$1")" -ge "$2" ]; }

# resume_through NAME
resume_through() {
	local url size
	front=$(free_port)
	step "an upload through $1"
	"start_$1"
	within 30 answers "$front"
	server=http://127.0.0.1:$front
	head -c 3000000 /dev/urandom >"$dir/$1.bin"
	url=$(tus -o /dev/null -D - -X POST -H "Upload-Length: 3000000" \
		-H "Upload-Metadata: filename $(base64_of "$1.bin")" "$server$base" |
		header Location)
	[[ $url = http://127.0.0.1:$front$base* ]] || fail "Location is $url"
	slice "$dir/$1.bin" 0 1000000 >"$dir/piece"
	direct=$port
	port=$front
	send_part "$url" 0 3000000 "$dir/piece"
	port=$direct
	# The proxy hands on what has come, though the request is not whole.
	within 30 at_least "$url" 1
	hang_up
	size=$(offset_of "$url")
	slice "$dir/$1.bin" 0 "$size" | cmp - "$mnt/incoming/$1.bin"
	slice "$dir/$1.bin" "$size" 3000000 >"$dir/piece"
	same "$(patch "$url" "$size" "$dir/piece")" 204 PATCH
	cmp "$mnt/complete/$1.bin" "$dir/$1.bin"
	curl -sS "$url" | cmp - "$dir/$1.bin"
	step "a header of 60 KB through $1"
	url=$(tus -o /dev/null -D - -X POST -H "Upload-Length: 0" \
		-H "Upload-Metadata: note $(head -c 45000 /dev/zero | base64 -w0)" "$server$base" |
		header Location)
	same "$(status_of "$url")" 200 HEAD
	step "a client that names another host to $1"
	url=$(tus -o /dev/null -D - -X POST -H "Upload-Length: 0" -H "Forwarded: host=evil.example" \
		-H "X-Forwarded-Host: evil.example" "$server$base" | header Location)
	[[ $url = http://127.0.0.1:$front$base* ]] || fail "Location is $url"
	kill "${others[0]}"
	wait "${others[0]}" || true
	others=()
}

start --trust-proxy --absolute-location
resume_through nginx
if command -v caddy >/dev/null; then
	resume_through caddy
fi
stop
