# What must differ from one cluster to another: numbers of leases, added members and the like, Raft's terms and
# indexes, sizes, hashes, times, and with them the width of tables.
s/\+(-+\+)+/+--+/
s/\b[0-9a-f]{12,16}\b/ID/g
s/-?\b[0-9]{15,20}\b/NUMBER/g
s/"(raft_term|raftTerm|raftIndex|raftAppliedIndex|dbSize|dbSizeInUse|hash)":[0-9]+/"\1":N/g
s/"(RaftTerm|RaftIndex|RaftAppliedIndex|DBSize|DBSizeInUse|Hash)" : [0-9]+/"\1" : N/
s/\b[0-9.]+(µs|ms|s)( \||$)/TIME\2/g
s/[0-9.]+ (k|M)?B\b/SIZE/g
s/^(127\.0\.0\.1:[0-9]+, )[0-9]+$/\1HASH/
s/^(\| *127\.0\.0\.1:[0-9]+ *\| *)[0-9]+ *\|$/\1HASH |/
s/ +/ /g
