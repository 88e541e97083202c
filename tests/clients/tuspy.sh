#!/bin/bash
# tuspy, of Debian, so for Debian's Python.
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c 'import tusclient' 2>/dev/null || skip "there is no python3-tuspy"
start
client /usr/bin/python3 "$here/tuspy.py"
stop
