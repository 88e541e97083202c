#!/bin/bash
# nginx, with sendfile, and Samba serve the mount; each is left out where it is absent.
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin
need_fuse
size=30000000

free_port() {
	/usr/bin/python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

upload() {
	url=$(create $size "$1")
	same "$(patch "$url" 0 "$dir/data")" 204 PATCH
}

end_server() {
	kill "${others[0]}"
	wait "${others[0]}" || true
	others=()
}

start_nginx() {
	{
		echo "user root; daemon off; pid $dir/nginx.pid; error_log $dir/nginx.log; events {}"
		echo "http { access_log off; sendfile on;"
		for kind in client_body proxy fastcgi uwsgi scgi; do
			echo "${kind}_temp_path $dir/nginx-$kind;"
		done
		echo "server { listen 127.0.0.1:$front; root $mnt/complete; } }"
	} >"$dir/nginx.conf"
	nginx -c "$dir/nginx.conf" -e "$dir/nginx.log" &
	others=($!)
}

get() { curl -sS --max-time 60 -f "http://127.0.0.1:$front/$1" "${@:2}"; }
get_into_nothing() { get "$1" -o /dev/null 2>/dev/null; }

serve_by_nginx() {
	front=$(free_port)
	start_nginx
	within 30 get_into_nothing one.bin
	get one.bin | cmp - "$dir/data"
	get one.bin -r 12345678-23456789 | cmp - <(slice "$dir/data" 12345678 11111112)
	get one.bin -r -1000 | cmp - <(tail -c 1000 "$dir/data")
	upload two.bin
	get two.bin | cmp - "$dir/data"
	rm "$mnt/complete/two.bin"
	get_into_nothing two.bin && fail "nginx serves what was removed"
	end_server
}

start_samba() {
	mkdir "$dir/samba"
	cat >"$dir/smb.conf" <<-END_OF_CONF
		[global]
		server role = standalone server
		interfaces = 127.0.0.1/8
		bind interfaces only = yes
		smb ports = $front
		disable netbios = yes
		disable spoolss = yes
		load printers = no
		map to guest = bad user
		guest account = root
		private dir = $dir/samba
		passdb backend = tdbsam:$dir/samba/passdb.tdb
		lock directory = $dir/samba
		state directory = $dir/samba
		cache directory = $dir/samba
		pid directory = $dir/samba
		ncalrpc dir = $dir/samba/ncalrpc
		log file = $dir/samba/log
		[uploads]
		path = $mnt/complete
		guest ok = yes
		guest only = yes
		read only = no
	END_OF_CONF
	smbd --foreground --debug-stdout --debuglevel=1 \
		--configfile="$dir/smb.conf" >"$dir/smbd.log" 2>&1 &
	others=($!)
}

# smb COMMANDS: runs smbclient's commands; what they print is in $dir/smb.
smb() {
	smbclient --configfile="$dir/smb.conf" -N -p "$front" -t 60 //127.0.0.1/uploads \
		-c "$1" >"$dir/smb" 2>&1
}

serve_by_samba() {
	front=$(free_port)
	start_samba
	within 60 smb ls
	grep -q "one\.bin .* $size " "$dir/smb" || fail "$(cat "$dir/smb")"
	smb "get one.bin $dir/got" || fail "$(cat "$dir/smb")"
	cmp "$dir/got" "$dir/data"
	smb "mkdir sub; rename one.bin sub\\three.bin; ls sub\\*" || fail "$(cat "$dir/smb")"
	grep -q "three\.bin .* $size " "$dir/smb" || fail "$(cat "$dir/smb")"
	cmp "$mnt/complete/sub/three.bin" "$dir/data"
	smb "put $dir/got four.bin" && fail "Samba writes"
	smb "del sub\\three.bin; rmdir sub" || fail "$(cat "$dir/smb")"
	same "$(status_of "$one")" 410 "HEAD after del"
	same "$(ls -A "$mnt/complete")" "" "what is left"
	end_server
}

start --sync never -o allow_other
head -c $size /dev/urandom >"$dir/data"
upload one.bin
one=$url
served=0
if command -v nginx >/dev/null; then
	step "nginx: whole, ranges, what comes and goes"
	serve_by_nginx
	served=1
fi
if command -v smbd >/dev/null && command -v smbclient >/dev/null; then
	step "Samba: ls, get, mkdir, rename, del, rmdir; and no put"
	serve_by_samba
	served=1
fi
[ $served = 1 ] || skip "there is neither nginx nor Samba"
stop
