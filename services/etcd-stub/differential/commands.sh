#!/bin/sh
# The commands: each is shown with what it says (both streams, without the client's own log) and its exit
# status. ENDPOINTS are the members, PEER a peer port that nobody has, WORK a folder.
export ETCDCTL_API=3
first=${ENDPOINTS%%,*}
say=$WORK/said

# ctl ARGS...: on the first member; `at` on those that $on names.
at() {
    echo "\$ etcdctl $*"
    timeout -s INT "${limit:-20}" etcdctl --endpoints="$on" "$@" >"$say" 2>&1
    code=$?
    # What was cut off by us has no code of its own.
    [ -n "${limit:-}" ] && code="cut"
    grep -v '^{"level"' "$say"
    echo "= $code"
}
ctl() { on=$first at "$@"; }
all() { on=$ENDPOINTS at "$@"; }
quiet() { etcdctl --endpoints="$first" "$@" >/dev/null 2>&1; }

echo "## put and get"
ctl put a 1
ctl put a 2 --prev-kv
ctl put b 1 -w json
ctl put b 2 --prev-kv -w json
ctl put c ""
ctl put c --ignore-value
ctl put "" x
ctl put d --ignore-value
ctl put a --ignore-lease 3
ctl put a 1 --lease=7b
ctl get a
ctl get a -w json
ctl get a -w fields
ctl get a --print-value-only
ctl get nothing
ctl get nothing -w json
ctl get "" --prefix
ctl get a --consistency=s -w json
ctl get a --rev 2 -w json
ctl get a --rev 99
ctl get a --rev 99 -w json
for i in 5 3 1 4 2; do quiet put "s/$i" "v$((10 - i))"; done
ctl put s/3 v0
ctl get s/ --prefix
ctl get s/ --prefix --limit 2 -w json
ctl get s/ --prefix --keys-only
ctl get s/ --prefix --count-only -w json
ctl get s/ --prefix --count-only --limit 2 -w fields
for by in CREATE KEY MODIFY VALUE VERSION; do
    ctl get s/ --prefix --sort-by $by --order ASCEND
    ctl get s/ --prefix --sort-by $by --order DESCEND --limit 2
done
ctl get s/ --prefix --sort-by VALUE
ctl get s/2 s/4
ctl get s/4 s/2
ctl get s/4 --from-key
ctl get "" --from-key --limit 1
ctl get s/ --prefix --rev 10 -w json

echo "## del"
ctl del s/1
ctl del s/1
ctl del s/2 --prev-kv
ctl del s/ --prefix --prev-kv -w json
ctl del s/ --prefix -w json
ctl del b c
ctl del z --from-key
ctl del ""

echo "## txn"
txn() { echo "> $1" | tr '\n' ';'; echo; printf '%s' "$1" | on=$first at txn ${2:-}; }
txn 'value("a") = "3"

put t 1
get t
get a

put t 2

'
txn 'value("a") = "nope"

put t 1

put t 2
get t
del t

'
txn 'version("t") = "0"
mod("a") > "1"
create("a") = "2"

put t 5
get "" --prefix

get "" --prefix

' '-w json'
txn '

get a
get t


' '-w json'
txn '

put t 1
put t 2


'
txn '

put t 1
del t


'
txn 'value("") = "1"

get a


'
txn '

get a --rev 999


'

echo "## watch"
limit=2
ctl watch a --rev=2
ctl watch --prefix "" --rev=2
ctl watch s/1 s/3 --rev=2 --prev-kv
ctl watch s/ --prefix --rev=2 --prev-kv -w json
ctl watch a --rev=2 -w fields
ctl watch z a --rev=2
limit=
on=$first limit=3 at watch w --prefix >"$WORK/watched" &
watching=$!
sleep 1
quiet put w1 1
quiet put w2 2
quiet del w1
quiet put v 1
printf '\nput w5 5\nput w6 6\n\n\n' | etcdctl --endpoints="$first" txn >/dev/null 2>&1
wait $watching
cat "$WORK/watched"
limit=5
{ printf 'watch w1 --rev 2\n'; sleep 3; } | on=$first at watch -i
limit=

echo "## compact"
ctl compact 99999
ctl compact 5
ctl compact 5
ctl compact 4
ctl compact 6 --physical
ctl compact 0
ctl get a --rev 3
ctl get a --rev 6 -w json
ctl get a --rev 5
limit=2
ctl watch a --rev 3
ctl watch a --rev 5
ctl watch a --rev 6
limit=

echo "## lease"
grant() { etcdctl --endpoints="$first" lease grant "$1" | sed 's/lease \([0-9a-f]*\) .*/\1/'; }
ctl lease list
ctl lease grant 60
ctl lease grant 1
ctl lease grant 9000000001
ctl lease grant 0
ctl lease grant -5
ctl lease list
for l in $(etcdctl --endpoints="$first" lease list | tail -n +2); do ctl lease revoke "$l"; done
lease=$(grant 100)
ctl put l/1 1 --lease="$lease"
ctl put l/2 2 --lease="$lease"
ctl get l/1 -w json
ctl get l/1 -w fields
ctl lease timetolive "$lease" | sed 's/remaining([0-9]*s)/remaining(N)/'
ctl lease timetolive "$lease" --keys | sed -e 's/remaining([0-9]*s)/remaining(N)/' -e 's#l/2 l/1#l/1 l/2#'
ctl lease timetolive "$lease" --keys -w json | sed -e 's/"ttl":[0-9]*/"ttl":N/' -e 's/"bC8y","bC8x"/"bC8x","bC8y"/'
ctl lease keep-alive "$lease" --once
ctl lease keep-alive "$lease" --once -w json
ctl put l/1 1 --ignore-lease
ctl put l/2 2
ctl lease timetolive "$lease" --keys | sed -e 's/remaining([0-9]*s)/remaining(N)/' -e 's#l/2 l/1#l/1 l/2#'
ctl lease list -w json
ctl lease revoke "$lease"
ctl get l/ --prefix
ctl lease revoke "$lease"
ctl lease timetolive "$lease"
ctl lease timetolive "$lease" -w json
ctl lease keep-alive "$lease" --once
ctl lease keep-alive "$lease"
ctl put l/3 3 --lease="$lease"
short=$(grant 2)
ctl put l/4 4 --lease="$short"
limit=5
ctl watch l/4 --prefix
limit=
ctl get l/4
ctl lease timetolive "$short"

echo "## lock and elect"
ctl lock one echo held
ctl get one --prefix
ctl lock one -- sh -c 'exit 3'
ctl lock one --ttl 5 -- sh -c 'etcdctl --endpoints="'"$first"'" get one/ --prefix --keys-only'
etcdctl --endpoints="$first" lock two -- sh -c 'echo first has it; sleep 2; echo first is done' >"$WORK/locked" 2>&1 &
holder=$!
sleep 1
etcdctl --endpoints="$first" lock two echo second has it >>"$WORK/locked" 2>&1
wait $holder
cat "$WORK/locked"
ctl get two --prefix
limit=2
ctl elect e me
ctl elect e --listen
limit=4
on=$first at elect e --listen >"$WORK/observed" &
observer=$!
sleep 1
limit=2
ctl elect e you
wait $observer
cat "$WORK/observed"
limit=
ctl get e --prefix

echo "## members"
echo "numbers begin: $(etcdctl --endpoints="$first" member list | cut -c1-8 | tr '\n' ' ')"
echo "the group's: $(etcdctl --endpoints="$first" endpoint status -w fields | sed -n 's/"ClusterID" : //p' | cut -c1-8)"
ctl member list
ctl member list -w table
ctl member list -w json
ctl member add m4
ctl member add m4 --peer-urls=nonsense
ctl member add m4 --peer-urls=http://nowhere
id() { etcdctl --endpoints="$first" member list | grep unstarted | cut -d, -f1; }
# The number of an added member is made of the time, and members are listed by number.
parts() { tr ',"' '\n\n' | sort; }
ctl member add m4 --peer-urls="http://127.0.0.1:$PEER" | parts
ctl member add m5 --peer-urls="http://127.0.0.1:$PEER"
ctl member list | sort -t, -k2
ctl member update "$(id)" --peer-urls="http://127.0.0.1:$((PEER + 1))"
ctl member list | sort -t, -k2
ctl member promote "$(id)"
ctl member remove "$(id)"
ctl member list -w json
# Not the same address: etcd's number for it would be the one that was removed, within the same second.
ctl member add m4 --learner --peer-urls="http://127.0.0.1:$((PEER + 2))" | parts
ctl member add m5 --learner --peer-urls="http://127.0.0.1:$((PEER + 3))"
ctl member list | sort -t, -k2
ctl member promote "$(id)"
ctl member remove "$(id)"
ctl member remove 1234
ctl member update 1234 --peer-urls="http://127.0.0.1:$PEER"
ctl member promote 1234

echo "## endpoints"
# Who leads is left to chance.
mask_leader() { sed -E -e 's/true|false/BOOL/g' -e 's/([,|]) +[0-9]+(([,|]| +[,|]))/\1 N\2/g' \
    -e 's/([,|]) +[0-9]+(([,|]| +[,|]))/\1 N\2/g' | sort; }
all endpoint status | mask_leader
all endpoint status -w table | mask_leader
ctl endpoint status -w json
ctl endpoint status -w fields
all endpoint health | sort
all endpoint health -w table | sort
all endpoint hashkv | sort
ctl endpoint hashkv -w json
all endpoint hashkv -w table | sort
echo "hashes that differ among the members: $(($(etcdctl --endpoints="$ENDPOINTS" endpoint hashkv |
    cut -d, -f2 | sort -u | wc -l) - 1))"
ctl alarm list
ctl alarm disarm
all defrag | sort
ctl check nothing
ctl auth status
ctl --user=root:x get a

echo "## move-leader"
leading= following= follower=
for e in $(echo "$ENDPOINTS" | tr , ' '); do
    status=$(etcdctl --endpoints="$e" endpoint status -w fields)
    field() { echo "$status" | sed -n "s/^\"$1\" : //p"; }
    if [ "$(field MemberID)" = "$(field Leader)" ]; then
        leading=$e
    else
        following=$e follower=$(printf '%x' "$(field MemberID)")
    fi
done
if [ -n "$following" ]; then
    on=$following at move-leader "$follower" | sed "s#$following#FOLLOWER#"
    on=$leading at move-leader 1234
    on=$leading at move-leader "$follower"
    etcdctl --endpoints="$following" endpoint status -w fields >"$say"
    echo "moved: $(($(sed -n 's/^"Leader" : //p' "$say") == $(sed -n 's/^"MemberID" : //p' "$say")))"
    ctl put moved yes
fi

echo "## snapshot"
ctl snapshot save "$WORK/saved" | sed "s#$WORK#WORK#"
echo "bytes after the last sector: $(($(wc -c <"$WORK/saved") % 512))"
sum=$(head -c -32 "$WORK/saved" | sha256sum | cut -d' ' -f1)
[ "$sum" = "$(tail -c 32 "$WORK/saved" | od -An -v -tx1 | tr -d ' \n')" ] && echo "digest: right"

echo "## http"
ask() { echo "\$ curl $*"; curl -s -m 5 -w '\n= %{http_code} %{content_type}\n' "$@"; }
ask "$first/health"
ask -X POST "$first/health"
ask "$first/version"
ask "$first/nowhere"
curl -s "$first/metrics" | grep -c -E '^(etcd_server_has_leader 1|etcd_server_is_learner 0|etcd_server_leader_changes_seen_total [0-9]|etcd_server_proposals_committed_total [0-9]|etcd_server_proposals_applied_total [0-9]|etcd_server_is_leader [01]|etcd_debugging_mvcc_current_revision [0-9])'
